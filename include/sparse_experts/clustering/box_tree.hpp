// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

/// Points in few dimensions as a balanced binary tree of boxes: every node is a run of points, halved along
/// the widest side of its box until at most leaf_size are left. Nodes are numbered in preorder, points in the
/// order of the leaves and kept in double. Distances to boxes err on the safe side, so that what they exclude
/// or include is what single distances would say. DBSCAN searches it up to max_dimensions. Memory O(n p),
/// time O(n p log n). Ref: Bentley, "Multidimensional binary search trees used for associative searching",
/// CACM 1975.
class BoxTree {
 public:
  static constexpr Index max_dimensions = 16, leaf_size = 16;

  struct Node {
    Index begin = 0, end = 0;  // points
    Index parent = -1;
    Index right = -1;  // second child, -1 in leaves; the first child is the next node

    bool is_leaf() const { return right < 0; }
  };

  BoxTree() = default;
  template <class Scalar>
  explicit BoxTree(const DenseRows<Scalar>& x) : p_(x.cols()) {
    const Index n = x.rows();
    order_.resize(at(n));
    for (Index i = 0; i < n; ++i) order_[at(i)] = i;
    std::vector<double> rows(at(n * p_));
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < p_; ++j)
        rows[at(i * p_ + j)] = static_cast<double>(x.data()[i * x.outerStride() + j]);
    if (n > 0) build(rows, 0, n, -1);
    points_.resize(rows.size());
    for (Index k = 0; k < n; ++k) std::copy_n(rows.data() + sample(k) * p_, p_, points_.data() + k * p_);
  }

  Index size() const { return static_cast<Index>(order_.size()); }
  Index n_nodes() const { return static_cast<Index>(nodes_.size()); }
  const Node& node(Index node) const { return nodes_[at(node)]; }
  /// Row of x that became point k.
  Index sample(Index k) const { return order_[at(k)]; }
  const double* point(Index k) const { return points_.data() + k * p_; }
  /// Rows of x in the order of the points.
  const std::vector<Index>& order() const { return order_; }
  const std::vector<Index>& leaves() const { return leaves_; }

  double squared(const double* a, const double* b) const {
    double sum = 0;
    for (Index j = 0; j < p_; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
  }
  /// No point of the node is nearer to a than the root of this.
  double least(const double* a, Index node) const {
    const double *low = box(node), *high = low + p_;
    double sum = 0;
    for (Index j = 0; j < p_; ++j) {
      const double outside = std::max(std::max(low[j] - a[j], a[j] - high[j]), 0.0);
      sum += outside * outside;
    }
    return sum * (1 - slack);
  }
  /// None is farther than the root of this.
  double most(const double* a, Index node) const {
    const double *low = box(node), *high = low + p_;
    double sum = 0;
    for (Index j = 0; j < p_; ++j) {
      const double side = std::max(high[j] - a[j], a[j] - low[j]);
      sum += side * side;
    }
    return sum * (1 + slack);
  }
  /// The same for all pairs of points of two nodes.
  double least_between(Index one, Index other) const {
    const double *a = box(one), *b = box(other);
    double sum = 0;
    for (Index j = 0; j < p_; ++j) {
      const double gap = std::max(std::max(a[j] - b[p_ + j], b[j] - a[p_ + j]), 0.0);
      sum += gap * gap;
    }
    return sum * (1 - slack);
  }
  double most_between(Index one, Index other) const {
    const double *a = box(one), *b = box(other);
    double sum = 0;
    for (Index j = 0; j < p_; ++j) {
      const double side = std::max(a[p_ + j] - b[j], b[p_ + j] - a[j]);
      sum += side * side;
    }
    return sum * (1 + slack);
  }

  /// Calls f(node) for a leaf and then, on the way up to the root, for every node that hangs beside it:
  /// together all points, near ones first. Ends when f returns false.
  template <class F>
  void outwards(Index leaf, F&& f) const {
    if (!f(leaf)) return;
    for (Index below = leaf, above = node(leaf).parent; above >= 0; below = above, above = node(above).parent)
      if (!f(node(above).right == below ? above + 1 : node(above).right)) return;
  }
  /// Calls enter(node) from `top` downwards; descends where it returns true, and calls leaf(node) at leaves.
  template <class Enter, class Leaf>
  void descend(Index top, Enter&& enter, Leaf&& leaf) const {
    Index stack[64], depth = 0;
    stack[depth++] = top;
    while (depth > 0) {
      const Index node = stack[--depth];
      if (!enter(node)) continue;
      if (nodes_[at(node)].is_leaf()) {
        leaf(node);
      } else {
        stack[depth++] = nodes_[at(node)].right;
        stack[depth++] = node + 1;
      }
    }
  }

  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

 private:
  static constexpr double slack = 1e-12;  // far above the rounding of max_dimensions squares

  const double* box(Index node) const { return boxes_.data() + 2 * node * p_; }

  void build(const std::vector<double>& rows, Index begin, Index end, Index parent) {
    const Index node = n_nodes(), p = p_;
    nodes_.push_back({begin, end, parent, -1});
    boxes_.resize(boxes_.size() + at(2 * p));
    double *low = boxes_.data() + 2 * node * p, *high = low + p;
    for (Index k = begin; k < end; ++k) {
      const double* row = rows.data() + sample(k) * p;
      for (Index j = 0; j < p; ++j) {
        low[j] = k == begin ? row[j] : std::min(low[j], row[j]);
        high[j] = k == begin ? row[j] : std::max(high[j], row[j]);
      }
    }
    if (end - begin <= leaf_size) {
      leaves_.push_back(node);
      return;
    }
    Index widest = 0;
    for (Index j = 1; j < p; ++j)
      if (high[j] - low[j] > high[widest] - low[widest]) widest = j;
    const Index half = begin + (end - begin) / 2;
    std::nth_element(order_.begin() + begin, order_.begin() + half, order_.begin() + end,
                     [&](Index a, Index b) {
                       const double x = rows[at(a * p + widest)], y = rows[at(b * p + widest)];
                       return x < y || (!(y < x) && a < b);
                     });
    build(rows, begin, half, node);
    nodes_[at(node)].right = n_nodes();
    build(rows, half, end, node);
  }

  Index p_ = 0;
  std::vector<Node> nodes_;
  std::vector<Index> leaves_;
  std::vector<double> boxes_;   // by node: p lower bounds, p upper bounds
  std::vector<Index> order_;    // by point
  std::vector<double> points_;  // n x p
};

}  // namespace sparse_experts::detail
