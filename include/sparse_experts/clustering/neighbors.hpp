// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/cell_grid.hpp>
#include <sparse_experts/clustering/tiles.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/pairwise.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <cstddef>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// nearest[query row] = the row of the points nearest to it within eps (the lowest of equally near ones), -1
/// when there is none. Blocked products find candidates, exact distances decide.
template <class Rows>
void nearest_by_tiles(const Tiles<Rows>& queries, const Tiles<Rows>& points, double eps, int n_threads,
                      Index* nearest) {
  parallel_blocks(queries.count(), 1, n_threads, [&](const Block& block) {
    const Index n_queries = queries.size(block.id);
    TileDistances<Rows> distances(queries, block.id);
    Vector<double> best = Vector<double>::Constant(n_queries, eps * eps);
    std::vector<Index> found(static_cast<std::size_t>(n_queries), -1);
    for (Index tile = 0; tile < points.count(); ++tile) {
      const double farthest = best.maxCoeff();
      if (!queries.may_touch(block.id, points, tile, farthest)) continue;
      distances.for_each_candidate(points, tile, farthest, [&](Index r, Index c, double d, double error) {
        if (d - error > best[c]) return;
        const double distance = distances.exact(points, tile, r, c);
        const Index point = points.rows(tile)[r];
        Index& winner = found[static_cast<std::size_t>(c)];
        if (distance < best[c] || (distance == best[c] && (winner < 0 || point < winner))) {
          best[c] = distance;
          winner = point;
        }
      });
    }
    for (Index c = 0; c < n_queries; ++c)
      nearest[queries.rows(block.id)[c]] = found[static_cast<std::size_t>(c)];
  });
}

/// Nearest of a fixed set of points within eps: cells of a grid in few dimensions, tiles of products
/// otherwise. Stored is either RowMatrix<Scalar> or SparseRowMatrix<Scalar>.
template <class Stored>
class NearestWithin {
 public:
  using Scalar = typename Stored::Scalar;

  NearestWithin() = default;
  NearestWithin(Stored points, double eps) : points_(std::move(points)), eps_(eps) {
    if (points_.cols() <= CellGrid::max_dimensions) grid_ = CellGrid::make(points_, eps);
  }

  const Stored& points() const { return points_; }

  /// For each row of `queries` (the same kind of matrix) the nearest point within eps, the lowest of equally
  /// near ones, or -1.
  template <class Rows>
  IndexVector find(const Rows& queries, int n_threads) const {
    IndexVector nearest = IndexVector::Constant(queries.rows(), -1);
    if (points_.rows() == 0) return nearest;
    if (grid_)
      find_on_grid(queries, n_threads, nearest);
    else
      with_rows(points_, [&](const auto& points) { find_by_tiles(queries, points, n_threads, nearest); });
    return nearest;
  }

 private:
  template <class Rows>
  void find_by_tiles(const Rows& queries, const Rows& points, int n_threads, IndexVector& nearest) const {
    std::vector<Index> query_order(static_cast<std::size_t>(queries.rows()));
    std::vector<Index> point_order(static_cast<std::size_t>(points.rows()));
    std::iota(query_order.begin(), query_order.end(), Index{0});
    std::iota(point_order.begin(), point_order.end(), Index{0});
    const RowVector<double> center = row_center(points);
    nearest_by_tiles(Tiles<Rows>(queries, std::move(query_order), center),
                     Tiles<Rows>(points, std::move(point_order), center), eps_, n_threads, nearest.data());
  }

  template <class Rows>
  void find_on_grid(const Rows& queries, int n_threads, IndexVector& nearest) const {
    parallel_blocks(queries.rows(), 1024, n_threads, [&](const Block& block) {
      RowVector<double> point(queries.cols());
      for (Index i = block.begin; i < block.end; ++i) {
        if constexpr (is_sparse<Rows>)
          point = RowVector<Scalar>(queries.row(i)).template cast<double>();
        else
          point = queries.row(i).template cast<double>();
        nearest[i] = nearest_on_grid(point);
      }
    });
  }

  Index nearest_on_grid(const RowVector<double>& point) const {
    const auto key = grid_->key_of(point.data());
    if (!key) return -1;
    double best = eps_ * eps_;
    Index found = -1;
    for (const CellGrid::Row& row : grid_->rows()) {
      Index cell = grid_->lower_bound(*key + row.step - row.reach);
      for (; cell < grid_->n_cells() && grid_->key(cell) <= *key + row.step + row.reach; ++cell)
        for (Index k = grid_->start(cell); k < grid_->start(cell + 1); ++k) {
          double distance = 0;
          for (Index j = 0; j < point.size(); ++j) {
            const double difference = point[j] - grid_->coordinate(j)[k];
            distance += difference * difference;
          }
          const Index candidate = grid_->sample(k);
          if (distance < best || (distance == best && (found < 0 || candidate < found))) {
            best = distance;
            found = candidate;
          }
        }
    }
    return found;
  }

  Stored points_;
  double eps_ = 0;
  std::optional<CellGrid> grid_;  // of the points, when their dimension is small
};

}  // namespace sparse_experts::detail
