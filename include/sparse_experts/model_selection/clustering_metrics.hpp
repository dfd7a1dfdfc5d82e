// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <cmath>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

/// Agreement of two labellings of the same samples; the names of the labels play no part, and -1 (noise) is a
/// label like any other.
namespace sparse_experts {

namespace detail {

/// Sparse contingency table: how often the pair of labels (a, b) occurs.
struct Contingency {
  std::vector<Index> counts;  // pairs that occur
  std::vector<std::pair<std::size_t, std::size_t>> cells;
  std::vector<Index> row_sums, column_sums;
  Index n = 0;
};

template <class A, class B>
Contingency contingency(const Eigen::MatrixBase<A>& a, const Eigen::MatrixBase<B>& b) {
  check_at_least("a.size()", a.size(), 1);
  check_size("b.size()", b.size(), a.size(), "a.size()");
  std::map<Index, std::size_t> rows, columns;
  std::map<std::pair<std::size_t, std::size_t>, Index> table;
  for (Index i = 0; i < a.size(); ++i) {
    const auto row = rows.try_emplace(static_cast<Index>(a.derived().coeff(i)), rows.size()).first->second;
    const auto column =
        columns.try_emplace(static_cast<Index>(b.derived().coeff(i)), columns.size()).first->second;
    ++table[{row, column}];
  }
  Contingency result;
  result.n = a.size();
  result.row_sums.assign(rows.size(), 0);
  result.column_sums.assign(columns.size(), 0);
  for (const auto& [cell, count] : table) {
    result.cells.push_back(cell);
    result.counts.push_back(count);
    result.row_sums[cell.first] += count;
    result.column_sums[cell.second] += count;
  }
  return result;
}

inline double pairs(Index n) { return 0.5 * static_cast<double>(n) * static_cast<double>(n - 1); }
inline double sum_of_pairs(const std::vector<Index>& counts) {
  double sum = 0;
  for (const Index n : counts) sum += pairs(n);
  return sum;
}
template <class = void>
double entropy(const std::vector<Index>& counts, Index n) {
  double sum = 0;
  for (const Index count : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(n);
    if (count > 0) sum -= share * std::log(share);
  }
  return sum;
}

}  // namespace detail

/// Rand index adjusted for chance: (index - expected) / (mean of the row and column pairs - expected), 1 for
/// equal partitions, about 0 for independent ones.
/// Ref: Hubert, Arabie, "Comparing partitions", Journal of Classification 1985.
template <class A, class B>
double adjusted_rand_index(const Eigen::MatrixBase<A>& a, const Eigen::MatrixBase<B>& b) {
  const detail::Contingency table = detail::contingency(a, b);
  const double rows = detail::sum_of_pairs(table.row_sums), columns = detail::sum_of_pairs(table.column_sums);
  const double all = detail::pairs(table.n);
  const double expected = all > 0 ? rows * columns / all : 0;
  const double best = 0.5 * (rows + columns);
  if (best == expected) return 1;  // both trivial: one cluster, or each sample its own
  return (detail::sum_of_pairs(table.counts) - expected) / (best - expected);
}

/// Mutual information over the arithmetic mean of the two entropies, in [0, 1]. Two labellings that are both
/// constant give 1.
template <class A, class B>
double normalized_mutual_info(const Eigen::MatrixBase<A>& a, const Eigen::MatrixBase<B>& b) {
  const detail::Contingency table = detail::contingency(a, b);
  if (table.row_sums.size() == 1 && table.column_sums.size() == 1) return 1;
  const double mean_entropy =
      0.5 * (detail::entropy(table.row_sums, table.n) + detail::entropy(table.column_sums, table.n));
  const auto n = static_cast<double>(table.n);
  double information = 0;
  for (std::size_t k = 0; k < table.cells.size(); ++k) {
    const auto count = static_cast<double>(table.counts[k]);
    const auto row = static_cast<double>(table.row_sums[table.cells[k].first]);
    const auto column = static_cast<double>(table.column_sums[table.cells[k].second]);
    information += count / n * std::log(count * n / (row * column));
  }
  return information > 0 ? information / mean_entropy : 0;
}

}  // namespace sparse_experts
