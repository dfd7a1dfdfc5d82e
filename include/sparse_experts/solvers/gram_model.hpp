// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

/// The quadratic model of a proximal Newton step on a Gram:
///   min_x q'(x - x0) + (x - x0)' H (x - x0) / 2 + sum_j lambda_j |x_j|,   H: m x m
/// Cyclic coordinate descent finds the support; while it stands, Cholesky on it jumps to the minimum.
/// Cost: m a checked and m a changed coordinate, |support|^3 / 3 a jump, memory m^2.
namespace sparse_experts::detail {

class GramModel {
 public:
  /// In: H (lower triangle and upper alike), slope q at x0, lambda, start x0.
  GramModel(Matrix<double>& gram, Vector<double> slope, const Vector<double>& lambda, Vector<double> start)
      : gram_(gram),
        slope_(std::move(slope)),
        lambda_(lambda),
        x_(std::move(start)),
        flat_(1e-14 * gram.diagonal().maxCoeff()) {}

  /// Minimise until no |violation_j| / lambda_j exceeds tol; returns the last violation.
  double minimise(double tol, Index max_sweeps) {
    double violation = 0;
    Index steady = 0, next_jump = 2;
    for (Index sweep = 0; sweep < max_sweeps; ++sweep) {
      bool moved_support = false;
      violation = sweep_once(moved_support);
      if (violation <= tol) return violation;
      steady = moved_support ? 0 : steady + 1;
      if (steady >= 2 || sweep >= next_jump) {
        if (jump()) steady = 0;
        next_jump = sweep + 5;
      }
    }
    return violation;
  }

  const Vector<double>& x() const { return x_; }

 private:
  double sweep_once(bool& moved_support) {
    const Index m = x_.size();
    double largest = 0;
    for (Index j = 0; j < m; ++j) {
      const double h = gram_(j, j), lambda = lambda_[j], old = x_[j];
      const bool flat = !(h > flat_);
      if (flat && (old == 0 || std::abs(slope_[j]) >= lambda)) continue;
      largest = std::max(largest, violation_of(j));
      const double target = h * old - slope_[j];
      double next = target > lambda ? (target - lambda) / h : target < -lambda ? (target + lambda) / h : 0;
      // No row that counts: the penalty alone pulls the weight to zero.
      if (flat) next = 0;
      if (next == old) continue;
      moved_support = moved_support || (next == 0) != (old == 0) || next * old < 0;
      x_[j] = next;
      slope_.noalias() += (next - old) * gram_.col(j);
    }
    return largest;
  }

  double violation_of(Index j) const {
    const double q = slope_[j], lambda = lambda_[j];
    if (x_[j] == 0) return std::max(0.0, std::abs(q) - lambda) / lambda;
    return std::abs(q + (x_[j] > 0 ? lambda : -lambda)) / lambda;
  }

  // Newton step on the support; weights that would change sign stop at zero. True when it lowered the model.
  bool jump() {
    support_.clear();
    for (Index j = 0; j < x_.size(); ++j)
      if (x_[j] != 0) support_.push_back(j);
    const auto s = static_cast<Index>(support_.size());
    if (s == 0 || s > 2000) return false;
    Matrix<double> part(s, s);
    Vector<double> right(s);
    for (Index a = 0; a < s; ++a) {
      const Index j = support_[static_cast<std::size_t>(a)];
      for (Index b = a; b < s; ++b) part(b, a) = gram_(support_[static_cast<std::size_t>(b)], j);
      part(a, a) *= 1 + 1e-12;
      right[a] = -(slope_[j] + (x_[j] > 0 ? lambda_[j] : -lambda_[j]));
    }
    const Eigen::LLT<Eigen::Ref<Matrix<double>>, Eigen::Lower> factor(part);
    if (factor.info() != Eigen::Success) return false;
    const Vector<double> step = factor.solve(right);
    if (!step.allFinite()) return false;

    Vector<double> moved = Vector<double>::Zero(x_.size());
    double first_crossing = 1;
    for (Index a = 0; a < s; ++a) {
      const Index j = support_[static_cast<std::size_t>(a)];
      const double to = x_[j] + step[a];
      moved[j] = to * x_[j] > 0 ? step[a] : -x_[j];
      if (to * x_[j] <= 0) first_crossing = std::min(first_crossing, -x_[j] / step[a]);
    }
    if (try_move(moved)) return true;
    if (first_crossing >= 1) return false;
    for (Index a = 0; a < s; ++a) {
      const Index j = support_[static_cast<std::size_t>(a)];
      moved[j] = first_crossing * step[a];
      if (std::abs(x_[j] + moved[j]) <= 1e-15 * std::abs(x_[j])) moved[j] = -x_[j];
    }
    return try_move(moved);
  }

  bool try_move(const Vector<double>& move) {
    const Vector<double> change = gram_ * move;
    double gain = move.dot(slope_) + 0.5 * move.dot(change);
    for (Index j = 0; j < x_.size(); ++j) gain += lambda_[j] * (std::abs(x_[j] + move[j]) - std::abs(x_[j]));
    if (!(gain < 0)) return false;
    for (Index j = 0; j < x_.size(); ++j) x_[j] = move[j] == -x_[j] ? 0 : x_[j] + move[j];
    slope_ += change;
    return true;
  }

  const Matrix<double>& gram_;
  Vector<double> slope_;
  const Vector<double>& lambda_;
  Vector<double> x_;
  double flat_;
  std::vector<Index> support_;
};

}  // namespace sparse_experts::detail
