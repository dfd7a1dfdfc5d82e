// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/losses/quadratic.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/dual_extrapolation.hpp>
#include <sparse_experts/solvers/duality_gap.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/screening.hpp>
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

  /// Columns that the gap proves to be zero leave the passes from now on; for one penalty alone.
  void enable_screening() {
    screen_ = true;
    center_.resize(0);
    screening_.restart(*penalty_, problem_->squared_norm());
  }
  /// The residuals that follow are those of one first order method, and are extrapolated.
  void enable_dual_extrapolation() { extrapolate_ = true; }

  /// Minimises over the columns without penalty, then measures. Returns the gap of this point with its own
  /// residual as the dual point, relative to the objective of 0; the certificate may know a better dual
  /// value.
  double measure(Vector<double>& w) {
    residual_ = problem_->residual(w);
    block_.minimise(w, residual_);
    weighted_ = problem_->weighted(residual_);
    correlate();
    return assess(w);
  }

  /// The gap at the point last measured, under the present penalty: no pass over X.
  double assess(const Vector<double>& w) {
    const double r_dot_v = detail::inner_product(residual_, weighted_), size = term_size(w, r_dot_v);
    const double primal = QuadraticLoss::value(residual_, weighted_) + penalty_value(*penalty_, w);
    const DualPoint dual = dual_point(*penalty_, w, problem_->squared_norm(), correlations_,
                                      detail::inner_product(problem_->target(), weighted_), r_dot_v);
    const double own_gap = relative({primal, dual.value, size});
    certificate_.primal = primal;
    certificate_.size = size;
    offer(dual, correlations_);
    if (extrapolate_) extrapolate(w);
    if (screen_ && certificate_.gap() < primal)
      screening_.test(*penalty_, problem_->squared_norm(), w, center_, certificate_.gap(), correlations_);
    return own_gap;
  }

  /// Another alpha: the dual values of the last one are void. Where columns have been screened, measure next.
  void set_penalty(const ElasticNetPenalty& penalty) {
    penalty_ = &penalty;
    certificate_ = {};
    history_.clear();
    if (screen_) enable_screening();
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
  /// Passes over all columns; passes over some count by their share, rounded up.
  Index n_passes() const {
    return problem_->cols() == 0 ? 0 : (n_columns_ + problem_->cols() - 1) / problem_->cols();
  }
  const GapSafeScreening& screening() const { return screening_; }
  bool screens() const { return screen_; }
  Index n_screened() const { return screen_ ? screening_.n_screened() : 0; }
  Index n_dual_extrapolations() const { return n_dual_extrapolations_; }

 private:
  /// One pass over the columns that are left.
  void correlate() {
    const auto left = static_cast<Index>(screening_.alive().size());
    if (!screen_ || 3 * left > 2 * problem_->cols()) {
      problem_->correlations(weighted_, correlations_);
      n_columns_ += problem_->cols();
      if (screen_) clear_screened(correlations_);
      return;
    }
    if (correlations_.size() == 0)
      detail::fill(correlations_, problem_->cols(), 0.0);  // most columns unusable
    problem_->correlations(weighted_, screening_.alive(), correlations_);
    n_columns_ += left;
  }

  /// Columns that are out count as zero.
  void clear_screened(Vector<double>& c) const {
    if (n_screened() == 0) return;
    Vector<double> kept;
    detail::fill(kept, c.size(), 0.0);
    for (const Index j : screening_.alive()) kept[j] = c[j];
    c.swap(kept);
  }

  /// A dual point X'θ = scale c: kept where it is the best so far.
  bool offer(const DualPoint& dual, const Vector<double>& c) {
    const bool better = dual.value > certificate_.dual;
    if (better) certificate_.dual = dual.value;
    if (screen_ && (better || center_.size() == 0)) {
      center_ = c;
      detail::multiply(center_.data(), center_.size(), dual.scale);
    }
    return better;
  }

  void extrapolate(const Vector<double>& w) {
    history_.push(residual_, weighted_, correlations_);
    Vector<double> r, v, c;
    const double growth = history_.extrapolate(r, v, c);
    if (growth == 0) return;
    clear_screened(c);
    const double r_dot_v = detail::inner_product(r, v);
    DualPoint dual = dual_point(*penalty_, w, problem_->squared_norm(), c,
                                detail::inner_product(problem_->target(), v), r_dot_v);
    // The combination carries the rounding of its terms.
    dual.value -= 4 * std::numeric_limits<double>::epsilon() * growth *
                  (certificate_.primal + term_size(w, std::max(r_dot_v, 2 * certificate_.primal)));
    if (offer(dual, c)) ++n_dual_extrapolations_;
  }

  const RegressionProblem<D>* problem_;
  const ElasticNetPenalty* penalty_;
  UnpenalizedBlock<D> block_;
  Vector<double> residual_, weighted_, correlations_;
  Vector<double> center_;  // X'θ of the best dual point
  Certificate certificate_;
  GapSafeScreening screening_;
  ResidualHistory history_;
  bool screen_ = false, extrapolate_ = false;
  Index n_columns_ = 0, n_dual_extrapolations_ = 0;
};

}  // namespace sparse_experts
