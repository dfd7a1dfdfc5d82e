// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/losses/quadratic.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/duality_gap.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>
#include <sparse_experts/solvers/unpenalized.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sparse_experts {

/// The certificate at a point, from scratch: residual, correlations (one pass over X) and duality gap. Keeps
/// the best dual value over its calls, which stays valid for every later point of the same problem and
/// penalty.
template <Design D>
class Evaluation {
 public:
  Evaluation(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty)
      : problem_(&problem), penalty_(&penalty), block_(problem, penalty) {}

  /// Minimises over the columns without penalty, then measures. Returns the gap of this point with its own
  /// residual as the dual point, relative to the objective of 0; the certificate may know a better dual
  /// value.
  double measure(Vector<double>& w) {
    residual_ = problem_->residual(w);
    block_.minimise(w, residual_);
    weighted_ = problem_->weighted(residual_);
    problem_->correlations(weighted_, correlations_);
    ++n_passes_;
    return assess(w);
  }

  /// The gap at the point last measured, under the present penalty: no pass over X.
  double assess(const Vector<double>& w) {
    const double r_dot_v = residual_.dot(weighted_);
    const double primal = QuadraticLoss::value(residual_, weighted_) + penalty_value(*penalty_, w);
    const double dual = dual_value(*penalty_, w, problem_->squared_norm(), correlations_,
                                   problem_->target().dot(weighted_), r_dot_v);
    const double size = term_size(w, r_dot_v);
    certificate_ = {primal, std::max(certificate_.dual, dual), size};
    return relative({primal, dual, size});
  }

  /// Another alpha: the dual values of the last one are void.
  void set_penalty(const ElasticNetPenalty& penalty) {
    penalty_ = &penalty;
    certificate_ = {};
  }

  /// A gap relative to the objective of 0.
  double relative(const Certificate& certificate) const {
    const double unit = problem_->null_objective();
    if (unit > 0) return certificate.gap() / unit;
    return certificate.primal > 0 ? std::numeric_limits<double>::max() : 0;
  }
  double relative_gap() const { return relative(certificate_); }

  /// Σ_j |w_j| |x_j| |r|: the errors of w_j c_j are some units in its last place.
  double term_size(const Vector<double>& w, double r_dot_v) const {
    double sum = 0;
    for (Index j = 0; j < w.size(); ++j)
      if (w[j] != 0)
        sum += std::abs(w[j]) * (std::sqrt(problem_->squared_norm()[j]) +
                                 std::abs(problem_->mean()[j]) * problem_->scale()[j]);
    return sum * std::sqrt(r_dot_v);
  }

  const Vector<double>& residual() const { return residual_; }
  const Vector<double>& correlations() const { return correlations_; }
  const Certificate& certificate() const { return certificate_; }
  const UnpenalizedBlock<D>& unpenalized() const { return block_; }
  Index n_passes() const { return n_passes_; }

 private:
  const RegressionProblem<D>* problem_;
  const ElasticNetPenalty* penalty_;
  UnpenalizedBlock<D> block_;
  Vector<double> residual_, weighted_, correlations_;
  Certificate certificate_;
  Index n_passes_ = 0;
};

}  // namespace sparse_experts
