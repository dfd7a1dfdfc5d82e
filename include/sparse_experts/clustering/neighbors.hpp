// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/box_tree.hpp>
#include <sparse_experts/clustering/cell_grid.hpp>
#include <sparse_experts/clustering/tiles.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/pairwise.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
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
    std::vector<double> best(static_cast<std::size_t>(n_queries), eps * eps);
    std::vector<Index> found(static_cast<std::size_t>(n_queries), -1);
    for (Index tile = 0; tile < points.count(); ++tile) {
      const double farthest = *std::max_element(best.begin(), best.end());
      if (!queries.may_touch(block.id, points, tile, farthest)) continue;
      distances.for_each_candidate(points, tile, farthest, [&](Index r, Index c, double d, double error) {
        double& nearest_yet = best[static_cast<std::size_t>(c)];
        if (d - error > nearest_yet) return;
        const double distance = distances.exact(points, tile, r, c);
        const Index point = points.rows(tile)[r];
        Index& winner = found[static_cast<std::size_t>(c)];
        if (distance < nearest_yet || (distance == nearest_yet && (winner < 0 || point < winner))) {
          nearest_yet = distance;
          winner = point;
        }
      });
    }
    for (Index c = 0; c < n_queries; ++c)
      nearest[queries.rows(block.id)[c]] = found[static_cast<std::size_t>(c)];
  });
}

/// Nearest of a fixed set of points within eps: cells of a grid or boxes of a tree for dense points in few
/// dimensions, tiles of products otherwise. Stored is either RowMatrix<Scalar> or SparseRowMatrix<Scalar>.
template <class Stored>
class NearestWithin {
 public:
  using Scalar = typename Stored::Scalar;

  /// Takes the points; leaves something else in their place.
  void set(Stored& points, double eps) {
    points_.swap(points);
    eps_ = eps;
    grid_.reset();
    tree_.reset();
    if constexpr (!is_sparse<Stored>) {
      const DenseRows<Scalar> rows(points_.data(), points_.rows(), points_.cols(),
                                   Eigen::OuterStride<>(points_.cols()));
      grid_ = CellGrid::make(rows, eps);
      if (!grid_ && rows.cols() <= BoxTree::max_dimensions && rows.rows() > 0) tree_.emplace(rows);
    }
  }

  const Stored& points() const { return points_; }

  /// For each row of `queries` (the same kind of matrix) the nearest point within eps, the lowest of equally
  /// near ones, or -1.
  template <class Rows>
  IndexVector find(const Rows& queries, int n_threads) const {
    IndexVector nearest;
    fill(nearest, queries.rows(), -1);
    if (points_.rows() == 0) return nearest;
    if constexpr (!is_sparse<Rows>) {
      if (grid_ || tree_) {
        find_point_by_point(queries, n_threads, nearest);
        return nearest;
      }
    }
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

  void find_point_by_point(const DenseRows<Scalar>& queries, int n_threads, IndexVector& nearest) const {
    parallel_blocks(queries.rows(), 1024, n_threads, [&](const Block& block) {
      std::vector<double> point(static_cast<std::size_t>(queries.cols()));
      for (Index i = block.begin; i < block.end; ++i) {
        std::copy_n(queries.data() + i * queries.outerStride(), queries.cols(), point.data());
        nearest[i] = grid_ ? nearest_on_grid(point.data()) : nearest_in_tree(point.data());
      }
    });
  }

  /// The nearest so far.
  struct Winner {
    double distance;
    Index sample = -1;

    void offer(double other, Index candidate) {
      if (other < distance || (other == distance && (sample < 0 || candidate < sample))) {
        distance = other;
        sample = candidate;
      }
    }
  };

  Index nearest_on_grid(const double* point) const {
    const auto key = grid_->key_of(point);
    if (!key) return -1;
    Winner winner{eps_ * eps_};
    for (const CellGrid::Row& row : grid_->rows()) {
      Index cell = grid_->lower_bound(*key + row.step - row.reach);
      for (; cell < grid_->n_cells() && grid_->key(cell) <= *key + row.step + row.reach; ++cell)
        for (Index k = grid_->start(cell); k < grid_->start(cell + 1); ++k) {
          double distance = 0;
          for (Index j = 0; j < grid_->dimensions(); ++j) {
            const double difference = point[j] - grid_->coordinate(j)[k];
            distance += difference * difference;
          }
          winner.offer(distance, grid_->sample(k));
        }
    }
    return winner.sample;
  }

  Index nearest_in_tree(const double* point) const {
    Winner winner{eps_ * eps_};
    tree_->descend(
        0, [&](Index node) { return !(tree_->least(point, node) > winner.distance); },
        [&](Index leaf) {
          for (Index k = tree_->node(leaf).begin; k < tree_->node(leaf).end; ++k)
            winner.offer(tree_->squared(point, tree_->point(k)), tree_->sample(k));
        });
    return winner.sample;
  }

  Stored points_;
  double eps_ = 0;
  std::optional<CellGrid> grid_;  // of dense points, when there is one
  std::optional<BoxTree> tree_;
};

}  // namespace sparse_experts::detail
