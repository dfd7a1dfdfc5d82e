// SPDX-License-Identifier: MIT
// Our side of sparse_coding.py: reads raw double arrays, prints seconds, writes raw double results.
//   encode <X> <n> <p> <D> <k> <alpha> <algorithm> <double|float> <threads> <repeats> <codes out>
//   omp    <X> <n> <p> <D> <k> <atoms> -            <double|float> <threads> <repeats> <codes out>
//   learn  <X> <n> <p> <k> <alpha> <rows a slice> <slices> <dictionaries out>
#include <sparse_experts/coding/dictionary_learning.hpp>
#include <sparse_experts/coding/omp.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace se = sparse_experts;
using se::Index;
using Rows = se::RowMatrix<double>;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Rows read(const std::string& path, Index rows, Index cols) {
  Rows x(rows, cols);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(x.data()), static_cast<std::streamsize>(x.size() * 8));
  if (!file) throw std::runtime_error("cannot read " + path);
  return x;
}

void write(const std::string& path, const Rows& x, bool append = false) {
  std::ofstream file(path, append ? std::ios::binary | std::ios::app : std::ios::binary);
  file.write(reinterpret_cast<const char*>(x.data()), static_cast<std::streamsize>(x.size() * 8));
  if (!file) throw std::runtime_error("cannot write " + path);
}

/// Times the batch `repeats` times, then single samples; the Gram of D is made outside, as a fitted model has
/// it.
template <class Coder, class Matrix>
void time_coder(const Coder& coder, const Matrix& x, int repeats, const std::string& out) {
  using Scalar = typename Matrix::Scalar;
  se::SparseRowMatrix<Scalar> codes;
  se::CodingReport report;
  std::printf("seconds");
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    codes = coder.transform(x, &report);
    std::printf(" %.6f", seconds_since(start));
  }
  std::vector<double> microseconds;
  auto workspace = coder.workspace();
  se::Vector<Scalar> code(coder.n_components());
  for (Index i = 0; i < x.rows(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    coder.encode_into(x.row(i), code, workspace);
    microseconds.push_back(1e6 * seconds_since(start));
  }
  std::sort(microseconds.begin(), microseconds.end());
  std::printf("\nlatency %.2f %.2f\n", microseconds[microseconds.size() / 2],
              microseconds[microseconds.size() * 99 / 100]);
  std::printf("report %.3e %.3e\n", report.mean_gap, report.max_gap);
  write(out, Matrix(codes).template cast<double>());
}

template <class Scalar>
void encode(char** argv) {
  const std::string mode = argv[1];
  const Index n = std::stol(argv[3]), p = std::stol(argv[4]), k = std::stol(argv[6]);
  const se::RowMatrix<Scalar> x = read(argv[2], n, p).cast<Scalar>(), d = read(argv[5], k, p).cast<Scalar>();
  const int threads = std::stoi(argv[10]), repeats = std::stoi(argv[11]);
  if (mode == "omp") {
    time_coder(se::OmpCoder<Scalar>(d, {.n_nonzero = std::stol(argv[7]), .n_threads = threads}), x, repeats,
               argv[12]);
    return;
  }
  se::SparseCoderOptions options{.alpha = std::stod(argv[7]), .n_threads = threads};
  if (std::string(argv[8]) == "coordinate_descent")
    options.algorithm = se::SparseCoderAlgorithm::coordinate_descent;
  time_coder(se::SparseCoder<Scalar>(d, options), x, repeats, argv[12]);
}

/// Slices of the samples through partial_fit; after each slice the seconds spent in learning so far, and the
/// atoms.
void learn(char** argv) {
  const Index n = std::stol(argv[3]), p = std::stol(argv[4]), slice = std::stol(argv[7]),
              slices = std::stol(argv[8]);
  const Rows x = read(argv[2], n, p);
  se::DictionaryLearning<double> learning(
      {.n_components = std::stol(argv[5]), .alpha = std::stod(argv[6]), .seed = 0, .n_threads = 1});
  double seconds = 0;
  for (Index s = 0; s < slices; ++s) {
    const Index first = s * slice % (n - slice + 1);
    const auto start = std::chrono::steady_clock::now();
    learning.partial_fit(x.middleRows(first, slice));
    seconds += seconds_since(start);
    std::printf("learnt %.4f\n", seconds);
    write(argv[9], learning.dictionary(), s > 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "learn" && argc == 10)
    learn(argv);
  else if ((mode == "encode" || mode == "omp") && argc == 13)
    std::string(argv[9]) == "float" ? encode<float>(argv) : encode<double>(argv);
  else
    return 1;
}
