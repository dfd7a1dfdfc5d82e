// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Consecutive points of the grid's order.
struct PointRange {
  Index begin = 0;
  Index end = 0;
};

/// Points of few dimensions in the occupied cells of a grid with side eps / sqrt(p), so that points of one
/// cell lie within eps of each other. Points are kept as columns in double, sorted by cell: cells that differ
/// in the last coordinate alone follow each other, so the neighbourhood of a cell is one run of points for
/// each offset in the other coordinates. Memory O(n p), time O(n p) (radix sort). Ref: Gan, Tao, "DBSCAN
/// revisited: mis-claim, un-fixability, and approximation", SIGMOD 2015, section 2.2; Gunawan, "A faster
/// algorithm for DBSCAN", 2013.
class CellGrid {
 public:
  static constexpr Index max_dimensions = 3;

  /// Offset in all coordinates but the last, as a step of the key; within it cells up to `reach` away in the
  /// last coordinate can hold points within eps.
  struct Row {
    std::int64_t step = 0;
    std::int64_t reach = 0;
    double gap = 0;  // squared distance of the cells, in sides
  };

  /// Empty when p > 3 or the points spread over too many cells to number them.
  template <class Scalar>
  static std::optional<CellGrid> make(const DenseRows<Scalar>& x, double eps) {
    CellGrid grid;
    if (!grid.build(x, eps)) return std::nullopt;
    return grid;
  }

  Index size() const { return points_.rows(); }
  Index dimensions() const { return points_.cols(); }
  Index n_cells() const { return static_cast<Index>(keys_.size()); }
  /// Row of x that became point k.
  Index sample(Index k) const { return order_[static_cast<std::size_t>(k)]; }
  /// Coordinate j of all points, contiguous.
  const double* coordinate(Index j) const { return points_.data() + j * points_.rows(); }
  PointRange points_of(Index cell) const { return {start(cell), start(cell + 1)}; }
  std::int64_t key(Index cell) const { return keys_[static_cast<std::size_t>(cell)]; }
  Index start(Index cell) const { return starts_[static_cast<std::size_t>(cell)]; }
  /// All rows of cells that may hold points within eps, nearest first; the first is the cell's own.
  const std::vector<Row>& rows() const { return rows_; }

  /// First cell whose key is at least `key`.
  Index lower_bound(std::int64_t key) const {
    return std::lower_bound(keys_.begin(), keys_.end(), key) - keys_.begin();
  }

  /// Key of the cell that holds `point`, or nothing when no point of the grid is within eps of it.
  std::optional<std::int64_t> key_of(const double* point) const {
    std::int64_t key = 0;
    for (std::size_t j = 0; j < static_cast<std::size_t>(dimensions()); ++j) {
      const double cell = std::floor((point[j] - low_[j]) * inverse_side_);
      if (!(cell >= static_cast<double>(-margin_) && cell < static_cast<double>(extents_[j] - margin_)))
        return std::nullopt;
      key = key * extents_[j] + static_cast<std::int64_t>(cell) + margin_;
    }
    return key;
  }

 private:
  static constexpr std::int64_t max_extent = std::int64_t{1} << 40;
  static constexpr double slack = 1e-3;  // covers the rounding of cell numbers up to max_extent, in sides

  struct Keyed {
    std::int64_t key;
    Index sample;
  };

  template <class Scalar>
  bool build(const DenseRows<Scalar>& x, double eps) {
    const Index n = x.rows(), p = x.cols();
    if (p < 1 || p > max_dimensions || n == 0) return false;
    inverse_side_ = std::sqrt(static_cast<double>(p)) / (eps * (1 - slack));
    margin_ = static_cast<std::int64_t>(std::sqrt(static_cast<double>(p))) + 2;
    Matrix<double> values(n, p);
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < p; ++j) values(i, j) = static_cast<double>(x.data()[i * x.outerStride() + j]);
    double n_keys = 1;
    for (Index j = 0; j < p; ++j) {
      const double* column = values.data() + j * n;
      const double low = *std::min_element(column, column + n), high = *std::max_element(column, column + n);
      const double extent = std::floor((high - low) * inverse_side_) + 1 + 2 * static_cast<double>(margin_);
      if (!(extent < static_cast<double>(max_extent))) return false;
      n_keys *= extent;
      low_[static_cast<std::size_t>(j)] = low;
      extents_[static_cast<std::size_t>(j)] = static_cast<std::int64_t>(extent);
    }
    if (!(n_keys < 0x1p62)) return false;
    sort_points(values);
    list_rows(eps * inverse_side_);
    return true;
  }

  void sort_points(const Matrix<double>& values) {
    const Index n = values.rows(), p = values.cols();
    std::int64_t n_keys = 1;
    for (std::size_t j = 0; j < static_cast<std::size_t>(p); ++j) n_keys *= extents_[j];
    std::vector<Keyed> items(static_cast<std::size_t>(n)), other(items.size());
    for (Index i = 0; i < n; ++i) items[static_cast<std::size_t>(i)] = {0, i};
    for (Index j = 0; j < p; ++j) {
      const double low = low_[static_cast<std::size_t>(j)];
      const std::int64_t extent = extents_[static_cast<std::size_t>(j)];
      for (Index i = 0; i < n; ++i) {
        std::int64_t& key = items[static_cast<std::size_t>(i)].key;
        key = key * extent + static_cast<std::int64_t>((values(i, j) - low) * inverse_side_) + margin_;
      }
    }
    constexpr int digit_bits = 11;
    constexpr std::int64_t n_digits = std::int64_t{1} << digit_bits;
    for (int shift = 0; shift < 62 && (n_keys >> shift) > 0; shift += digit_bits) {
      std::array<std::size_t, static_cast<std::size_t>(n_digits)> places{};
      const auto digit = [&](const Keyed& item) {
        return static_cast<std::size_t>((item.key >> shift) & (n_digits - 1));
      };
      for (const Keyed& item : items) ++places[digit(item)];
      std::size_t sum = 0;
      for (std::size_t& place : places) sum += std::exchange(place, sum);
      for (const Keyed& item : items) other[places[digit(item)]++] = item;
      items.swap(other);
    }
    order_.resize(items.size());
    for (std::size_t k = 0; k < items.size(); ++k) {
      order_[k] = items[k].sample;
      if (k == 0 || items[k].key != items[k - 1].key) {
        keys_.push_back(items[k].key);
        starts_.push_back(static_cast<Index>(k));
      }
    }
    starts_.push_back(n);
    points_.resize(n, p);
    for (Index j = 0; j < p; ++j)
      for (Index k = 0; k < n; ++k) points_(k, j) = values(sample(k), j);
  }

  /// Offsets whose cells are at most `eps_in_sides` apart.
  void list_rows(double eps_in_sides) {
    const auto p = static_cast<std::size_t>(dimensions());
    const double limit = eps_in_sides * eps_in_sides * (1 + 1e-9);
    const auto gap = [](std::int64_t offset) {
      const double sides = static_cast<double>(offset < 0 ? -offset : offset) - 1 - slack;
      return sides > 0 ? sides * sides : 0.0;
    };
    rows_.assign(1, Row{});
    for (std::size_t j = 0; j + 1 < p; ++j) {
      std::vector<Row> longer;
      for (const Row& row : rows_)
        for (std::int64_t offset = -margin_; offset <= margin_; ++offset)
          if (row.gap + gap(offset) <= limit)
            longer.push_back({row.step * extents_[j] + offset, 0, row.gap + gap(offset)});
      rows_ = std::move(longer);
    }
    for (Row& row : rows_) {
      row.step *= extents_[p - 1];
      while (row.reach < margin_ && row.gap + gap(row.reach + 1) <= limit) ++row.reach;
    }
    const auto size = [](const Row& row) { return row.step < 0 ? -row.step : row.step; };
    for (std::size_t r = 1; r < rows_.size(); ++r)
      for (std::size_t s = r; s > 0; --s) {
        const Row &before = rows_[s - 1], &row = rows_[s];
        if (before.gap < row.gap || (!(row.gap < before.gap) && size(before) <= size(row))) break;
        std::swap(rows_[s - 1], rows_[s]);
      }
  }

  double inverse_side_ = 0;
  std::int64_t margin_ = 0;  // empty cells around the points, so that offsets never wrap
  std::array<double, max_dimensions> low_{};
  std::array<std::int64_t, max_dimensions> extents_{};
  std::vector<Row> rows_;
  std::vector<std::int64_t> keys_;  // by cell, ascending
  std::vector<Index> starts_;       // n_cells + 1
  std::vector<Index> order_;        // by point
  Matrix<double> points_;           // n x p
};

/// Walks the cells in ascending order and keeps, for every row of offsets, the run of cells it meets: each
/// cursor only moves on, so a walk over all cells costs O(cells x rows).
class CellWalk {
 public:
  CellWalk(const CellGrid& grid, Index first_cell) : grid_(&grid), cursors_(grid.rows().size()) {
    for (std::size_t r = 0; r < cursors_.size(); ++r) {
      const CellGrid::Row& row = grid.rows()[r];
      const Index begin = grid.lower_bound(grid.key(first_cell) + row.step - row.reach);
      cursors_[r] = {begin, begin};
    }
  }

  /// Cells of row r of grid.rows() near `cell`. For each row the cells asked for must ascend.
  PointRange cells(std::size_t r, Index cell) {
    const std::int64_t at = grid_->key(cell) + grid_->rows()[r].step, reach = grid_->rows()[r].reach;
    const Index n_cells = grid_->n_cells();
    PointRange& cells = cursors_[r];
    while (cells.begin < n_cells && grid_->key(cells.begin) < at - reach) ++cells.begin;
    cells.end = std::max(cells.begin, cells.end);
    while (cells.end < n_cells && grid_->key(cells.end) <= at + reach) ++cells.end;
    return cells;
  }

  /// Calls f(row, first cell, end of cells) for each row that has cells near `cell`. Cells must ascend.
  template <class F>
  void visit(Index cell, F&& f) {
    for (std::size_t r = 0; r < cursors_.size(); ++r) {
      const PointRange near = cells(r, cell);
      if (near.begin < near.end) f(grid_->rows()[r], near.begin, near.end);
    }
  }

 private:
  const CellGrid* grid_;
  std::vector<PointRange> cursors_;  // of cells
};

}  // namespace sparse_experts::detail
