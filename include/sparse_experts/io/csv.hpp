// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/io/dataset.hpp>
#include <sparse_experts/io/text.hpp>

#include <cstddef>
#include <fstream>
#include <istream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sparse_experts {

struct CsvOptions {
  char delimiter = ',';      ///< ' ' stands for any run of spaces and tabs
  bool header = false;       ///< pass over the first line
  Index target_column = -1;  ///< column that becomes y; negative: none
};

/// Reads numbers in columns: one sample a line, the same number of fields in every line, every field a finite
/// number (no quotes, no missing values). Lines end in LF or CRLF, empty lines are passed over.
/// Throws std::runtime_error that names source, line and field when the text is anything else.
template <class Scalar>
Dataset<RowMatrix<Scalar>> read_csv(std::istream& stream, const CsvOptions& options = CsvOptions(),
                                    const std::string& name = "csv stream") {
  detail::LineReader lines(stream, name);
  std::vector<Scalar> values;
  Index n_rows = 0, n_fields = 0;
  std::string_view line;
  if (options.header) lines.next(line);
  while (lines.next(line)) {
    Index field = 0;
    for (bool more = true; more; ++field) {
      const std::size_t end =
          options.delimiter == ' ' ? line.find_first_of(" \t") : line.find(options.delimiter);
      more = end != std::string_view::npos;
      const std::string_view text = detail::trimmed(line.substr(0, end));
      values.push_back(lines.number<Scalar>(text, "field " + std::to_string(field + 1)));
      if (more) line = line.substr(end + 1);
      if (options.delimiter == ' ') line = detail::trimmed(line);
    }
    if (n_rows == 0) n_fields = field;
    if (field != n_fields)
      lines.fail(std::to_string(field) + " fields, expected " + std::to_string(n_fields) +
                 " as in the first line");
    ++n_rows;
  }
  if (n_rows == 0) throw std::runtime_error("sparse_experts: " + name + " has no data");
  const bool has_target = options.target_column >= 0;
  if (options.target_column >= n_fields || (has_target && n_fields == 1))
    throw std::runtime_error("sparse_experts: " + name + " has " + std::to_string(n_fields) +
                             " columns, so column " + std::to_string(options.target_column) +
                             " cannot be the target beside features");

  Dataset<RowMatrix<Scalar>> data;
  const Eigen::Map<const RowMatrix<Scalar>> all(values.data(), n_rows, n_fields);
  if (!has_target) {
    data.X = all;
    return data;
  }
  const Index target = options.target_column;
  data.y = all.col(target);
  data.X.resize(n_rows, n_fields - 1);
  data.X.leftCols(target) = all.leftCols(target);
  data.X.rightCols(n_fields - 1 - target) = all.rightCols(n_fields - 1 - target);
  return data;
}

template <class Scalar>
Dataset<RowMatrix<Scalar>> read_csv(const std::string& path, const CsvOptions& options = CsvOptions()) {
  std::ifstream file = detail::open_for_reading(path);
  return read_csv<Scalar>(file, options, path);
}

}  // namespace sparse_experts
