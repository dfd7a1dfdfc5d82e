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
/// Each sum adds its rows in ascending order, one cluster by one thread: the same bits at any number of
/// threads and for every variant of the assignment. When few labels changed only their rows are added and
/// taken away; everything is summed afresh when half of the labels changed and every 32nd time, so that
/// rounding cannot build up.
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
    collect(before, after, afresh);
    const std::vector<Index> order = longest_first();
    parallel_blocks(sums_.rows(), 1, n_threads, [&](const Block& block) {
      const Index k = order[static_cast<std::size_t>(block.begin)];
      double* sum = sums_.data() + k * sums_.cols();
      if (afresh) {
        std::fill_n(sum, sums_.cols(), 0.0);
        weights_[k] = 0;
        counts_[k] = 0;
      }
      for (auto e = first_[static_cast<std::size_t>(k)]; e < first_[static_cast<std::size_t>(k) + 1]; ++e) {
        const Index i = events_[e] / 2, sign = events_[e] % 2 == 0 ? 1 : -1;
        const double weight = static_cast<double>(sign) * (weights.size() == 0 ? 1.0 : weights[i]);
        if (weight != 0) add_row(x, i, weight, sum);
        weights_[k] += weight;
        counts_[k] += weight != 0 ? sign : 0;
      }
      if (counts_[k] == 0) {
        std::fill_n(sum, sums_.cols(), 0.0);
        weights_[k] = 0;
      }
    });
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
