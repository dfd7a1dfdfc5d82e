// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <limits>

namespace sparse_experts {

/// What the margin solvers ask of a loss l(z) of the margin z = y f: convex, non-increasing, differentiable.
///   value l(z)   slope -l'(z) >= 0   curvature l''(z) (a generalised second derivative)
///   conjugate l*(-a) for a in [0, max_slope]   max_curvature = sup l''
template <class L>
concept MarginLoss = requires(double z) {
  { L::value(z) } -> std::same_as<double>;
  { L::slope(z) } -> std::same_as<double>;
  { L::curvature(z) } -> std::same_as<double>;
  { L::conjugate(z) } -> std::same_as<double>;
  { L::max_slope } -> std::convertible_to<double>;
  { L::max_curvature } -> std::convertible_to<double>;
};

/// l(z) = max(0, 1 - z)^2, l*(-a) = a^2/4 - a for a >= 0.
struct SquaredHinge {
  static constexpr double max_slope = std::numeric_limits<double>::max();
  static constexpr double max_curvature = 2;

  static double value(double z) {
    const double violation = z < 1 ? 1 - z : 0;
    return violation * violation;
  }
  static double slope(double z) { return z < 1 ? 2 * (1 - z) : 0; }
  static double curvature(double z) { return z < 1 ? 2 : 0; }
  static double conjugate(double a) { return a * (a / 4 - 1); }
};

}  // namespace sparse_experts
