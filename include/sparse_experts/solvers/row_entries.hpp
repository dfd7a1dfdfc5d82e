// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/column_run.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

/// Whether the Gram of columns with that share of entries is summed pair of entries by pair, else by panels.
constexpr bool sums_pairs(double share) {
  // A multiply-add among scattered entries costs about as much as this many in a matrix product.
  constexpr double scatter_cost = 30;
  return scatter_cost * share * share < 1;
}

/// X by rows in single precision, columns scaled to norm 1: what a Gram of few chosen rows is made from,
/// where by columns every entry would be looked at. 8 bytes an entry.
struct RowEntries {
  std::vector<std::size_t> begin;     // n + 1
  LargeVector<std::int32_t> columns;  // ascending in a row
  LargeVector<float> values;

  bool empty() const { return begin.empty(); }
};

/// From any columns with rows(), cols(), norm(j) and run(j) in memory, rows ascending; blocks of rows in
/// parallel.
template <class Columns>
RowEntries row_entries(const Columns& x, int n_threads) {
  constexpr Index block_rows = 1024;
  const Index n = x.rows(), p = x.cols();
  RowEntries entries;
  entries.begin.assign(static_cast<std::size_t>(n) + 1, 0);
  // f(i, value) for the entries of column j in the block.
  const auto each = [&](Index j, const Block& block, auto&& f) {
    const ColumnRun run = x.run(j);
    const auto row = [&](Index k) { return run.rows ? Index{run.rows[k]} : k; };
    Index k =
        run.rows ? std::lower_bound(run.rows, run.rows + run.count, block.begin) - run.rows : block.begin;
    for (; k < run.count && row(k) < block.end; ++k) f(row(k), run.value(k));
  };
  parallel_blocks(n, block_rows, n_threads, [&](const Block& block) {
    for (Index j = 0; j < p; ++j)
      each(j, block, [&](Index i, double) { ++entries.begin[static_cast<std::size_t>(i) + 1]; });
  });
  for (std::size_t i = 1; i < entries.begin.size(); ++i) entries.begin[i] += entries.begin[i - 1];
  entries.columns.resize(entries.begin.back());
  entries.values.resize(entries.begin.back());
  parallel_blocks(n, block_rows, n_threads, [&](const Block& block) {
    std::vector<std::size_t> next(entries.begin.begin() + block.begin, entries.begin.begin() + block.end);
    for (Index j = 0; j < p; ++j) {
      const double scale = x.norm(j) > 0 ? 1 / x.norm(j) : 0;
      each(j, block, [&](Index i, double value) {
        const std::size_t at = next[static_cast<std::size_t>(i - block.begin)]++;
        entries.columns[at] = static_cast<std::int32_t>(j);
        entries.values[at] = static_cast<float>(value * scale);
      });
    }
  });
  return entries;
}

}  // namespace sparse_experts::detail
