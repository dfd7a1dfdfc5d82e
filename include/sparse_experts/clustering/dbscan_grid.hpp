// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/cell_grid.hpp>
#include <sparse_experts/clustering/dbscan_parts.hpp>
#include <sparse_experts/clustering/pair_search.hpp>
#include <sparse_experts/clustering/union_find.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// DBSCAN on the cells of a grid, P = 2 or 3 dimensions.
///   1. Cells that weigh min_samples or more are all core; in the others each sample adds up its
///   neighbourhood
///      until it is core.
///   2. Cores of one cell belong together; two cells are joined when some pair of their cores is within eps.
///      Pairs of cells already in one cluster are passed over.
///   3. A sample that is not core looks for its nearest core within eps.
/// Memory O(n p). Ref: Gan, Tao, SIGMOD 2015, section 2.2; Wang, Gu, Shun, "Theoretically-efficient and
/// practical parallel DBSCAN", SIGMOD 2020.
template <std::size_t P>
class DBSCANGrid {
 public:
  DBSCANGrid(const CellGrid& grid, double eps, const DBSCANWeights& weights, int n_threads)
      : grid_(grid), squared_eps_(eps * eps), threshold_(weights.threshold), n_threads_(n_threads) {
    for (std::size_t j = 0; j < P; ++j) x_[j] = grid.coordinate(static_cast<Index>(j));
    points_.resize(at(grid.size()));
    for (Index k = 0; k < grid.size(); ++k) points_[at(k)] = point_of(x_, k);
    if (weights.values.empty()) return;
    weights_.resize(weights.values.size());
    for (Index k = 0; k < grid.size(); ++k) weights_[at(k)] = weights[grid.sample(k)];
  }

  DBSCANParts run() {
    find_cores();
    gather_cores();
    UnionFind cells(grid_.n_cells());
    join_cells(cells);
    DBSCANParts parts;
    parts.is_core.resize(at(grid_.size()));
    parts.representative.resize(at(grid_.size()));
    parallel_blocks(grid_.n_cells(), cells_per_block, n_threads_, [&](const Block& block) {
      CellWalk walk(grid_, block.begin);
      std::vector<PointRange> near;
      for (Index cell = block.begin; cell < block.end; ++cell) {
        const PointRange points = grid_.points_of(cell);
        bool gathered = false;
        for (Index k = points.begin; k < points.end; ++k) {
          const auto sample = at(grid_.sample(k));
          parts.is_core[sample] = is_core_[at(k)];
          if (is_core_[at(k)] != 0) {
            parts.representative[sample] = core_sample_[at(core_starts_[at(cells.find(cell))])];
            continue;
          }
          if (!std::exchange(gathered, true)) near = near_cores(walk, cell);
          parts.representative[sample] = nearest_core(point(k), near);
        }
      }
    });
    return parts;
  }

 private:
  using Point = std::array<double, P>;
  using Columns = std::array<const double*, P>;
  static constexpr Index cells_per_block = 512;

  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  const Point& point(Index k) const { return points_[at(k)]; }
  static Point point_of(const Columns& x, Index k) {
    Point result;
    for (std::size_t j = 0; j < P; ++j) result[j] = x[j][k];
    return result;
  }
  static double squared(const Point& a, const Point& b) {
    double sum = 0;
    for (std::size_t j = 0; j < P; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
  }
  static double squared(const Point& a, const Columns& x, Index k) {
    double sum = 0;
    for (std::size_t j = 0; j < P; ++j) sum += (a[j] - x[j][k]) * (a[j] - x[j][k]);
    return sum;
  }

  std::int64_t weight_of(PointRange points) const {
    if (weights_.empty()) return points.end - points.begin;
    std::int64_t sum = 0;
    for (Index k = points.begin; k < points.end; ++k) sum += weights_[at(k)];
    return sum;
  }

  /// Weight of the points of a run within eps of a; stops soon after `enough`.
  std::int64_t weight_near(const Point& a, PointRange points, std::int64_t enough) const {
    constexpr Index chunk = 256, vectors_pay = 48;
    std::int64_t sum = 0;
    if (!weights_.empty() || points.end - points.begin < vectors_pay) {
      for (Index k = points.begin; k < points.end && sum < enough; ++k)
        if (squared(a, point(k)) <= squared_eps_) sum += weights_.empty() ? 1 : weights_[at(k)];
      return sum;
    }
    for (Index begin = points.begin; begin < points.end && sum < enough; begin += chunk) {
      std::int64_t count = 0;
      for (Index k = begin; k < std::min(begin + chunk, points.end); ++k)
        count += squared(a, x_, k) <= squared_eps_ ? 1 : 0;
      sum += count;
    }
    return sum;
  }

  void find_cores() {
    is_core_.assign(at(grid_.size()), 0);
    parallel_blocks(grid_.n_cells(), cells_per_block, n_threads_, [&](const Block& block) {
      CellWalk walk(grid_, block.begin);
      std::vector<PointRange> near;
      for (Index cell = block.begin; cell < block.end; ++cell) {
        const PointRange own = grid_.points_of(cell);
        const std::int64_t own_weight = weight_of(own);
        if (own_weight >= threshold_) {
          std::fill(is_core_.begin() + own.begin, is_core_.begin() + own.end, char{1});
          continue;
        }
        // Rows of cells are looked up when the first sample needs them; most samples need few.
        near.clear();
        std::size_t next_row = 0;
        for (Index k = own.begin; k < own.end; ++k) {
          const Point a = point(k);
          std::int64_t sum = own_weight;
          for (std::size_t r = 0; sum < threshold_; ++r) {
            while (r == near.size() && next_row < grid_.rows().size())
              add_row(walk, next_row++, cell, own, near);
            if (r == near.size()) break;
            sum += weight_near(a, near[r], threshold_ - sum);
          }
          is_core_[at(k)] = sum >= threshold_ ? 1 : 0;
        }
      }
    });
  }
  /// Points in row r of the neighbourhood of a cell, its own left out.
  void add_row(CellWalk& walk, std::size_t r, Index cell, PointRange own,
               std::vector<PointRange>& near) const {
    const PointRange cells = walk.cells(r, cell);
    if (cells.begin == cells.end) return;
    PointRange points{grid_.start(cells.begin), grid_.start(cells.end)};
    if (grid_.rows()[r].step == 0) {
      if (points.begin < own.begin) near.push_back({points.begin, own.begin});
      points.begin = own.end;
    }
    if (points.begin < points.end) near.push_back(points);
  }

  /// Cores in the order of the grid, as columns of their own.
  void gather_cores() {
    core_starts_.reserve(at(grid_.n_cells() + 1));
    for (Index cell = 0; cell < grid_.n_cells(); ++cell) {
      core_starts_.push_back(static_cast<Index>(core_sample_.size()));
      for (Index k = grid_.start(cell); k < grid_.start(cell + 1); ++k)
        if (is_core_[at(k)] != 0) {
          core_sample_.push_back(grid_.sample(k));
          for (std::size_t j = 0; j < P; ++j) core_values_[j].push_back(x_[j][k]);
        }
    }
    core_starts_.push_back(static_cast<Index>(core_sample_.size()));
    for (std::size_t j = 0; j < P; ++j) cores_[j] = core_values_[j].data();
  }
  PointRange cores_of(Index first_cell, Index end_cell) const {
    return {core_starts_[at(first_cell)], core_starts_[at(end_cell)]};
  }

  void join_cells(UnionFind& cells) const {
    parallel_blocks(grid_.n_cells(), cells_per_block, n_threads_, [&](const Block& block) {
      CellWalk walk(grid_, block.begin);
      std::vector<Index> kept_a, kept_b;
      for (Index cell = block.begin; cell < block.end; ++cell) {
        const PointRange own = cores_of(cell, cell + 1);
        if (own.begin == own.end) continue;
        Index root = cells.find(cell);
        for (std::size_t r = 0; r < grid_.rows().size(); ++r) {
          if (grid_.rows()[r].step < 0) continue;  // each pair of cells once
          const PointRange near = walk.cells(r, cell);
          for (Index other = std::max(near.begin, cell + 1); other < near.end; ++other) {
            const PointRange theirs = cores_of(other, other + 1);
            if (theirs.begin == theirs.end || cells.find(other) == root) continue;
            root = cells.find(cell);  // another thread may have moved it
            if (cells.find(other) == root || !any_within(own, theirs, kept_a, kept_b)) continue;
            cells.unite(cell, other);
            root = cells.find(cell);
          }
        }
      }
    });
  }

  /// Is any pair of the two runs of cores within eps?
  bool any_within(PointRange a, PointRange b, std::vector<Index>& kept_a, std::vector<Index>& kept_b) const {
    constexpr Index small = 2048;
    if ((a.end - a.begin) * (b.end - b.begin) <= small) {
      for (Index k = a.begin; k < a.end; ++k) {
        const Point point = point_of(cores_, k);
        bool hit = false;
        for (Index l = b.begin; l < b.end; ++l) hit |= squared(point, cores_, l) <= squared_eps_;
        if (hit) return true;
      }
      return false;
    }
    kept_a.clear();
    kept_b.clear();
    for (Index k = a.begin; k < a.end; ++k) kept_a.push_back(k);
    for (Index k = b.begin; k < b.end; ++k) kept_b.push_back(k);
    return any_pair_within(cores_.data(), static_cast<Index>(P), squared_eps_, kept_a, kept_b);
  }
  std::vector<PointRange> near_cores(CellWalk& walk, Index cell) const {
    std::vector<PointRange> near;
    walk.visit(cell, [&](const CellGrid::Row&, Index first, Index end) {
      const PointRange cores = cores_of(first, end);
      if (cores.begin < cores.end) near.push_back(cores);
    });
    return near;
  }
  Index nearest_core(const Point& a, const std::vector<PointRange>& near) const {
    double best = squared_eps_;
    Index sample = -1;
    for (const PointRange& cores : near)
      for (Index k = cores.begin; k < cores.end; ++k) {
        const double distance = squared(a, cores_, k);
        const Index candidate = core_sample_[at(k)];
        if (distance < best || (distance == best && (sample < 0 || candidate < sample))) {
          best = distance;
          sample = candidate;
        }
      }
    return sample;
  }

  const CellGrid& grid_;
  double squared_eps_;
  std::int64_t threshold_;
  int n_threads_;
  Columns x_;
  std::vector<Point> points_;          // the same, point by point: short runs are read faster
  std::vector<std::int64_t> weights_;  // by point of the grid; empty: ones
  std::vector<char> is_core_;          // by point of the grid
  std::vector<Index> core_starts_;     // by cell, into the cores
  std::vector<Index> core_sample_;
  std::array<std::vector<double>, P> core_values_;
  Columns cores_{};
};

inline DBSCANParts dbscan_on_grid(const CellGrid& grid, double eps, const DBSCANWeights& weights,
                                  int n_threads) {
  if (grid.dimensions() == 2) return DBSCANGrid<2>(grid, eps, weights, n_threads).run();
  return DBSCANGrid<3>(grid, eps, weights, n_threads).run();
}

}  // namespace sparse_experts::detail
