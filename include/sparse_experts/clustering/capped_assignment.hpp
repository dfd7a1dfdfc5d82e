// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/clustering/scores.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Nearest centres when no centre may take more than `capacity` rows.
///   min over labels a of  sum_i |x_i - m_{a(i)}|^2   subject to  #{i : a(i) = k} <= capacity
/// The dual puts a price on each centre: row i goes to argmin_k |x_i - m_k|^2 + price_k. One pass of the
/// score kernel with the prices in it gives labels and the regret of each row (what its second choice costs
/// more). Where a centre is still above its capacity, the rows of least regret leave and take the best centre
/// with room, in the order of their indices; each such row is scored once more. Then prices move for the next
/// call: up by the regret that would just have shed the surplus, down likewise where a priced centre has
/// room. Prices persist from call to call, so the surplus fades as the centres settle. Cost: n K p for the
/// pass, K p for each row that leaves. In the spirit of Bertsekas, "The auction algorithm", 1988, with all
/// centres bidding at once.
template <class Problem>
class CappedAssignment {
 public:
  using Scalar = typename Problem::Scalar;

  CappedAssignment(const Problem& problem, Index n_clusters, Index capacity)
      : problem_(problem),
        capacity_(capacity),
        prices_(Vector<double>::Zero(n_clusters)),
        regrets_(static_cast<std::size_t>(problem.x.rows())) {}

  void assign(const RowMatrix<Scalar>& centers, Labels& labels) {
    tiles_.pack(centers, problem_.origin);
    tiles_.add_to_scores(0.5 * prices_);  // a score is half a squared distance
    for_each_nearest<true>(problem_.x, tiles_, problem_.n_threads,
                           [&](Index i, const Nearest<Scalar>& nearest) {
                             labels[static_cast<std::size_t>(i)] = nearest.index;
                             regrets_[static_cast<std::size_t>(i)] = nearest.second - nearest.score;
                           });
    group(labels);
    std::vector<Index> leaving;
    sizes_.resize(prices_.size());
    for (Index k = 0; k < prices_.size(); ++k) {
      sizes_[k] = end(k) - begin(k);
      if (sizes_[k] > capacity_)
        leaving.insert(leaving.end(), begin(k), begin(k) + shed(k, sizes_[k] - capacity_));
    }
    for (Index k = 0; k < prices_.size(); ++k) move_price(k);
    std::sort(leaving.begin(), leaving.end());
    for (const Index i : leaving) --sizes_[labels[static_cast<std::size_t>(i)]];
    place(leaving, labels);
  }

  /// Rows that did not get their first choice in the last call.
  Index n_displaced() const { return n_displaced_; }

 private:
  using Iterator = std::vector<Index>::iterator;
  Iterator begin(Index k) { return members_.begin() + starts_[static_cast<std::size_t>(k)]; }
  Iterator end(Index k) { return members_.begin() + starts_[static_cast<std::size_t>(k) + 1]; }

  /// Rows by label, ascending (counting sort).
  void group(const Labels& labels) {
    starts_.assign(static_cast<std::size_t>(prices_.size()) + 1, 0);
    for (const std::int32_t k : labels) ++starts_[static_cast<std::size_t>(k) + 1];
    for (std::size_t k = 1; k < starts_.size(); ++k) starts_[k] += starts_[k - 1];
    members_.resize(labels.size());
    std::vector<Index> next(starts_.begin(), starts_.end() - 1);
    for (std::size_t i = 0; i < labels.size(); ++i)
      members_[static_cast<std::size_t>(next[static_cast<std::size_t>(labels[i])]++)] = static_cast<Index>(i);
  }

  /// Brings the `count` members of least regret (ties: lower index) to the front of cluster k; returns count.
  Index shed(Index k, Index count) {
    if (count < end(k) - begin(k))
      std::nth_element(begin(k), begin(k) + count, end(k), [&](Index i, Index j) {
        const Scalar a = regrets_[static_cast<std::size_t>(i)], b = regrets_[static_cast<std::size_t>(j)];
        return a < b || (a == b && i < j);
      });
    return count;
  }

  void move_price(Index k) {
    constexpr double damping = 0.7;  // neighbours move at the same time
    const Index surplus = sizes_[k] - capacity_;
    if (surplus == 0 || sizes_[k] == 0 || (surplus < 0 && prices_[k] == 0)) {
      if (sizes_[k] == 0) prices_[k] = 0;
      return;
    }
    const Index count = std::min(surplus > 0 ? surplus : -surplus, sizes_[k]);
    shed(k, count);
    double regret = 0;
    for (Index r = 0; r < count; ++r)
      regret = std::max(regret, static_cast<double>(regrets_[static_cast<std::size_t>(*(begin(k) + r))]));
    if (prices_.size() == 1) return;
    prices_[k] = std::max(0.0, prices_[k] + (surplus > 0 ? 2 : -2) * damping * regret);
  }

  /// Puts the rows, in their order, on the centres with room that are best for them.
  void place(const std::vector<Index>& rows, Labels& labels) {
    n_displaced_ = static_cast<Index>(rows.size());
    const Index K = prices_.size(), chunk = nearest_chunk * 16;
    // Choices of a chunk of rows are scored side by side, then taken one after the other.
    RowMatrix<Scalar> scores;
    for (Index first = 0; first < n_displaced_; first += chunk) {
      const Index count = std::min(chunk, n_displaced_ - first);
      scores.resize(count, K);
      parallel_blocks(count, nearest_chunk, problem_.n_threads, [&](const Block& block) {
        ScoreScratch<Scalar> scratch = make_score_scratch<Scalar>();
        for (const auto& panel : tiles_.panels()) {
          panel_scores(
              problem_.x, block.size(),
              [&](Index t) { return rows[static_cast<std::size_t>(first + block.begin + t)]; }, tiles_, panel,
              scratch.data());
          const Index stride = panel.n_vectors * tiles_.width;
          const Index used = std::min(stride, K - panel.first_slot);
          for (Index t = 0; t < block.size(); ++t)
            std::copy_n(scratch.data() + t * stride, used, &scores(block.begin + t, panel.first_slot));
        }
      });
      for (Index t = 0; t < count; ++t) {
        Index best = -1;
        for (Index k = 0; k < K; ++k)
          if (sizes_[k] < capacity_ && (best < 0 || scores(t, k) < scores(t, best))) best = k;
        labels[static_cast<std::size_t>(rows[static_cast<std::size_t>(first + t)])] =
            static_cast<std::int32_t>(best);
        ++sizes_[best];
      }
    }
  }

  const Problem& problem_;
  Index capacity_;
  Vector<double> prices_;        // K, >= 0, in squared distances
  std::vector<Scalar> regrets_;  // n, in scores
  std::vector<Index> members_, starts_;
  IndexVector sizes_;
  CenterTiles<Scalar> tiles_;
  Index n_displaced_ = 0;
};

}  // namespace sparse_experts::detail
