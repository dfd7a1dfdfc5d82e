// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/io/dataset.hpp>
#include <sparse_experts/io/text.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <istream>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sparse_experts {

struct LibsvmOptions {
  Index n_features = 0;     ///< columns of X; 0: the largest index found. Give it to match a training set
  bool zero_based = false;  ///< the first feature is 0 instead of 1
};

/// Reads LIBSVM text, one sample a line: `target index:value index:value ... # comment`, indices ascending.
/// Throws std::runtime_error that names source and line when the text is anything else.
template <class Scalar>
Dataset<SparseRowMatrix<Scalar>> read_libsvm(std::istream& stream,
                                             const LibsvmOptions& options = LibsvmOptions(),
                                             const std::string& name = "libsvm stream") {
  detail::LineReader lines(stream, name);
  std::vector<Scalar> targets, values;
  std::vector<int> columns, starts{0};
  const Index first = options.zero_based ? 0 : 1;
  Index n_features = 0;
  std::string_view line;
  while (lines.next(line)) {
    line = detail::trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    bool is_target = true;
    for (Index last = -1; !line.empty();) {
      const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
      const std::string_view field = line.substr(0, end);
      line = detail::trimmed(line.substr(end));
      if (is_target) {
        targets.push_back(lines.number<Scalar>(field, "the target"));
        is_target = false;
        continue;
      }
      const std::size_t colon = field.find(':');
      if (colon == std::string_view::npos) lines.fail("\"" + std::string(field) + "\", expected index:value");
      const Index column = lines.integer(field.substr(0, colon), "the index") - first;
      if (column < 0 || column >= std::numeric_limits<int>::max())
        lines.fail("index " + std::string(field.substr(0, colon)) + " is out of range, the first is " +
                   std::to_string(first));
      if (column <= last)
        lines.fail("index " + std::to_string(column + first) + " follows " + std::to_string(last + first) +
                   ", expected ascending indices");
      last = column;
      const Scalar value = lines.number<Scalar>(field.substr(colon + 1), "the value");
      if (options.n_features > 0 && column >= options.n_features)
        lines.fail("index " + std::to_string(column + first) +
                   " exceeds n_features = " + std::to_string(options.n_features));
      n_features = std::max(n_features, column + 1);
      if (value == Scalar(0)) continue;
      columns.push_back(static_cast<int>(column));
      values.push_back(value);
    }
    if (values.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
      lines.fail("more than 2^31 - 1 non-zero values");
    starts.push_back(static_cast<int>(values.size()));
  }
  if (targets.empty()) throw std::runtime_error("sparse_experts: " + name + " has no data");
  if (options.n_features > 0) n_features = options.n_features;

  Dataset<SparseRowMatrix<Scalar>> data;
  const auto n = static_cast<Index>(targets.size());
  data.y = Eigen::Map<const Vector<Scalar>>(targets.data(), n);
  data.X = Eigen::Map<const SparseRowMatrix<Scalar>>(n, n_features, static_cast<Index>(values.size()),
                                                     starts.data(), columns.data(), values.data());
  return data;
}

template <class Scalar>
Dataset<SparseRowMatrix<Scalar>> read_libsvm(const std::string& path,
                                             const LibsvmOptions& options = LibsvmOptions()) {
  std::ifstream file = detail::open_for_reading(path);
  return read_libsvm<Scalar>(file, options, path);
}

}  // namespace sparse_experts
