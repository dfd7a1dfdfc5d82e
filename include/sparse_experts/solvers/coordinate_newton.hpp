// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/margin_dual.hpp>
#include <sparse_experts/solvers/margin_problem.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

/// Cyclic coordinate descent Newton with line search and shrinking: the baseline of the margin solvers.
///   min_{w, b} |w|_1 + sum_i c_i l(y_i f_i),  f = Xw + b,  X: n x p
/// For column j: slope g = -sum_i c_i y_i x_ij (-l'), curvature h = sum_i c_i x_ij^2 l''; the step d
/// minimises g d + h d^2 / 2 + |w_j + d| and is halved until the objective falls by 0.01 of what the model
/// promised. b, when free, is minimised exactly after each sweep. Columns at zero with |g| well below 1 leave
/// the sweeps; all come back before the certificate is taken. Cost: O(nnz) or O(np) a sweep, O(n + p) memory.
/// Ref: Yuan, Chang, Hsieh, Lin, JMLR 11 (2010), algorithm 3 and section 5; Yuan, Ho, Lin, JMLR 13 (2012).
namespace sparse_experts::detail {

class CoordinateNewton {
 public:
  CoordinateNewton(const MarginProblem& problem, MarginState& state)
      : problem_(problem), state_(state), random_(0) {}

  /// One exact visit of each given column, in the order given.
  void visit(const std::vector<Index>& columns) {
    for (const Index j : columns) {
      const ColumnRun run = problem_.x.visit(j, scratch_);
      const auto [slope, curvature] = derivatives(run);
      step(j, run, slope, curvature);
    }
  }

  Convergence solve(const MarginSettings& settings) {
    for (Index j = 0; j < problem_.x.cols(); ++j)
      if (problem_.x.norm(j) > 0) active_.push_back(j);
    all_ = active_;
    double best_dual = -std::numeric_limits<double>::infinity();
    Convergence result = certify(problem_, state_, settings.tol, best_dual, correlations_);
    double target = std::numeric_limits<double>::infinity();
    int calm = 0;  // certificates in a row without progress
    double last_objective = result.objective;
    for (Index sweep_count = 1; sweep_count <= settings.max_iter && !result; ++sweep_count) {
      const bool full = active_.size() == all_.size();
      const double violation = sweep();
      if (sweep_count == 1) target = 0.1 * violation;
      if (problem_.free_intercept) {
        const double shift = best_shift(problem_, state_.f);
        state_.intercept += shift;
        add_constant(state_.f.data(), state_.f.size(), shift);
      }
      // The certificate costs a sweep: it is taken when the sweeps have become ten times calmer, or now and
      // then.
      if (violation > target && sweep_count % 20 != 0 && sweep_count < settings.max_iter) continue;
      result = certify(problem_, state_, settings.tol, best_dual, correlations_);
      result.n_iter = sweep_count;
      if (settings.on_iteration && !settings.on_iteration(result)) {
        result.status = Status::stopped;
        return result;
      }
      if (result) return result;
      calm = full && result.objective >= last_objective ? calm + 1 : 0;
      if (calm == 5) {
        result.status = Status::stalled;
        return result;
      }
      last_objective = result.objective;
      if (violation <= target) target *= 0.3;
      active_ = all_;
      slack_ = std::numeric_limits<double>::infinity();
    }
    return result;
  }

 private:
  // One sweep in random order; returns the summed violation of the optimality conditions met on the way.
  double sweep() {
    double sum = 0, largest = 0;
    std::size_t size = active_.size();
    for (std::size_t s = 0; s < size; ++s) {
      std::swap(active_[s],
                active_[s + static_cast<std::size_t>(random_.below(static_cast<Index>(size - s)))]);
      const Index j = active_[s];
      const ColumnRun run = problem_.x.visit(j, scratch_);
      const auto [slope, curvature] = derivatives(run);
      const double w = state_.coef[j];
      double violation = 0;
      if (w == 0) {
        violation = std::max(0.0, std::abs(slope) - 1);
        if (violation == 0 && std::abs(slope) < 1 - slack_) {
          std::swap(active_[s--], active_[--size]);
          continue;
        }
      } else {
        violation = std::abs(slope + (w > 0 ? 1 : -1));
      }
      sum += violation;
      largest = std::max(largest, violation);
      step(j, run, slope, curvature);
    }
    active_.resize(size);
    slack_ = largest / static_cast<double>(problem_.y.size());
    return sum;
  }

  std::pair<double, double> derivatives(const ColumnRun& run) const {
    double slope = 0, curvature = 0;
    with_loss(problem_.loss, [&](auto loss) {
      run.for_each([&](Index i, double x) {
        const double y = problem_.y[i], c = problem_.c[i], z = y * state_.f[i];
        slope -= c * y * x * loss.slope(z);
        curvature += c * x * x * loss.curvature(z);
      });
    });
    return {slope, curvature};
  }

  // What w_j + d adds to the loss.
  double loss_change(const ColumnRun& run, double d) const {
    double change = 0;
    with_loss(problem_.loss, [&](auto loss) {
      run.for_each([&](Index i, double x) {
        const double y = problem_.y[i], z = y * state_.f[i];
        change += problem_.c[i] * (loss.value(z + y * d * x) - loss.value(z));
      });
    });
    return change;
  }

  void step(Index j, const ColumnRun& run, double slope, double curvature) {
    const double w = state_.coef[j];
    double h = curvature;
    const double norm = problem_.x.norm(j);
    if (!(h > 0)) h = 1e-12 * largest(problem_.c) * norm * norm;
    if (!(h > 0)) return;
    double d = 0;
    if (slope + 1 <= h * w)
      d = -(slope + 1) / h;
    else if (slope - 1 >= h * w)
      d = -(slope - 1) / h;
    else
      d = -w;
    if (d == 0) return;
    const double promise = slope * d + std::abs(w + d) - std::abs(w);
    for (int halving = 0; halving < 60; ++halving, d /= 2) {
      const double change = std::abs(w + d) - std::abs(w) + loss_change(run, d);
      if (change <= 0.01 * std::ldexp(promise, -halving)) {
        state_.coef[j] = w + d;
        run.axpy(d, state_.f.data());
        return;
      }
    }
  }

  const MarginProblem& problem_;
  MarginState& state_;
  Random random_;
  ColumnCopy scratch_;
  Vector<double> correlations_;
  std::vector<Index> active_, all_;
  double slack_ = std::numeric_limits<double>::infinity();
};

}  // namespace sparse_experts::detail
