// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/capped_assignment.hpp>
#include <sparse_experts/clustering/center_model.hpp>
#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/kmeans_init.hpp>
#include <sparse_experts/clustering/kmeans_options.hpp>
#include <sparse_experts/clustering/kmeans_problem.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sparse_experts {

struct BalancedKMeansOptions {
  Index n_clusters = 8;                            ///< K, 1 <= K <= number of rows
  Index max_iter = 300;                            ///< limit of iterations per start
  double tol = 1e-4;                               ///< as in KMeans; 0: until no label changes
  double delta = 0.1;                              ///< no cluster above ceil((1 + delta) n / K) rows; >= 0
  Index n_init = 1;                                ///< number of starts; the least inertia wins
  std::uint64_t seed = 0;                          ///< of the seeding
  KMeansInit init = KMeansInit::kmeans_plus_plus;  ///< where no initial centres are given
  int n_threads = 0;                               ///< 0 = all; never changes a bit of the result
  ProgressCallback on_progress = {};               ///< called after every iteration
};

/// K-means with clusters of limited size.
///   min over centres m_1 … m_K and labels a of  sum_i |x_i - m_{a(i)}|^2
///   subject to  #{i : a(i) = k} <= ceil((1 + delta) n / K)
/// labels() obey the limit; centers() are the means of their rows; predict() gives the nearest centre, limit
/// or not. The assignment with prices (see capped_assignment.hpp) is a heuristic, so the inertia need not
/// fall in every iteration: the best iterate is returned, and `patience` iterations without a better one end
/// the fit as `stalled`. With a limit that never binds the iterates are those of KMeans. Dense and sparse X;
/// n p K per iteration plus K p for each row that has to give way; memory O(n + K p) beside X. convergence():
/// as in KMeans. The same bits at any number of threads.
template <class Scalar>
class BalancedKMeans : public detail::CenterModel<Scalar> {
  using Base = detail::CenterModel<Scalar>;
  using Base::centers_;
  using Base::convergence_;
  using Base::labels_;
  using Base::origin_;

 public:
  static constexpr Index patience = 20;

  explicit BalancedKMeans(BalancedKMeansOptions options = BalancedKMeansOptions())
      : Base("BalancedKMeans", options.n_threads), options_(std::move(options)) {}

  const BalancedKMeansOptions& options() const { return options_; }

  /// Rows that a cluster may have when n are clustered.
  Index capacity(Index n) const {
    const double limit = std::ceil(
        (1 + options_.delta) * static_cast<double>(n) / static_cast<double>(options_.n_clusters) - 1e-9);
    const Index least = (n - 1) / options_.n_clusters + 1;
    return limit < static_cast<double>(n) ? std::max(least, static_cast<Index>(limit)) : n;
  }

  template <class X>
  const Convergence& fit(const Eigen::EigenBase<X>& x) {
    return fit_checked(x, RowMatrix<Scalar>());
  }
  /// One start from given centres (K x p).
  template <class X, class C>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<C>& initial_centers) {
    const RowMatrix<Scalar> centers = initial_centers;
    detail::check_size("initial_centers.rows()", centers.rows(), options_.n_clusters, "n_clusters");
    detail::check_size("initial_centers.cols()", centers.cols(), x.cols(), "X.cols()");
    detail::check_finite(centers, "initial_centers");
    return fit_checked(x, centers);
  }

 private:
  struct Result {
    RowMatrix<Scalar> centers;
    detail::Labels labels;
    Convergence convergence;
  };

  template <class X>
  const Convergence& fit_checked(const Eigen::EigenBase<X>& x, const RowMatrix<Scalar>& initial) {
    Base::template check_scalar<X>();
    detail::check_not_empty(x.rows(), x.cols(), "X");
    Base::check_common(options_.n_clusters, options_.max_iter, options_.tol, options_.n_threads, x.rows());
    detail::check_at_least("n_init", options_.n_init, 1);
    detail::check_non_negative("delta", options_.delta);
    detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      fit_rows(rows, initial);
    });
    return convergence_;
  }

  template <class Rows>
  void fit_rows(const Rows& rows, const RowMatrix<Scalar>& initial) {
    const Vector<double> no_weights;
    const detail::KMeansProblem<Rows> problem(rows, no_weights, options_.n_threads);
    Result best;
    const Index starts = initial.size() > 0 ? 1 : options_.n_init;
    for (Index start = 0; start < starts; ++start) {
      Random random(options_.seed, static_cast<std::uint64_t>(start));
      Result result = solve(problem, initial.size() > 0 ? initial
                                                        : detail::seed_centers(problem, options_.n_clusters,
                                                                               options_.init, random));
      const bool stopped = result.convergence.status == Status::stopped;
      if (start == 0 || result.convergence.objective < best.convergence.objective) best = std::move(result);
      if (stopped) {
        best.convergence.status = Status::stopped;
        break;
      }
    }
    centers_ = std::move(best.centers);
    labels_.resize(rows.rows());
    for (Index i = 0; i < rows.rows(); ++i) labels_[i] = best.labels[static_cast<std::size_t>(i)];
    origin_ = problem.origin;
    convergence_ = best.convergence;
  }

  /// Alternates the capped assignment and the means; keeps the iterate of least inertia.
  template <class Problem>
  Result solve(const Problem& problem, RowMatrix<Scalar> centers) const {
    const Index n = problem.x.rows();
    detail::CappedAssignment<Problem> step(problem, centers.rows(), capacity(n));
    detail::ClusterSums sums(centers.rows(), problem.x.cols());
    detail::Labels labels(static_cast<std::size_t>(n), -1), held = labels;
    Convergence report{Status::max_iter, 0, options_.tol, 0, 0};
    Result best;
    Index best_iteration = 0;
    const auto update = [&] {  // brings the sums from `held` to `labels`
      Index changed = 0;
      for (std::size_t i = 0; i < labels.size(); ++i) changed += labels[i] != held[i];
      if (changed > 0) sums.update(problem.x, problem.weights, held, labels, changed, problem.n_threads);
      held = labels;
      return changed;
    };
    while (report.status == Status::max_iter && report.n_iter < options_.max_iter) {
      step.assign(centers, labels);
      ++report.n_iter;
      const Index changed = update();
      if (problem.refill_empty(centers, sums, labels) > 0) update();
      RowMatrix<Scalar> next = centers;
      sums.centers(next);
      const double shift = (next.template cast<double>() - centers.template cast<double>()).squaredNorm();
      centers.swap(next);
      report.value = problem.mean_variance > 0 && changed > 0 ? shift / problem.mean_variance : 0.0;
      const double inertia = problem.inertia(centers, labels);
      if (report.n_iter == 1 || inertia < best.convergence.objective) {
        best.centers = centers;
        best.labels = labels;
        best.convergence.objective = inertia;
        best_iteration = report.n_iter;
      }
      if (report.value <= options_.tol)
        report.status = Status::converged;
      else if (report.n_iter - best_iteration >= patience)
        report.status = Status::stalled;
      if (!detail::report_progress(options_.on_progress,
                                   {"balanced kmeans", report.n_iter, report.value, options_.tol, inertia}))
        report.status = Status::stopped;
    }
    report.objective = best.convergence.objective;
    best.convergence = report;
    return best;
  }

  BalancedKMeansOptions options_;
};

}  // namespace sparse_experts
