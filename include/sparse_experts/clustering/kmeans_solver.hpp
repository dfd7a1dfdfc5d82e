// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/assignment.hpp>
#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/kmeans_options.hpp>
#include <sparse_experts/clustering/kmeans_problem.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>

#include <cmath>
#include <cstdint>
#include <utility>

namespace sparse_experts::detail {

template <class Scalar>
struct KMeansResult {
  RowMatrix<Scalar> centers;  // K x p
  Labels labels;              // of the nearest of these centres
  Convergence convergence;    // objective = inertia
  std::int64_t evaluations = 0, lloyd_evaluations = 0;
  KMeansAlgorithm algorithm = KMeansAlgorithm::lloyd;
};

/// The alternation of Lloyd over one of the assignment steps.
///   min_{m, a} sum_i w_i |x_i - m_{a(i)}|^2
/// Repeats: a(i) <- nearest centre (ties: lower index); m_k <- weighted mean of its rows; empty clusters take
/// the farthest samples. Stops when no label changes (value 0) or when sum_k |shift of m_k|^2 <= tol * mean
/// variance of the features. The labels returned belong to the centres returned.
template <class Problem>
KMeansResult<typename Problem::Scalar> solve_kmeans(const Problem& problem,
                                                    RowMatrix<typename Problem::Scalar> centers,
                                                    const KMeansOptions& options) {
  using Scalar = typename Problem::Scalar;
  const Index n = problem.x.rows(), n_clusters = centers.rows();
  Assignment<Problem> step(problem, n_clusters, options.algorithm);
  ClusterSums sums(n_clusters, problem.x.cols());
  Labels labels(static_cast<std::size_t>(n), -1), before;
  Vector<double> drift;
  RowMatrix<Scalar> next = centers;
  Convergence report{Status::max_iter, 0, options.tol, 0, 0};
  bool final_labels = false;
  std::int64_t steps = 0;
  double share_changed = 1;
  const auto assign = [&] {
    before = labels;
    step.assign(centers, drift, share_changed, labels);
    ++steps;
    Index changed = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) changed += labels[i] != before[i];
    share_changed = static_cast<double>(changed) / static_cast<double>(n);
    return changed;
  };

  while (report.n_iter < options.max_iter) {
    const Index changed = assign();
    ++report.n_iter;
    final_labels = changed == 0;
    if (final_labels) {
      report.value = 0;
      report.status = Status::converged;
    } else {
      sums.update(problem.x, problem.weights, before, labels, changed, problem.n_threads);
      before = labels;
      if (const Index moved = problem.refill_empty(centers, sums, labels); moved > 0) {
        sums.update(problem.x, problem.weights, before, labels, moved, problem.n_threads);
        for (std::size_t i = 0; i < labels.size(); ++i)
          if (labels[i] != before[i]) step.forget(static_cast<Index>(i));
      }
      sums.centers(next);
      double shift = 0;
      drift.resize(n_clusters);
      for (Index k = 0; k < n_clusters; ++k) {
        const Index p = centers.cols();
        const double square = squared_gap(next.data() + k * p, centers.data() + k * p, p);
        drift[k] = std::sqrt(square) * (1 + 1e-12);
        shift += square;
      }
      centers.swap(next);
      report.value = problem.mean_variance > 0 ? shift / problem.mean_variance : 0.0;
      if (report.value <= options.tol) report.status = Status::converged;
    }
    const bool go_on = !options.on_progress ||
                       report_progress(options.on_progress, {"kmeans", report.n_iter, report.value,
                                                             options.tol, problem.inertia(centers, labels)});
    if (report.status == Status::converged) break;
    if (!go_on) {
      report.status = Status::stopped;
      break;
    }
  }
  if (!final_labels) assign();
  report.objective = problem.inertia(centers, labels);
  return {std::move(centers), std::move(labels),      report,
          step.evaluations(), steps * n * n_clusters, step.algorithm()};
}

}  // namespace sparse_experts::detail
