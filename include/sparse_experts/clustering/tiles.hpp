// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/box_tree.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/clustering/scores.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/pairwise.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Rows cut into tiles of equal size for the blocked distances. Dense rows are copied in the order of the
/// tiles, minus `center` (distances do not change, cancellation gets less). Those of moderate dimension are
/// ordered as the leaves of a tree of boxes, so that tiles are compact and far pairs of tiles can
/// be passed over by their boxes. Sparse rows stay where they are.
template <class Rows>
class Tiles {
 public:
  using Scalar = typename Rows::Scalar;
  static constexpr Index tile_rows = 128;
  static constexpr Index max_box_dimensions = 64;

  /// `order`: rows of x to cut. Unless `keep_order` these are all rows, and they are reordered where that
  /// helps.
  Tiles(const Rows& x, std::vector<Index> order, const RowVector<double>& center, bool keep_order = false)
      : x_(&x), order_(std::move(order)), norms_(static_cast<Index>(order_.size())) {
    if constexpr (is_sparse<Rows>) {
      for (Index k = 0; k < norms_.size(); ++k)
        norms_[k] = row_squared_norm(x, order_[static_cast<std::size_t>(k)]);
    } else {
      const bool boxes = x.cols() <= max_box_dimensions;
      if (boxes && !keep_order) order_ = BoxTree(x).order();
      packed_.resize(norms_.size(), x.cols());
      for (Index k = 0; k < norms_.size(); ++k) {
        const Scalar* row = x.data() + order_[static_cast<std::size_t>(k)] * x.outerStride();
        for (Index j = 0; j < x.cols(); ++j)
          packed_(k, j) = static_cast<Scalar>(static_cast<double>(row[j]) - center[j]);
        norms_[k] = row_squared_norm(DenseRows<Scalar>(packed_.data(), packed_.rows(), packed_.cols(),
                                                       Eigen::OuterStride<>(packed_.cols())),
                                     k);
      }
      if (boxes) make_boxes();
    }
  }

  Index count() const { return (norms_.size() + tile_rows - 1) / tile_rows; }
  Index size(Index tile) const { return std::min(tile_rows, norms_.size() - tile * tile_rows); }
  /// Rows of x in this tile.
  const Index* rows(Index tile) const { return order_.data() + tile * tile_rows; }
  /// Squared norms of the (centred) rows of this tile.
  const double* norms(Index tile) const { return norms_.data() + tile * tile_rows; }
  double largest_norm(Index tile) const { return *std::max_element(norms(tile), norms(tile) + size(tile)); }
  const Rows& matrix() const { return *x_; }

  /// The tile's rows as centres of the score kernels; `buffer` is workspace.
  void pack(Index tile, CenterTiles<Scalar>& out, RowMatrix<Scalar>& buffer) const {
    if constexpr (is_sparse<Rows>) {
      buffer.resize(size(tile), x_->cols());
      for (Index r = 0; r < size(tile); ++r) copy_row(*x_, rows(tile)[r], buffer.data() + r * x_->cols());
    } else {
      buffer.resize(size(tile), packed_.cols());
      std::copy_n(packed_.data() + tile * tile_rows * packed_.cols(), buffer.size(), buffer.data());
    }
    out.pack(buffer, RowVector<Scalar>());
  }

  /// Scores of `count` rows of the tile, from row `first`, with a panel of centres.
  void scores(Index tile, Index first, Index count, const CenterTiles<Scalar>& centers,
              const typename CenterTiles<Scalar>::Panel& panel, Scalar* out) const {
    const Index begin = tile * tile_rows + first;
    if constexpr (is_sparse<Rows>) {
      const Index* rows = order_.data() + begin;
      panel_scores(
          *x_, count, [&](Index t) { return rows[t]; }, centers, panel, out);
    } else {
      const DenseRows<Scalar> packed(packed_.data(), packed_.rows(), packed_.cols(),
                                     Eigen::OuterStride<>(packed_.cols()));
      panel_scores(
          packed, count, [&](Index t) { return begin + t; }, centers, panel, out);
    }
  }

  /// False when no row of this tile is within sqrt(squared_eps) of a row of the other's tile.
  bool may_touch(Index tile, const Tiles& other, Index other_tile, double squared_eps) const {
    if (low_.rows() == 0 || other.low_.rows() == 0) return true;
    double sum = 0;
    for (Index j = 0; j < low_.cols(); ++j) {
      const double below = low_(tile, j) - other.high_(other_tile, j);
      const double gap = std::max(std::max(below, other.low_(other_tile, j) - high_(tile, j)), 0.0);
      sum += gap * gap;
    }
    return !(sum > squared_eps * (1 + 1e-12));
  }

 private:
  void make_boxes() {
    const Index p = x_->cols();
    low_.resize(count(), p);
    high_.resize(count(), p);
    for (Index tile = 0; tile < count(); ++tile)
      for (Index r = 0; r < size(tile); ++r)
        for (Index j = 0; j < p; ++j) {
          const auto value = static_cast<double>(x_->data()[rows(tile)[r] * x_->outerStride() + j]);
          low_(tile, j) = r == 0 ? value : std::min(low_(tile, j), value);
          high_(tile, j) = r == 0 ? value : std::max(high_(tile, j), value);
        }
  }

  const Rows* x_;
  std::vector<Index> order_;
  Vector<double> norms_;
  RowMatrix<Scalar> packed_;      // dense rows only
  RowMatrix<double> low_, high_;  // boxes; empty when not kept
};

/// Squared distances of a fixed tile to other tiles by their products, with a bound on the rounding error, so
/// that the caller can leave close decisions to exact().
template <class Rows>
class TileDistances {
 public:
  using Scalar = typename Rows::Scalar;

  TileDistances(const Tiles<Rows>& tiles, Index tile)
      : fixed_(tiles), tile_(tile), scratch_(make_score_scratch<Scalar>()) {
    RowMatrix<Scalar> buffer;
    tiles.pack(tile, centers_, buffer);
    largest_norm_ = tiles.largest_norm(tile);
  }

  /// Calls f(r, c, d, error) for each row r of the other tile and row c of the fixed one that may be within
  /// sqrt(squared_eps): their squared distance is at most `error` from d. Rows r ascend within each chunk.
  template <class F>
  void for_each_candidate(const Tiles<Rows>& others, Index other, double squared_eps, F&& f) {
    const double* norms = others.norms(other);
    for (Index first = 0; first < others.size(other); first += nearest_chunk) {
      const Index count = std::min(nearest_chunk, others.size(other) - first);
      for (const auto& panel : centers_.panels()) {
        others.scores(other, first, count, centers_, panel, scratch_.data());
        const Index stride = panel.n_vectors * centers_.width;
        for (Index t = 0; t < count; ++t) {
          const double norm = norms[first + t], error = error_bound(norm);
          // |x - c|^2 = |x|^2 + 2 score
          const auto limit = static_cast<Scalar>(0.5 * (squared_eps - norm + error));
          const Scalar* scores = scratch_.data() + t * stride;
          Index n_candidates = 0;
          for (Index s = 0; s < stride; ++s) n_candidates += scores[s] > limit ? 0 : 1;
          if (n_candidates == 0) continue;
          for (Index s = 0; s < stride; ++s) {
            const Index c = panel.first_slot + s;
            if (!(scores[s] > limit) && c < fixed_.size(tile_))
              f(first + t, c, norm + 2 * static_cast<double>(scores[s]), error);
          }
        }
      }
    }
  }

  double exact(const Tiles<Rows>& others, Index other, Index r, Index c) const {
    return squared_distance(others.matrix(), others.rows(other)[r], fixed_.matrix(), fixed_.rows(tile_)[c]);
  }
  /// Is the candidate within sqrt(squared_eps)? The same answer as exact(), which is asked only in close
  /// cases.
  bool within(const Tiles<Rows>& others, Index other, Index r, Index c, double d, double error,
              double squared_eps) const {
    if (d >= -error && d + error <= squared_eps) return true;
    return exact(others, other, r, c) <= squared_eps;
  }

 private:
  /// For any order of summation, rounding of the centred copies and denormal numbers included. Rows whose
  /// squares come near the end of the range of Scalar are always left to exact().
  double error_bound(double norm) const {
    using Limits = std::numeric_limits<Scalar>;
    if (!(norm + largest_norm_ < static_cast<double>(Limits::max()) / 16)) return Limits::infinity();
    const auto p = static_cast<double>(centers_.n_features());
    return (p + 16) * static_cast<double>(Limits::epsilon()) * (norm + largest_norm_) +
           4 * p * static_cast<double>(Limits::min());
  }

  const Tiles<Rows>& fixed_;
  Index tile_;
  double largest_norm_ = 0;
  CenterTiles<Scalar> centers_;
  ScoreScratch<Scalar> scratch_;
};

}  // namespace sparse_experts::detail
