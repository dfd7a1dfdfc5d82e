// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

using Labels = std::vector<std::int32_t>;  // one per row; -1: none yet

/// Weighted sums of the rows of every cluster, in double, kept up to date as labels change.
///
/// The order of every sum depends on n, K and p alone: the same bits at any number of threads and for every
/// variant of the assignment. Few and short centres are summed by blocks of rows, so that rows are read one
/// after the other, and the sums of the blocks are added in their order; many or long ones are summed one
/// cluster by one thread, rows ascending. When few labels changed only their rows are added and taken away;
/// everything is summed afresh when half of the labels changed and every 32nd time, so that rounding cannot
/// build up.
class ClusterSums {
 public:
  ClusterSums(Index n_clusters, Index n_features) {
    fill(sums_, n_clusters, n_features, 0.0);
    fill(weights_, n_clusters, 0.0);
    fill(counts_, n_clusters, 0);
  }

  /// From labels `before` (what the sums hold) to `after`, `n_changed` of them differ. `weights`: empty or n.
  template <class Rows>
  void update(const Rows& x, const Vector<double>& weights, const Labels& before, const Labels& after,
              Index n_changed, int n_threads) {
    const bool afresh = n_updates_++ % 32 == 0 || 2 * n_changed >= x.rows();
    // Sums of a block in numbers: 128 kB stay in cache beside the rows, 1 MB pays when all rows are summed.
    const Index most = afresh ? 131072 : 16384;
    if (sums_.size() <= most)
      update_by_rows(x, weights, before, after, afresh, n_threads);
    else
      update_by_clusters(x, weights, before, after, afresh, n_threads);
    for (Index k = 0; k < sums_.rows(); ++k)
      if (counts_[k] == 0) clear(k);
  }

  /// Rows of positive weight in cluster k.
  Index count(Index k) const { return counts_[k]; }
  double weight(Index k) const { return weights_[k]; }

  /// Means of the clusters; a cluster without weight keeps its centre.
  template <class Scalar>
  void centers(RowMatrix<Scalar>& centers) const {
    for (Index k = 0; k < sums_.rows(); ++k)
      for (Index j = 0; j < sums_.cols() && counts_[k] > 0; ++j)
        centers(k, j) = static_cast<Scalar>(sums_(k, j) / weights_[k]);
  }

 private:
  void clear(Index k) {
    std::fill_n(sums_.data() + k * sums_.cols(), sums_.cols(), 0.0);
    weights_[k] = 0;
    counts_[k] = 0;
  }

  template <class Rows>
  void update_by_rows(const Rows& x, const Vector<double>& weights, const Labels& before, const Labels& after,
                      bool afresh, int n_threads) {
    const Index n_clusters = sums_.rows(), p = sums_.cols();
    const Index block_rows = std::max<Index>(1024, (x.rows() + 31) / 32);
    RowMatrix<double> sums(block_count(x.rows(), block_rows), sums_.size());
    RowMatrix<double> weight_sums(sums.rows(), n_clusters);
    RowMatrix<Index> counts(sums.rows(), n_clusters);
    std::vector<char> changed(static_cast<std::size_t>(sums.rows()), 0);
    parallel_blocks(x.rows(), block_rows, n_threads, [&](const Block& block) {
      double* sum = sums.data() + block.id * sums.cols();
      double* weight_sum = weight_sums.data() + block.id * n_clusters;
      Index* count = counts.data() + block.id * n_clusters;
      char& any = changed[static_cast<std::size_t>(block.id)];
      const auto move = [&](Index i, Index k, Index sign) {
        const double weight = static_cast<double>(sign) * (weights.size() == 0 ? 1.0 : weights[i]);
        if (weight == 0) return;
        add_row(x, i, weight, sum + k * p);
        weight_sum[k] += weight;
        count[k] += sign;
      };
      for (Index i = block.begin; i < block.end; ++i) {
        const Index from = before[static_cast<std::size_t>(i)], to = after[static_cast<std::size_t>(i)];
        if (!afresh && from == to) continue;
        if (!any) {
          std::fill_n(sum, sums.cols(), 0.0);
          std::fill_n(weight_sum, n_clusters, 0.0);
          std::fill_n(count, n_clusters, Index(0));
          any = 1;
        }
        move(i, to, 1);
        if (!afresh && from >= 0) move(i, from, -1);
      }
    });
    for (Index k = 0; k < n_clusters && afresh; ++k) clear(k);
    for (Index b = 0; b < sums.rows(); ++b) {
      if (!changed[static_cast<std::size_t>(b)]) continue;
      for (Index j = 0; j < sums.cols(); ++j) sums_.data()[j] += sums(b, j);
      for (Index k = 0; k < n_clusters; ++k) {
        weights_[k] += weight_sums(b, k);
        counts_[k] += counts(b, k);
      }
    }
  }

  template <class Rows>
  void update_by_clusters(const Rows& x, const Vector<double>& weights, const Labels& before,
                          const Labels& after, bool afresh, int n_threads) {
    collect(before, after, afresh);
    const std::vector<Index> order = longest_first();
    parallel_blocks(sums_.rows(), 1, n_threads, [&](const Block& block) {
      const Index k = order[static_cast<std::size_t>(block.begin)];
      double* sum = sums_.data() + k * sums_.cols();
      if (afresh) clear(k);
      for (auto e = first_[static_cast<std::size_t>(k)]; e < first_[static_cast<std::size_t>(k) + 1]; ++e) {
        const Index i = events_[e] / 2, sign = events_[e] % 2 == 0 ? 1 : -1;
        const double weight = static_cast<double>(sign) * (weights.size() == 0 ? 1.0 : weights[i]);
        if (weight == 0) continue;
        add_row(x, i, weight, sum);
        weights_[k] += weight;
        counts_[k] += sign;
      }
    });
  }

  /// Clusters in the order in which threads take them. Few clusters: the largest first, else a thread may
  /// start on a large one when the others are done.
  std::vector<Index> longest_first() const {
    constexpr std::size_t few = 64;
    std::vector<Index> order(first_.size() - 1);
    const auto events = [&](Index k) {
      return first_[static_cast<std::size_t>(k) + 1] - first_[static_cast<std::size_t>(k)];
    };
    for (std::size_t at = 0; at < order.size(); ++at) {
      order[at] = static_cast<Index>(at);
      for (std::size_t t = at; order.size() <= few && t > 0 && events(order[t - 1]) < events(order[t]); --t)
        std::swap(order[t - 1], order[t]);
    }
    return order;
  }

  /// Counting sort of the events (row joins: 2 i, row leaves: 2 i + 1) by cluster.
  template <class = void>
  void collect(const Labels& before, const Labels& after, bool afresh) {
    first_ = std::vector<std::size_t>(static_cast<std::size_t>(sums_.rows()) + 1);
    const auto each_event = [&](auto&& f) {
      for (std::size_t i = 0; i < after.size(); ++i) {
        if (!afresh && before[i] == after[i]) continue;
        f(static_cast<std::size_t>(after[i]), 2 * i);
        if (!afresh && before[i] >= 0) f(static_cast<std::size_t>(before[i]), 2 * i + 1);
      }
    };
    each_event([&](std::size_t k, std::size_t) { ++first_[k + 1]; });
    for (std::size_t k = 1; k < first_.size(); ++k) first_[k] += first_[k - 1];
    events_.resize(first_.back());
    std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
    each_event([&](std::size_t k, std::size_t event) { events_[next[k]++] = static_cast<Index>(event); });
  }

  RowMatrix<double> sums_;  // K x p
  Vector<double> weights_;  // K
  IndexVector counts_;      // K
  std::vector<std::size_t> first_;
  std::vector<Index> events_;
  Index n_updates_ = 0;
};

}  // namespace sparse_experts::detail
