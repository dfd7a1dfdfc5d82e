// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <utility>

namespace sparse_experts {

/// What the solvers know of a separable penalty Σ_j ω_j(w_j). A new penalty is one file like this one.
///   value(j, w)                 ω_j(w)
///   prox(j, z, curvature)       argmin_w  curvature/2 w² - z w + ω_j(w)
///   violation(j, w, c)          distance of the correlation c = x_j'r / n to the subdifferential of ω_j at w
///   conjugate(j, c)             sup_w  c w - ω_j(w), where it is finite
template <class P>
concept Penalty = requires(const P& penalty, Index j, double x) {
  { penalty.value(j, x) } -> std::convertible_to<double>;
  { penalty.prox(j, x, x) } -> std::convertible_to<double>;
  { penalty.violation(j, x, x) } -> std::convertible_to<double>;
  { penalty.conjugate(j, x) } -> std::convertible_to<double>;
};

/// Elastic net with factors f_j per feature, optionally restricted to w >= 0:
///   ω_j(w) = alpha f_j (l1_ratio |w| + (1 - l1_ratio)/2 w²)
/// f_j = 0: not penalised; f_j = infinity: excluded (w_j = 0). No factors: all ones.
class ElasticNetPenalty {
 public:
  /// Stands for an infinite weight without being infinite, so that -ffast-math is harmless.
  static constexpr double excluded_weight = std::numeric_limits<double>::max();

  ElasticNetPenalty(double alpha, double l1_ratio, bool positive = false, Vector<double> factors = {})
      : l1_(alpha * l1_ratio),
        l2_(alpha * (1 - l1_ratio)),
        positive_(positive),
        factors_(std::move(factors)) {}

  double factor(Index j) const { return factors_.size() == 0 ? 1.0 : factors_[j]; }
  bool excluded(Index j) const { return factor(j) == excluded_weight; }
  double l1(Index j) const { return excluded(j) ? excluded_weight : l1_ * factor(j); }
  double l2(Index j) const { return excluded(j) ? 0 : l2_ * factor(j); }
  bool positive() const { return positive_; }
  /// Neither weight holds w_j back.
  bool unpenalized(Index j) const { return !excluded(j) && l1(j) == 0 && l2(j) == 0; }

  double value(Index j, double w) const { return w == 0 ? 0 : l1(j) * std::abs(w) + 0.5 * l2(j) * w * w; }

  double prox(Index j, double z, double curvature) const {
    const double shrunk = std::abs(z) - l1(j), divisor = curvature + l2(j);
    if (!(shrunk > 0) || !(divisor > 0) || (positive_ && z < 0)) return 0;
    return std::copysign(shrunk / divisor, z);
  }

  double violation(Index j, double w, double c) const {
    if (excluded(j)) return 0;
    if (w != 0) return std::abs(c - l2(j) * w - std::copysign(l1(j), w));
    return std::max(0.0, (positive_ ? c : std::abs(c)) - l1(j));
  }

  /// (|c| - l1)_+² / (2 l2); zero inside the box |c| <= l1. Outside it needs l2 > 0.
  double conjugate(Index j, double c) const {
    const double excess = std::max(0.0, (positive_ ? c : std::abs(c)) - l1(j));
    return excess == 0 ? 0 : excess * excess / (2 * l2(j));
  }

 private:
  double l1_, l2_;
  bool positive_;
  Vector<double> factors_;
};

}  // namespace sparse_experts
