// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/pairwise.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Rows cut into tiles of equal size for the blocked products. Dense rows of moderate dimension are ordered
/// by recursive halving along the widest side, so that tiles are compact and far pairs of tiles can be passed
/// over by their boxes.
template <class Rows>
class Tiles {
 public:
  static constexpr Index max_box_dimensions = 64;

  /// `order`: rows of x to cut, reordered where that helps unless `keep_order`.
  Tiles(const Rows& x, std::vector<Index> order, bool keep_order = false)
      : x_(&x), size_(x.cols() <= max_box_dimensions ? 128 : 256), order_(std::move(order)) {
    if constexpr (!is_sparse<Rows>) {
      if (x.cols() > max_box_dimensions || order_.empty()) return;
      if (!keep_order) halve(order_.data(), static_cast<Index>(order_.size()));
      low_.resize(count(), x.cols());
      high_.resize(count(), x.cols());
      for (Index tile = 0; tile < count(); ++tile) {
        low_.row(tile) = high_.row(tile) = x.row(rows(tile)[0]).template cast<double>();
        for (Index r = 1; r < size(tile); ++r) {
          low_.row(tile) = low_.row(tile).cwiseMin(x.row(rows(tile)[r]).template cast<double>());
          high_.row(tile) = high_.row(tile).cwiseMax(x.row(rows(tile)[r]).template cast<double>());
        }
      }
    }
  }

  Index count() const { return (static_cast<Index>(order_.size()) + size_ - 1) / size_; }
  Index size(Index tile) const { return std::min(size_, static_cast<Index>(order_.size()) - tile * size_); }
  const Index* rows(Index tile) const { return order_.data() + tile * size_; }

  /// False when no row of this tile is within sqrt(squared_eps) of a row of the other's tile.
  bool may_touch(Index tile, const Tiles& other, Index other_tile, double squared_eps) const {
    if (low_.rows() == 0 || other.low_.rows() == 0) return true;
    const auto gaps = (low_.row(tile) - other.high_.row(other_tile))
                          .cwiseMax(other.low_.row(other_tile) - high_.row(tile))
                          .cwiseMax(0.0);
    return !(gaps.squaredNorm() > squared_eps * (1 + 1e-12));
  }

 private:
  void halve(Index* rows, Index n) {
    if (n <= size_) return;
    RowVector<double> low = x_->row(rows[0]).template cast<double>(), high = low;
    for (Index r = 1; r < n; ++r) {
      low = low.cwiseMin(x_->row(rows[r]).template cast<double>());
      high = high.cwiseMax(x_->row(rows[r]).template cast<double>());
    }
    Index widest = 0;
    (high - low).maxCoeff(&widest);
    const Index half = (n / 2 + size_ - 1) / size_ * size_;  // whole tiles on the left
    std::nth_element(rows, rows + half, rows + n, [&](Index i, Index j) {
      return std::pair((*x_)(i, widest), i) < std::pair((*x_)(j, widest), j);
    });
    halve(rows, half);
    halve(rows + half, n - half);
  }

  const Rows* x_;
  Index size_;
  std::vector<Index> order_;
  RowMatrix<double> low_, high_;  // boxes; empty when not kept
};

/// Pairs of rows within eps of two tiles, by their products; pairs too close to eps to tell are decided by
/// squared_distance, so the outcome does not depend on rounding.
template <class Rows>
class NeighborTile {
 public:
  using Work = typename Rows::Scalar;

  NeighborTile(const Rows& left, const Rows& right, const RowVector<double>& center)
      : left_(&left), right_(&right), products_(left, right, center) {}

  void set_left(const Index* rows, Index size) {
    left_rows_ = rows;
    products_.set_left(rows, size);
  }
  void set_right(const Index* rows, Index size) {
    right_rows_ = rows;
    products_.set_right(rows, size);
    limits_.resize(size);
  }

  /// Calls f(r, c) for each pair within eps, for r in turn. Between the rows `squared_eps(r)` may shrink: it
  /// is asked for once a row.
  template <class SquaredEps, class F>
  void for_each_candidate(SquaredEps&& squared_eps, F&& f) {
    const RowMatrix<Work>& products = products_.products();
    const Vector<double>&left_norms = products_.left_norms(), &right_norms = products_.right_norms();
    const double relative = 0.5 * (1 - products_.relative());
    const Index n_right = right_norms.size();
    for (Index c = 0; c < n_right; ++c) limits_[c] = lowered(relative * right_norms[c], right_norms[c]);
    for (Index r = 0; r < left_norms.size(); ++r) {
      // |a - b|^2 <= eps^2 needs a'b >= (|a|^2 + |b|^2 - eps^2) / 2 up to the error bound.
      const Work limit =
          lowered(relative * left_norms[r] - 0.5 * (squared_eps(r) + products_.absolute()), left_norms[r]);
      const Work* row = products.data() + r * n_right;
      Index n_candidates = 0;
      for (Index c = 0; c < n_right; ++c) n_candidates += row[c] < limit + limits_[c] ? 0 : 1;
      if (n_candidates == 0) continue;
      for (Index c = 0; c < n_right; ++c)
        if (!(row[c] < limit + limits_[c])) f(r, c);
    }
  }

  /// Does a candidate lie within eps? The product decides where its error allows, else the rows themselves.
  bool within(Index r, Index c, double squared_eps) const {
    const double norms = products_.left_norms()[r] + products_.right_norms()[c];
    const double error = products_.relative() * norms + products_.absolute();
    const double distance = norms - 2 * static_cast<double>(products_.last()(r, c));
    if (distance >= -error && distance + error <= squared_eps) return true;
    return exact(r, c) <= squared_eps;
  }
  double exact(Index r, Index c) const {
    return squared_distance(*left_, left_rows_[r], *right_, right_rows_[c]);
  }

 private:
  /// Rows whose squares are near the end of the range go to the exact test.
  static Work lowered(double value, double norm) {
    constexpr auto most = static_cast<double>(std::numeric_limits<Work>::max());
    return norm < most / 16 ? static_cast<Work>(value) : std::numeric_limits<Work>::lowest() / 4;
  }

  const Rows *left_, *right_;
  const Index *left_rows_ = nullptr, *right_rows_ = nullptr;
  TileProducts<Work, Rows> products_;
  Vector<Work> limits_;
};

}  // namespace sparse_experts::detail
