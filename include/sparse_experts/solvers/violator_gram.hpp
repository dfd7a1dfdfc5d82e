// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>
#include <sparse_experts/solvers/rank_update.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

/// H = sum_i d_i u_i u_i', u_i = (1 / sqrt(n), x_i,j(1) / |x_j(1)|, …): the Gram of the weighted rows over a
/// constant column (slot 0) and columns j(1), j(2), … (slots 1, 2, …) that join over time. Kept from one
/// Newton step to the next: of the old columns only the rows whose weight d_i changed are added, and only
/// pairs with a new column are summed over all weighted rows. Mostly empty rows add their pairs of entries
/// one by one, full ones go by panels and matrix products. Cost: (rows changed) m^2 multiply-adds, or the
/// pairs of entries in those rows; (m + 1)^2 memory, and where rows are mostly empty a copy of the columns by
/// rows.
class ViolatorGram {
 public:
  ViolatorGram(const MarginColumns& x, int n_threads)
      : x_(x), n_threads_(n_threads), weights_(Vector<double>::Zero(x.rows())) {}

  /// Whether columns with that share of entries are summed pair by pair.
  static bool sums_pairs(double share) {
    // A multiply-add among scattered entries costs about as much as this many in a matrix product.
    constexpr double scatter_cost = 30;
    return scatter_cost * share * share < 1;
  }

  /// Number of columns; slot s > 0 is columns()[s - 1].
  Index size() const { return static_cast<Index>(columns_.size()); }
  const std::vector<Index>& columns() const { return columns_; }

  void clear() {
    columns_.clear();
    summed_ = 0;
  }
  /// Takes effect with the next update.
  void append(Index column) { columns_.push_back(column); }

  /// Bring H to the weights d >= 0.
  void update(const Vector<double>& d) {
    if (size() + 1 > summed_) extend();
    Index set = 0, changed = 0;
    for (Index i = 0; i < d.size(); ++i) {
      set += d[i] != 0;
      changed += d[i] != weights_[i];
    }
    if (changed > set) summed_ = 0;
    if (summed_ == 0) gram_.topLeftCorner(size() + 1, size() + 1).setZero();
    if (summed_ > 0) {
      choose_rows(d, weights_);
      add(0, summed_);
    }
    if (summed_ < size() + 1) {
      choose_rows(d, Vector<double>());
      add(summed_, size() + 1);
    }
    summed_ = size() + 1;
    weights_ = d;
  }

  /// Entries (0, b), …, (b, b) are valid.
  const double* column(Index b) const { return gram_.data() + b * gram_.rows(); }
  double operator()(Index a, Index b) const { return a <= b ? gram_(a, b) : gram_(b, a); }

 private:
  static constexpr Index panel_rows = 256;

  // Room for the new columns; entries by rows where that pays.
  void extend() {
    const Index m = size() + 1, n = x_.rows();
    if (m > gram_.rows()) {
      const Index capacity = std::max(m, std::min(x_.cols() + 1, summed_ + summed_ / 2));
      Matrix<double> grown(capacity, capacity);
      grown.topLeftCorner(summed_, summed_) = gram_.topLeftCorner(summed_, summed_);
      gram_.swap(grown);
    }
    gram_.block(0, summed_, m, m - summed_).setZero();
    double stored = 0;
    by_rows_ = true;
    dense_ = false;
    for (const Index j : columns_) {
      const ColumnRun run = x_.run(j);
      stored += static_cast<double>(run.count);
      by_rows_ = by_rows_ && run.rows;
      dense_ = dense_ || !run.rows;
    }
    const double share = stored / (static_cast<double>(n) * static_cast<double>(std::max<Index>(1, size())));
    by_rows_ = by_rows_ && sums_pairs(share);
    if (!by_rows_) return;
    begin_.assign(static_cast<std::size_t>(n) + 1, 1);
    begin_[0] = 0;  // the constant column is in every row
    for (const Index j : columns_)
      x_.run(j).for_each([&](Index i, double) { ++begin_[static_cast<std::size_t>(i) + 1]; });
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) begin_[i + 1] += begin_[i];
    slots_.resize(begin_.back());
    values_.resize(begin_.back());
    std::vector<std::size_t> next(begin_.begin(), begin_.end() - 1);
    const double constant = 1 / std::sqrt(static_cast<double>(n));
    const auto put = [&](Index i, Index slot, double value) {
      const std::size_t at = next[static_cast<std::size_t>(i)]++;
      slots_[at] = static_cast<std::int32_t>(slot);
      values_[at] = value;
    };
    for (Index i = 0; i < n; ++i) put(i, 0, constant);
    for (Index s = 1; s < m; ++s) {
      const double scale = scale_of(s);
      x_.run(columns_[static_cast<std::size_t>(s - 1)]).for_each([&](Index i, double x) {
        put(i, s, x * scale);
      });
    }
  }

  double scale_of(Index slot) const {
    const double norm = x_.norm(columns_[static_cast<std::size_t>(slot - 1)]);
    return norm > 0 ? 1 / norm : 0;
  }

  // Rows where d differs from `before` (nothing: from zero) and by how much.
  void choose_rows(const Vector<double>& d, const Vector<double>& before) {
    rows_.clear();
    factors_.clear();
    for (Index i = 0; i < d.size(); ++i) {
      const double change = d[i] - (before.size() > 0 ? before[i] : 0);
      if (change == 0) continue;
      rows_.push_back(static_cast<std::int32_t>(i));
      factors_.push_back(change);
    }
  }

  // The chosen rows for the columns [begin, end) of H, down to the diagonal.
  void add(Index begin, Index end) {
    if (by_rows_)
      add_pairs(begin, end);
    else
      add_panels(begin, end);
  }

  void add_pairs(Index begin, Index end) {
    for (std::size_t k = 0; k < rows_.size(); ++k) {
      const auto i = static_cast<std::size_t>(rows_[k]);
      const std::int32_t* slot = slots_.data() + begin_[i];
      const double* value = values_.data() + begin_[i];
      const auto count = static_cast<Index>(begin_[i + 1] - begin_[i]);
      for (Index b = 0; b < count; ++b) {
        if (slot[b] < begin) continue;
        if (slot[b] >= end) break;
        double* out = gram_.data() + slot[b] * gram_.rows();
        const double factor = factors_[k] * value[b];
        for (Index a = 0; a <= b; ++a) out[slot[a]] += factor * value[a];
      }
    }
  }

  void add_panels(Index begin, Index end) {
    const auto count = static_cast<Index>(rows_.size());
    cursor_.assign(static_cast<std::size_t>(end), 0);
    place_.assign(static_cast<std::size_t>(x_.rows()), -1);
    for (Index k = 0; k < count; ++k)
      place_[static_cast<std::size_t>(rows_[static_cast<std::size_t>(k)])] = static_cast<std::int32_t>(k);
    const Index depth = std::min(panel_rows, count);
    left_.setZero(packed_size(end, depth, tile_rows<double>));
    right_.setZero(packed_size(end - begin, depth, tile_cols));
    for (Index top = 0; top < count; top += panel_rows) {
      const Index height = std::min(panel_rows, count - top);
      // Zeros in one sweep: by columns they would be scattered.
      if (top > 0 && !dense_) {
        left_.setZero();
        right_.setZero();
      }
      parallel_blocks(end, 16, n_threads_, [&](const Block& block) {
        for (Index s = block.begin; s < block.end; ++s) fill(s, top, height, depth, begin);
      });
      parallel_blocks(end - begin, 8 * tile_cols, n_threads_, [&](const Block& block) {
        update_upper<tile_cols>(left_.data(), right_.data(), depth, depth, gram_.data(), gram_.rows(), begin,
                                block.begin, block.end);
      });
    }
  }

  // Column s of the panel of chosen rows [top, top + height), zeros below up to depth.
  void fill(Index s, Index top, Index height, Index depth, Index begin) {
    const std::int32_t* rows = rows_.data() + top;
    double* left = left_.data() + packed_at(0, s, depth, tile_rows<double>);
    double* right = s < begin ? nullptr : right_.data() + packed_at(0, s - begin, depth, tile_cols);
    const auto put = [&](Index k, double value) {
      left[k * tile_rows<double>] = value;
      if (right) right[k * tile_cols] = k < height ? value * factors_[static_cast<std::size_t>(top + k)] : 0;
    };
    if (s == 0) {
      const double constant = 1 / std::sqrt(static_cast<double>(x_.rows()));
      for (Index k = 0; k < height; ++k) put(k, constant);
    } else {
      const ColumnRun run = x_.run(columns_[static_cast<std::size_t>(s - 1)]);
      const double scale = scale_of(s);
      if (!run.rows) {
        for (Index k = 0; k < height; ++k) put(k, run.value(rows[k]) * scale);
      } else {
        if (dense_)
          for (Index k = 0; k < height; ++k) put(k, 0);
        Index& cursor = cursor_[static_cast<std::size_t>(s)];
        for (; cursor < run.count && run.rows[cursor] <= rows[height - 1]; ++cursor) {
          const std::int32_t at = place_[static_cast<std::size_t>(run.rows[cursor])];
          if (at >= 0) put(at - top, run.value(cursor) * scale);
        }
      }
    }
    if (dense_ || s == 0)
      for (Index k = height; k < depth; ++k) put(k, 0);
  }

  const MarginColumns& x_;
  int n_threads_;
  std::vector<Index> columns_;
  Index summed_ = 0;  // leading columns of H that belong to weights_
  Matrix<double> gram_;
  Vector<double> left_, right_;  // packed panels
  Vector<double> weights_;
  std::vector<std::int32_t> rows_, place_;  // chosen rows, and where each row is among them
  std::vector<double> factors_;
  bool by_rows_ = false, dense_ = false;  // pair by pair; some columns hold all rows
  std::vector<std::size_t> begin_;
  std::vector<std::int32_t> slots_;
  std::vector<double> values_;
  std::vector<Index> cursor_;
};

}  // namespace sparse_experts::detail
