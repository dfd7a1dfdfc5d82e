// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/dbscan_parts.hpp>
#include <sparse_experts/clustering/neighbors.hpp>
#include <sparse_experts/clustering/tiles.hpp>
#include <sparse_experts/clustering/union_find.hpp>
#include <sparse_experts/core/pairwise.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// DBSCAN by tiles of pairwise products, for any dimension and for sparse rows. Each pair of tiles is
/// computed once for the neighbourhood sums (cores that are known by then are joined on the way) and once
/// more only when both hold cores of different clusters. Memory O(n + tile (p + tile)), never a list of
/// neighbours.
template <class Rows>
class DBSCANBlocked {
 public:
  DBSCANBlocked(const Rows& x, double eps, const DBSCANWeights& weights, int n_threads)
      : x_(x),
        squared_eps_(eps * eps),
        eps_(eps),
        weights_(weights),
        n_threads_(n_threads),
        center_(row_center(x)),
        sums_(static_cast<std::size_t>(x.rows())),
        clusters_(x.rows()) {}

  DBSCANParts run() {
    std::vector<Index> order(sums_.size());
    std::iota(order.begin(), order.end(), Index{0});
    const Tiles<Rows> all(x_, std::move(order), center_);
    add_neighborhoods(all);
    DBSCANParts parts;
    std::vector<Index> cores, others;
    for (Index tile = 0; tile < all.count(); ++tile)
      for (Index r = 0; r < all.size(tile); ++r)
        (is_core(all.rows(tile)[r]) ? cores : others).push_back(all.rows(tile)[r]);
    join_cores(cores);

    parts.is_core.assign(sums_.size(), 0);
    parts.representative.assign(sums_.size(), -1);
    for (const Index i : cores) {
      parts.is_core[static_cast<std::size_t>(i)] = 1;
      parts.representative[static_cast<std::size_t>(i)] = clusters_.find(i);
    }
    const Tiles<Rows> core_tiles(x_, std::move(cores), center_, true);
    const Tiles<Rows> other_tiles(x_, std::move(others), center_, true);
    nearest_by_tiles(other_tiles, core_tiles, eps_, n_threads_, parts.representative.data());
    return parts;
  }

 private:
  bool is_core(Index i) const {
    return sums_[static_cast<std::size_t>(i)].load(std::memory_order_relaxed) >= weights_.threshold;
  }

  void add_neighborhoods(const Tiles<Rows>& tiles) {
    parallel_blocks(tiles.count(), 1, n_threads_, [&](const Block& block) {
      const Index fixed = block.id;
      TileDistances<Rows> distances(tiles, fixed);
      std::vector<std::int64_t> fixed_sums, other_sums;
      for (Index other = fixed; other < tiles.count(); ++other) {
        if (!tiles.may_touch(fixed, tiles, other, squared_eps_)) continue;
        fixed_sums.assign(static_cast<std::size_t>(tiles.size(fixed)), 0);
        other_sums.assign(static_cast<std::size_t>(tiles.size(other)), 0);
        const View a = view(tiles, fixed), b = view(tiles, other);
        distances.for_each_candidate(tiles, other, squared_eps_,
                                     [&](Index r, Index c, double d, double error) {
                                       if (fixed == other && c < r) return;
                                       if (!distances.within(tiles, other, r, c, d, error, squared_eps_))
                                         return;
                                       other_sums[static_cast<std::size_t>(r)] += weights_[a.rows[c]];
                                       if (fixed == other && c == r) return;
                                       fixed_sums[static_cast<std::size_t>(c)] += weights_[b.rows[r]];
                                       join(b, r, a, c);
                                     });
        for (std::size_t c = 0; c < fixed_sums.size(); ++c) add(a.rows[c], fixed_sums[c]);
        for (std::size_t r = 0; r < other_sums.size(); ++r) add(b.rows[r], other_sums[r]);
      }
    });
  }
  void add(Index i, std::int64_t sum) {
    if (sum != 0) sums_[static_cast<std::size_t>(i)].fetch_add(sum, std::memory_order_relaxed);
  }

  /// Rows of a tile with the clusters of those known to be cores, -1 for others, as they were a moment ago.
  struct View {
    const Index* rows;
    std::vector<Index> cluster;
  };
  View view(const Tiles<Rows>& tiles, Index tile) {
    View result{tiles.rows(tile), {}};
    for (Index r = 0; r < tiles.size(tile); ++r)
      result.cluster.push_back(is_core(result.rows[r]) ? clusters_.find(result.rows[r]) : -1);
    return result;
  }
  /// Two neighbours are in one cluster if both are known to be cores. Cores stay cores and clusters only
  /// grow, so a stale view delays a union, and join_cores makes up for it.
  void join(const View& a, Index r, const View& b, Index c) {
    const Index left = a.cluster[static_cast<std::size_t>(r)], right = b.cluster[static_cast<std::size_t>(c)];
    if (left >= 0 && right >= 0 && left != right) clusters_.unite(left, right);
  }

  void join_cores(const std::vector<Index>& cores) {
    // Cores of one cluster side by side: then most pairs of tiles have nothing left to join.
    std::vector<Index> starts(sums_.size() + 1), sorted(cores.size());
    for (const Index i : cores) ++starts[static_cast<std::size_t>(clusters_.find(i)) + 1];
    for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
    for (const Index i : cores)
      sorted[static_cast<std::size_t>(starts[static_cast<std::size_t>(clusters_.find(i))]++)] = i;
    const Tiles<Rows> tiles(x_, std::move(sorted), center_, true);
    parallel_blocks(tiles.count(), 1, n_threads_, [&](const Block& block) {
      const Index fixed = block.id;
      std::optional<TileDistances<Rows>> distances;
      for (Index other = fixed; other < tiles.count(); ++other) {
        if (!tiles.may_touch(fixed, tiles, other, squared_eps_)) continue;
        const View a = view(tiles, fixed), b = view(tiles, other);
        const auto same = [&](Index cluster) { return cluster == a.cluster[0]; };
        if (std::all_of(a.cluster.begin(), a.cluster.end(), same) &&
            std::all_of(b.cluster.begin(), b.cluster.end(), same))
          continue;
        if (!distances) distances.emplace(tiles, fixed);
        distances->for_each_candidate(
            tiles, other, squared_eps_, [&](Index r, Index c, double d, double error) {
              if (a.cluster[static_cast<std::size_t>(c)] != b.cluster[static_cast<std::size_t>(r)] &&
                  clusters_.find(a.rows[c]) != clusters_.find(b.rows[r]) &&
                  distances->within(tiles, other, r, c, d, error, squared_eps_))
                clusters_.unite(a.rows[c], b.rows[r]);
            });
      }
    });
  }

  const Rows& x_;
  double squared_eps_, eps_;
  const DBSCANWeights& weights_;
  int n_threads_;
  RowVector<double> center_;
  std::vector<std::atomic<std::int64_t>> sums_;  // weight found within eps so far, by sample
  UnionFind clusters_;
};

}  // namespace sparse_experts::detail
