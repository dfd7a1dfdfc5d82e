// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/group_bounds.hpp>
#include <sparse_experts/clustering/hamerly.hpp>
#include <sparse_experts/clustering/kmeans_options.hpp>
#include <sparse_experts/clustering/lloyd.hpp>
#include <sparse_experts/clustering/narrow_nearest.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <cstdint>
#include <optional>

namespace sparse_experts::detail {

/// The assignment step of a start: one of the variants, or `automatic`, which chooses one by shape and takes
/// it up when bounds begin to pay. All of them return the same labels, so changing over is free to happen at
/// any time.
template <class Problem>
class Assignment {
 public:
  using Scalar = typename Problem::Scalar;

  Assignment(const Problem& problem, Index n_clusters, KMeansAlgorithm wanted)
      : problem_(problem),
        wanted_(wanted == KMeansAlgorithm::automatic ? choose(problem, n_clusters) : wanted),
        patient_(wanted == KMeansAlgorithm::automatic && wanted_ != KMeansAlgorithm::lloyd),
        lloyd_(problem) {}

  /// See LloydStep. `share_changed`: of the labels, in the call before.
  void assign(const RowMatrix<Scalar>& centers, const Vector<double>& drift, double share_changed,
              Labels& labels) {
    const bool bounded = wanted_ != KMeansAlgorithm::lloyd && (!patient_ || share_changed < settled);
    if (!bounded) return lloyd_.assign(centers, drift, labels);
    patient_ = false;
    const bool fresh = !hamerly_ && !groups_;
    if (wanted_ == KMeansAlgorithm::hamerly) {
      if (fresh) hamerly_.emplace(problem_);
      hamerly_->assign(centers, fresh ? Vector<double>() : drift, labels);
    } else {
      if (fresh) groups_.emplace(problem_, wanted_ == KMeansAlgorithm::elkan);
      groups_->assign(centers, fresh ? Vector<double>() : drift, labels);
    }
  }

  void forget(Index i) {
    if (hamerly_) hamerly_->forget(i);
    if (groups_) groups_->forget(i);
  }
  std::int64_t evaluations() const {
    return lloyd_.evaluations() + (hamerly_ ? hamerly_->evaluations() : 0) +
           (groups_ ? groups_->evaluations() : 0);
  }
  KMeansAlgorithm algorithm() const { return wanted_; }

 private:
  /// Share of changed labels below which `automatic` begins to keep bounds.
  static constexpr double settled = 0.2;

  static KMeansAlgorithm choose(const Problem&, Index) { return KMeansAlgorithm::lloyd; }

  const Problem& problem_;
  KMeansAlgorithm wanted_;
  bool patient_;
  LloydStep<Problem> lloyd_;
  std::optional<HamerlyStep<Problem>> hamerly_;
  std::optional<GroupStep<Problem>> groups_;
};

}  // namespace sparse_experts::detail
