// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/box_tree.hpp>
#include <sparse_experts/clustering/dbscan_parts.hpp>
#include <sparse_experts/clustering/union_find.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

/// DBSCAN on a tree of boxes, for up to 16 dense features.
///   1. Each point adds up its neighbourhood outwards from its own leaf until it is core; boxes inside the
///      ball count as a whole.
///   2. Each leaf joins its cores with those of later nodes outwards from it; nodes all of whose cores are in
///      its cluster already are passed over.
///   3. A point that is not core looks for its nearest core within eps.
/// Memory O(n p). Ref: Gan, Tao, SIGMOD 2015, for the tests of whole boxes.
class DBSCANTree {
 public:
  DBSCANTree(const BoxTree& tree, double eps, const DBSCANWeights& weights, int n_threads)
      : tree_(tree),
        squared_eps_(eps * eps),
        threshold_(weights.threshold),
        n_threads_(n_threads),
        weight_before_(at(tree.size() + 1)),
        is_core_(at(tree.size())),
        next_core_(at(tree.size() + 1), tree.size()),
        sets_(tree.size()),
        uniform_(at(tree.n_nodes())) {
    for (Index k = 0; k < tree.size(); ++k)
      weight_before_[at(k + 1)] = weight_before_[at(k)] + weights[tree.sample(k)];
  }

  DBSCANParts run() {
    each_leaf([&](Index leaf) { find_cores(leaf); });
    for (Index k = tree_.size() - 1; k >= 0; --k)
      next_core_[at(k)] = is_core_[at(k)] != 0 ? k : next_core_[at(k + 1)];
    each_leaf([&](Index leaf) { join_leaf(leaf); });
    for (Index node = tree_.n_nodes() - 1; node >= 0; --node) refresh(node);
    each_leaf([&](Index leaf) { join_outwards(leaf); });

    DBSCANParts parts;
    parts.is_core.resize(at(tree_.size()));
    parts.representative.resize(at(tree_.size()));
    each_leaf([&](Index leaf) {
      for (Index k = tree_.node(leaf).begin; k < tree_.node(leaf).end; ++k) {
        const Index core = is_core_[at(k)] != 0 ? sets_.find(k) : nearest_core(leaf, k);
        parts.is_core[at(tree_.sample(k))] = is_core_[at(k)];
        parts.representative[at(tree_.sample(k))] = core < 0 ? -1 : tree_.sample(core);
      }
    });
    return parts;
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  template <class F>
  void each_leaf(F&& f) {
    const std::vector<Index>& leaves = tree_.leaves();
    parallel_blocks(static_cast<Index>(leaves.size()), 64, n_threads_, [&](const Block& block) {
      for (Index l = block.begin; l < block.end; ++l) f(leaves[at(l)]);
    });
  }

  std::int64_t weight(Index k) const { return weight_before_[at(k + 1)] - weight_before_[at(k)]; }
  std::int64_t weight_of(const BoxTree::Node& node) const {
    return weight_before_[at(node.end)] - weight_before_[at(node.begin)];
  }
  bool near(Index k, Index l) const { return tree_.squared(tree_.point(k), tree_.point(l)) <= squared_eps_; }

  void find_cores(Index leaf) {
    for (Index k = tree_.node(leaf).begin; k < tree_.node(leaf).end; ++k) {
      const double* a = tree_.point(k);
      std::int64_t sum = 0;
      tree_.outwards(leaf, [&](Index beside) {
        tree_.descend(
            beside,
            [&](Index node) {
              if (sum >= threshold_ || tree_.least(a, node) > squared_eps_) return false;
              if (tree_.most(a, node) > squared_eps_) return true;
              sum += weight_of(tree_.node(node));
              return false;
            },
            [&](Index node) {
              for (Index l = tree_.node(node).begin; l < tree_.node(node).end; ++l)
                if (near(k, l)) sum += weight(l);
            });
        return sum < threshold_;
      });
      is_core_[at(k)] = sum >= threshold_ ? 1 : 0;
    }
  }

  /// First core of a node, or a number not below its end.
  Index first_core(Index node) const { return next_core_[at(tree_.node(node).begin)]; }
  bool has_core(Index node) const { return first_core(node) < tree_.node(node).end; }
  template <class F>
  void each_core(Index node, F&& f) const {
    for (Index k = first_core(node); k < tree_.node(node).end; k = next_core_[at(k + 1)]) f(k);
  }

  /// Known to have all its cores in one set; once true it stays true.
  bool is_uniform(Index node) const { return uniform_[at(node)].load(std::memory_order_relaxed) != 0; }
  void refresh(Index node) {
    if (is_uniform(node)) return;
    bool uniform = true;
    if (tree_.node(node).is_leaf()) {
      each_core(node, [&](Index k) { uniform = uniform && sets_.find(k) == sets_.find(first_core(node)); });
    } else {
      const Index left = node + 1, right = tree_.node(node).right;
      uniform = is_uniform(left) && is_uniform(right) &&
                (!has_core(left) || !has_core(right) ||
                 sets_.find(first_core(left)) == sets_.find(first_core(right)));
    }
    if (uniform) uniform_[at(node)].store(1, std::memory_order_relaxed);
  }

  void join_leaf(Index leaf) {
    const bool all = tree_.most_between(leaf, leaf) <= squared_eps_;
    each_core(leaf, [&](Index k) {
      for (Index l = next_core_[at(k + 1)]; l < tree_.node(leaf).end; l = next_core_[at(l + 1)])
        if (sets_.find(k) != sets_.find(l) && (all || near(k, l))) sets_.unite(k, l);
    });
  }

  void join_outwards(Index leaf) {
    if (!has_core(leaf)) return;
    const Index first = first_core(leaf);
    tree_.outwards(leaf, [&](Index beside) {
      if (tree_.node(beside).begin < tree_.node(leaf).end) return true;  // each pair once
      tree_.descend(
          beside,
          [&](Index node) {
            if (!has_core(node) || tree_.least_between(leaf, node) > squared_eps_) return false;
            refresh(node);
            refresh(leaf);
            if (is_uniform(node) && is_uniform(leaf) && sets_.find(first_core(node)) == sets_.find(first))
              return false;
            if (tree_.most_between(leaf, node) > squared_eps_) return true;
            each_core(node, [&](Index l) { sets_.unite(first, l); });
            each_core(leaf, [&](Index k) { sets_.unite(first, k); });
            return false;
          },
          [&](Index node) { join_pair(leaf, node); });
      return true;
    });
  }
  void join_pair(Index leaf, Index other) {
    each_core(leaf, [&](Index k) {
      if (tree_.least(tree_.point(k), other) > squared_eps_) return;
      each_core(other, [&](Index l) {
        if (sets_.find(k) != sets_.find(l) && near(k, l)) sets_.unite(k, l);
      });
    });
  }

  /// Point of the nearest core within eps (of equally near ones the first sample), or -1.
  Index nearest_core(Index leaf, Index k) const {
    const double* a = tree_.point(k);
    double best = squared_eps_;
    Index found = -1;
    tree_.outwards(leaf, [&](Index beside) {
      tree_.descend(
          beside, [&](Index node) { return has_core(node) && !(tree_.least(a, node) > best); },
          [&](Index node) {
            each_core(node, [&](Index l) {
              const double distance = tree_.squared(a, tree_.point(l));
              if (distance < best ||
                  (distance == best && (found < 0 || tree_.sample(l) < tree_.sample(found)))) {
                best = distance;
                found = l;
              }
            });
          });
      return true;
    });
    return found;
  }

  const BoxTree& tree_;
  double squared_eps_;
  std::int64_t threshold_;
  int n_threads_;
  std::vector<std::int64_t> weight_before_;  // of all points before this one
  std::vector<char> is_core_;                // by point
  std::vector<Index> next_core_;             // the first core from this point on
  UnionFind sets_;                           // of cores
  std::vector<std::atomic<char>> uniform_;   // by node
};

}  // namespace sparse_experts::detail
