// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/io/csv.hpp>
#include <sparse_experts/io/libsvm.hpp>
#include <sparse_experts/model_selection/split.hpp>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

/// The public data sets of the accuracy tables, read from the folder that SPARSE_EXPERTS_DATA names.
namespace data_sets {

namespace se = sparse_experts;
using se::Index;

struct Set {
  bool sparse = false;
  se::RowMatrix<float> X, X_test;          // dense sets
  se::SparseRowMatrix<float> Xs, Xs_test;  // sparse sets
  se::LabelVector y, y_test;
};

inline std::string folder() {
  const char* path = std::getenv("SPARSE_EXPERTS_DATA");
  if (!path) throw std::runtime_error("set SPARSE_EXPERTS_DATA to the folder of the data sets");
  return path;
}

/// Whole content of a file, unpacked when it ends in .gz.
inline std::string slurp(const std::string& path) {
  const bool packed = path.size() > 3 && path.compare(path.size() - 3, 3, ".gz") == 0;
  const std::string command = (packed ? "zcat '" : "cat '") + path + '\'';
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof(buffer), pipe.get())) text.append(buffer, n);
  if (text.empty()) throw std::runtime_error(path + " is empty or missing");
  return text;
}

inline se::RowMatrix<float> idx_images(const std::string& path) {
  const std::string bytes = slurp(path);
  const auto at = [&](std::size_t i) { return static_cast<Index>(static_cast<unsigned char>(bytes[i])); };
  const auto big = [&](std::size_t i) {
    return (at(i) << 24) | (at(i + 1) << 16) | (at(i + 2) << 8) | at(i + 3);
  };
  se::RowMatrix<float> x(big(4), big(8) * big(12));
  for (Index i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<float>(at(static_cast<std::size_t>(16 + i))) / 255.0F;
  return x;
}

inline se::LabelVector idx_labels(const std::string& path) {
  const std::string bytes = slurp(path);
  se::LabelVector y(static_cast<Index>(bytes.size()) - 8);
  for (Index i = 0; i < y.size(); ++i)
    y[i] = static_cast<unsigned char>(bytes[static_cast<std::size_t>(i + 8)]);
  return y;
}

inline void read_svm(const std::string& path, Index n_features, se::SparseRowMatrix<float>& X,
                     se::LabelVector& y) {
  std::istringstream in(slurp(path));
  auto data = se::read_libsvm<float>(in, {.n_features = n_features});
  X = std::move(data.X);
  y = data.y.cast<int>();
}

inline void make_dense(Set& set) {
  set.X = set.Xs.toDense();
  set.X_test = set.Xs_test.toDense();
}

/// A stratified fifth of the training part takes the place of the test part.
inline void hold_out(Set& set) {
  const se::Split split = se::train_test_split(set.y, {.test_size = 0.2, .seed = 77});
  if (set.sparse) {
    set.Xs_test = se::take_rows(set.Xs, split.test);
    set.Xs = se::SparseRowMatrix<float>(se::take_rows(set.Xs, split.train));
  } else {
    set.X_test = se::take_rows(set.X, split.test);
    set.X = se::RowMatrix<float>(se::take_rows(set.X, split.train));
  }
  set.y_test = se::take_rows(set.y, split.test);
  set.y = se::LabelVector(se::take_rows(set.y, split.train));
}

/// name: digits, mnist, usps, letter, a9a, svmguide1, debian. digits are split 60/40, stratified, by seed;
/// the others come split.
inline Set load(const std::string& name, std::uint64_t seed, const std::string& digits_csv) {
  Set set;
  if (name == "digits") {
    const auto all = se::read_csv<float>(digits_csv, {.target_column = 0});
    const se::LabelVector labels = all.y.cast<int>();
    const se::Split split = se::train_test_split(labels, {.test_size = 0.4, .seed = seed});
    set.X = se::take_rows(all.X, split.train);
    set.X_test = se::take_rows(all.X, split.test);
    set.y = se::take_rows(labels, split.train);
    set.y_test = se::take_rows(labels, split.test);
    return set;
  }
  const std::string dir = folder() + '/' + (name == "debian" ? "debian" : name) + '/';
  if (name == "mnist") {
    set.X = idx_images(dir + "train-images-idx3-ubyte.gz");
    set.X_test = idx_images(dir + "t10k-images-idx3-ubyte.gz");
    set.y = idx_labels(dir + "train-labels-idx1-ubyte.gz");
    set.y_test = idx_labels(dir + "t10k-labels-idx1-ubyte.gz");
  } else if (name == "usps") {
    read_svm(dir + "usps.train.svm.gz", 256, set.Xs, set.y);
    read_svm(dir + "usps.test.svm.gz", 256, set.Xs_test, set.y_test);
    make_dense(set);
  } else if (name == "svmguide1") {
    read_svm(dir + "svmguide1", 4, set.Xs, set.y);
    read_svm(dir + "svmguide1.t", 4, set.Xs_test, set.y_test);
    make_dense(set);
  } else if (name == "a9a") {
    read_svm(dir + "a9a.gz", 123, set.Xs, set.y);
    read_svm(dir + "a9a.t.gz", 123, set.Xs_test, set.y_test);
    set.sparse = true;
  } else if (name == "debian") {
    read_svm(dir + "debian.tfidf.train.svm.gz", 23459, set.Xs, set.y);
    read_svm(dir + "debian.tfidf.test.svm.gz", 23459, set.Xs_test, set.y_test);
    set.sparse = true;
  } else if (name == "letter") {
    std::istringstream in(slurp(dir + "letter.csv.gz"));
    const auto all = se::read_csv<float>(in, {.target_column = 0});
    const se::LabelVector labels = all.y.cast<int>();
    set.X = all.X.topRows(16000);
    set.X_test = all.X.bottomRows(all.X.rows() - 16000);
    set.y = labels.head(16000);
    set.y_test = labels.tail(labels.size() - 16000);
  } else {
    throw std::runtime_error("unknown set " + name);
  }
  return set;
}

}  // namespace data_sets
