// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Disjoint sets of 0 ... n-1 that several threads may unite at once. The root of a set is its smallest
/// member, so the outcome does not depend on the order of the unions. Ref: Anderson, Woll, "Wait-free
/// parallel algorithms for the union-find problem", STOC 1991 (linking by index, path halving).
class UnionFind {
 public:
  explicit UnionFind(Index n) : parents_(static_cast<std::size_t>(n)) {
    for (Index i = 0; i < n; ++i) parent(i).store(i, std::memory_order_relaxed);
  }

  Index find(Index i) {
    for (;;) {
      Index above = parent(i).load(std::memory_order_relaxed);
      if (above == i) return i;
      const Index top = parent(above).load(std::memory_order_relaxed);
      if (top == above) return above;
      parent(i).compare_exchange_weak(above, top, std::memory_order_relaxed);
      i = top;
    }
  }

  void unite(Index i, Index j) {
    for (;;) {
      i = find(i);
      j = find(j);
      if (i == j) return;
      if (i < j) std::swap(i, j);
      Index expected = i;
      if (parent(i).compare_exchange_weak(expected, j, std::memory_order_relaxed)) return;
    }
  }

 private:
  std::atomic<Index>& parent(Index i) { return parents_[static_cast<std::size_t>(i)]; }
  std::vector<std::atomic<Index>> parents_;
};

}  // namespace sparse_experts::detail
