// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/group_bounds.hpp>
#include <sparse_experts/clustering/hamerly.hpp>
#include <sparse_experts/clustering/kmeans_options.hpp>
#include <sparse_experts/clustering/lloyd.hpp>
#include <sparse_experts/clustering/narrow_nearest.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace sparse_experts::detail {

/// The assignment step of a start: one of the variants, or `automatic`, which computes every distance until
/// the labels settle, then keeps bounds, and pauses them while they exclude next to nothing. All variants
/// return the same labels, so changing over is free to happen at any time.
template <class Problem>
class Assignment {
 public:
  using Scalar = typename Problem::Scalar;

  Assignment(const Problem& problem, Index n_clusters, KMeansAlgorithm wanted)
      : problem_(problem),
        n_clusters_(n_clusters),
        automatic_(wanted == KMeansAlgorithm::automatic),
        variant_(automatic_ ? choose(problem, n_clusters) : wanted),
        pause_(automatic_ && !dear() ? 1 : 0),
        lloyd_(problem) {}

  /// See LloydStep. `share_changed`: of the labels, in the call before.
  void assign(const RowMatrix<Scalar>& centers, const Vector<double>& drift, double share_changed,
              Labels& labels) {
    if (pause_ > 0) --pause_;
    if (automatic_ && !running_ && share_changed > settled()) pause_ = std::max(pause_, 1);
    if (variant_ == KMeansAlgorithm::lloyd || pause_ > 0) return lloyd_.assign(centers, drift, labels);

    const std::int64_t before = evaluations();
    const Vector<double> moved = running_ ? drift : Vector<double>();
    if (variant_ == KMeansAlgorithm::hamerly) {
      if (!hamerly_) hamerly_.emplace(problem_);
      hamerly_->assign(centers, moved, labels);
    } else {
      if (!groups_) groups_.emplace(problem_, variant_ == KMeansAlgorithm::elkan);
      groups_->assign(centers, moved, labels);
    }
    const double all = static_cast<double>(problem_.x.rows()) * static_cast<double>(centers.rows());
    // One distance alone, to the own centre, takes about three times its share of a block of them.
    const double most = (0.85 - 2.0 / static_cast<double>(n_clusters_)) * all;
    const bool useless =
        automatic_ && running_ && !dear() && static_cast<double>(evaluations() - before) > most;
    running_ = !useless;
    if (useless) pause_ = next_pause_ *= 2;
  }

  void forget(Index i) {
    if (running_ && hamerly_) hamerly_->forget(i);
    if (running_ && groups_) groups_->forget(i);
  }
  std::int64_t evaluations() const {
    return lloyd_.evaluations() + (hamerly_ ? hamerly_->evaluations() : 0) +
           (groups_ ? groups_->evaluations() : 0);
  }
  KMeansAlgorithm algorithm() const { return variant_; }

 private:
  /// Whether a distance costs so much more than looking at a bound that bounds pay from the first call on.
  bool dear() const {
    const bool dense = dense_rows(problem_.x) != nullptr;
    return problem_.x.cols() > 2 * narrow_features && (dense || n_clusters_ >= 32);
  }
  /// Share of changed labels below which keeping bounds begins to pay.
  double settled() const {
    if (dear()) return 1.0;
    if (problem_.x.cols() > narrow_features) return 0.25;
    return n_clusters_ * (problem_.x.cols() + 6) < 200 ? 0.1 : 0.4;
  }

  /// Where all distances of a sample cost less than looking at its bounds: none. Bounds per centre pay where
  /// a distance is dear, there are many per sample and the bounds fit in 1 GB; else one bound per sample
  /// does.
  static KMeansAlgorithm choose(const Problem& problem, Index n_clusters) {
    constexpr double most_bounds = 256e6;
    const Index p = problem.x.cols();
    const bool narrow = dense_rows(problem.x) != nullptr && p <= narrow_features;
    if (n_clusters < 3 || (narrow && n_clusters * (p + 6) < 100)) return KMeansAlgorithm::lloyd;
    const bool many_bounds =
        dense_rows(problem.x) != nullptr && p >= 384 && n_clusters >= 48 &&
        static_cast<double>(problem.x.rows()) * static_cast<double>(n_clusters) < most_bounds;
    return many_bounds ? KMeansAlgorithm::elkan : KMeansAlgorithm::hamerly;
  }

  const Problem& problem_;
  Index n_clusters_;
  bool automatic_;
  KMeansAlgorithm variant_;
  int pause_;             // calls left without bounds
  int next_pause_ = 1;    // doubles with every pause: labels may settle soon or never
  bool running_ = false;  // the bounds are those of the call before
  LloydStep<Problem> lloyd_;
  std::optional<HamerlyStep<Problem>> hamerly_;
  std::optional<GroupStep<Problem>> groups_;
};

}  // namespace sparse_experts::detail
