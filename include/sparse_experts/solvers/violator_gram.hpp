// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>
#include <sparse_experts/solvers/rank_update.hpp>
#include <sparse_experts/solvers/row_entries.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

/// H = sum_i d_i u_i u_i', u_i = (1 / sqrt(n), x_i,j(1) / |x_j(1)|, …): the Gram of the weighted rows over a
/// constant column (slot 0) and columns j(1), j(2), … (slots 1, 2, …) that join over time. Kept from one
/// Newton step to the next: of the old columns only the rows whose weight d_i changed are added, and only
/// pairs with a new column are summed over all weighted rows. Mostly empty rows add their pairs of entries
/// one by one, full ones go by panels and matrix products; the panels hold floats until use_doubles() is
/// called: a model need not be exact, what is found with it is checked in double. Cost: (rows changed) m^2
/// multiply-adds, or the pairs of entries in those rows; (m + 1)^2 memory, and where rows are mostly empty a
/// copy of the columns by rows.
class ViolatorGram {
 public:
  ViolatorGram(const MarginColumns& x, int n_threads) : x_(x), n_threads_(n_threads) {
    detail::fill(weights_, x.rows(), 0.0);
  }

  /// Number of columns; slot s > 0 is columns()[s - 1].
  Index size() const { return static_cast<Index>(columns_.size()); }
  const std::vector<Index>& columns() const { return columns_; }

  void clear() {
    columns_.clear();
    summed_ = 0;
  }
  /// Products in double from now on.
  void use_doubles() {
    if (!exact_) summed_ = 0;
    exact_ = true;
  }
  /// Takes effect with the next update.
  void append(Index column) { columns_.push_back(column); }

  /// Bring H to the weights d, 0 <= d <= unit. Sums are kept in that unit: weights that all change with it,
  /// as along a path of C, count as standing still.
  void update(const Vector<double>& d, double unit) {
    unit_ = unit > 0 ? unit : 1;
    if (size() + 1 > summed_) extend();
    target_.resize(d.size());
    Index set = 0, changed = 0;
    for (Index i = 0; i < d.size(); ++i) {
      double weight = d[i] / unit_;
      if (std::abs(weight - weights_[i]) <= 1e-14 * weight) weight = weights_[i];
      target_[i] = weight;
      set += weight != 0;
      changed += weight != weights_[i];
    }
    if (changed > set) summed_ = 0;
    if (summed_ == 0) clear_columns(0, size() + 1);
    if (summed_ > 0) {
      choose_rows(target_, weights_);
      add(0, summed_);
    }
    if (summed_ < size() + 1) {
      choose_rows(target_, Vector<double>());
      add(summed_, size() + 1);
    }
    summed_ = size() + 1;
    weights_.swap(target_);
  }

  double operator()(Index a, Index b) const { return unit_ * (a <= b ? gram_(a, b) : gram_(b, a)); }

 private:
  static constexpr Index panel_rows = 256;

  // Columns [begin, end) of the leading end x end block to zero.
  void clear_columns(Index begin, Index end) {
    for (Index s = begin; s < end; ++s) std::fill_n(gram_.data() + s * gram_.rows(), end, 0.0);
  }

  // Room for the new columns; entries by rows where that pays.
  void extend() {
    const Index m = size() + 1, n = x_.rows();
    if (m > gram_.rows()) {
      const Index capacity = std::max(m, std::min(x_.cols() + 1, summed_ + summed_ / 2));
      LargeMatrix grown(capacity, capacity);
      for (Index s = 0; s < summed_; ++s)
        std::copy_n(gram_.data() + s * gram_.rows(), summed_, grown.data() + s * capacity);
      gram_ = std::move(grown);
    }
    clear_columns(summed_, m);
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
    if (exact_)
      add_panels(begin, end, exact_panels_);
    else
      add_panels(begin, end, panels_);
  }

  // Chosen rows, packed for update_upper, without and with their factors.
  template <class Real>
  struct Panels {
    Vector<Real> left, right;
  };

  template <class Real>
  void add_panels(Index begin, Index end, Panels<Real>& panels) {
    const auto count = static_cast<Index>(rows_.size());
    const Index depth = std::min(panel_rows, count);
    const bool from_rows = !exact_ && !x_.by_rows().empty();
    if (from_rows)
      place_columns(begin, end, depth);
    else
      place_rows(end);
    panels.left.setZero(packed_size(end, depth, tile_rows<Real>));
    panels.right.setZero(packed_size(end - begin, depth, tile_cols));
    // An entry of a panel is copied, and takes part in as many multiply-adds as there are columns, some eight
    // of which take as long as a copy.
    const int n_threads = threads_for(depth * end, n_threads_),
              n_product = threads_for(depth * end * (end - begin) / 16, n_threads_);
    for (Index top = 0; top < count; top += panel_rows) {
      const Index height = std::min(panel_rows, count - top);
      // Zeros in one sweep: by columns they would be scattered.
      if (top > 0 && !dense_) {
        panels.left.setZero();
        panels.right.setZero();
      }
      if (from_rows)
        parallel_blocks(height, 32, n_threads, [&](const Block& block) {
          for (Index k = block.begin; k < block.end; ++k) fill_row(k, top, begin, panels);
        });
      else
        parallel_blocks(end, tile_rows<Real>, n_threads, [&](const Block& block) {
          for (Index s = block.begin; s < block.end; ++s) fill(s, top, height, depth, begin, panels);
        });
      parallel_blocks(end - begin, 8 * tile_cols, n_product, [&](const Block& block) {
        update_upper<tile_cols>(panels.left.data(), panels.right.data(), depth, depth, gram_.data(),
                                gram_.rows(), begin, block.begin, block.end);
      });
    }
  }

  // Where each row is among the chosen ones; columns are read from their start.
  void place_rows(Index end) {
    cursor_.assign(static_cast<std::size_t>(end), 0);
    place_.assign(static_cast<std::size_t>(x_.rows()), -1);
    for (std::size_t k = 0; k < rows_.size(); ++k)
      place_[static_cast<std::size_t>(rows_[k])] = static_cast<std::int32_t>(k);
  }

  // Where the first entry of each column lies in the panels, -1: nowhere.
  void place_columns(Index begin, Index end, Index depth) {
    left_place_.assign(static_cast<std::size_t>(x_.cols()), -1);
    right_place_.assign(static_cast<std::size_t>(x_.cols()), -1);
    for (Index s = 1; s < end; ++s) {
      const auto j = static_cast<std::size_t>(columns_[static_cast<std::size_t>(s - 1)]);
      left_place_[j] = static_cast<std::int32_t>(packed_at(0, s, depth, tile_rows<float>));
      if (s >= begin) right_place_[j] = static_cast<std::int32_t>(packed_at(0, s - begin, depth, tile_cols));
    }
  }

  // Row k of the panel, whose first is chosen row `top`, from X by rows.
  template <class Real>
  void fill_row(Index k, Index top, Index begin, Panels<Real>& panels) {
    const auto at = static_cast<std::size_t>(top + k), row = static_cast<std::size_t>(rows_[at]);
    const double factor = factors_[at], constant = 1 / std::sqrt(static_cast<double>(x_.rows()));
    Real* left = panels.left.data() + k * tile_rows<Real>;
    Real* right = panels.right.data() + k * tile_cols;
    left[0] = static_cast<Real>(constant);
    if (begin == 0) right[0] = static_cast<Real>(constant * factor);
    const RowEntries& entries = x_.by_rows();
    for (std::size_t e = entries.begin[row]; e < entries.begin[row + 1]; ++e) {
      const auto j = static_cast<std::size_t>(entries.columns[e]);
      if (left_place_[j] < 0) continue;
      left[left_place_[j]] = static_cast<Real>(entries.values[e]);
      if (right_place_[j] >= 0)
        right[right_place_[j]] = static_cast<Real>(static_cast<double>(entries.values[e]) * factor);
    }
  }

  // Column s of the panel of chosen rows [top, top + height), zeros below up to depth.
  template <class Real>
  void fill(Index s, Index top, Index height, Index depth, Index begin, Panels<Real>& panels) {
    const std::int32_t* rows = rows_.data() + top;
    Real* left = panels.left.data() + packed_at(0, s, depth, tile_rows<Real>);
    Real* right = s < begin ? nullptr : panels.right.data() + packed_at(0, s - begin, depth, tile_cols);
    const auto put = [&](Index k, double value) {
      left[k * tile_rows<Real>] = static_cast<Real>(value);
      if (right)
        right[k * tile_cols] =
            k < height ? static_cast<Real>(value * factors_[static_cast<std::size_t>(top + k)]) : Real(0);
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
  LargeMatrix gram_;
  bool exact_ = false;
  Panels<float> panels_;
  Panels<double> exact_panels_;
  double unit_ = 1;
  Vector<double> weights_, target_;                     // in units
  std::vector<std::int32_t> rows_, place_;              // chosen rows, and where each row is among them
  std::vector<std::int32_t> left_place_, right_place_;  // of the columns
  std::vector<double> factors_;
  bool by_rows_ = false, dense_ = false;  // pair by pair; some columns hold all rows
  std::vector<std::size_t> begin_;
  LargeVector<std::int32_t> slots_;
  LargeVector<double> values_;
  std::vector<Index> cursor_;
};

}  // namespace sparse_experts::detail
