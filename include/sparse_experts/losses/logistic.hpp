// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

namespace sparse_experts {

/// l(z) = log(1 + exp(-z)), l*(-a) = a log a + (1 - a) log(1 - a) for a in [0, 1]. No argument overflows.
struct Logistic {
  static constexpr double max_slope = 1;
  static constexpr double max_curvature = 0.25;

  static double value(double z) { return z > 0 ? std::log1p(std::exp(-z)) : std::log1p(std::exp(z)) - z; }
  static double slope(double z) {
    const double e = std::exp(z > 0 ? -z : z);
    return z > 0 ? e / (1 + e) : 1 / (1 + e);
  }
  static double curvature(double z) {
    const double e = std::exp(z > 0 ? -z : z);
    return e / ((1 + e) * (1 + e));
  }
  static double conjugate(double a) {
    const double b = 1 - a;
    return (a > 0 ? a * std::log(a) : 0) + (b > 0 ? b * std::log1p(-a) : 0);
  }
};

}  // namespace sparse_experts
