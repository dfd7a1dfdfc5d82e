// SPDX-License-Identifier: MIT
#pragma once

#include "support/problems.hpp"

#include <algorithm>
#include <cmath>

/// The L1-SVM written a second time, straight from its formula, on a dense matrix in long double.
namespace test_support {

using Real = long double;
using RealVector = Eigen::Matrix<Real, Eigen::Dynamic, 1>;
using RealMatrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;

inline Real loss_value(bool logistic, Real z) {
  if (logistic) return z > 0 ? std::log1p(std::exp(-z)) : std::log1p(std::exp(z)) - z;
  return z < 1 ? (1 - z) * (1 - z) : 0;
}
inline Real loss_slope(bool logistic, Real z) {  // -l'(z)
  if (logistic) return 1 / (1 + std::exp(z));
  return z < 1 ? 2 * (1 - z) : 0;
}

/// |w|_1 + sum c_i l(y_i (x_i'w + b)) + |b| / intercept_scaling when penalised.
inline Real svm_objective(const RealMatrix& X, const RealVector& y, const RealVector& c, const RealVector& w,
                          Real b, bool logistic, Real bias_penalty = 0) {
  const RealVector f = (X * w).array() + b;
  Real sum = w.cwiseAbs().sum() + bias_penalty * std::abs(b);
  for (se::Index i = 0; i < f.size(); ++i) sum += c[i] * loss_value(logistic, y[i] * f[i]);
  return sum;
}

/// A lower bound of the optimum (free or no bias): the natural dual point at (w, b), made balanced and
/// feasible, without any cleverness.
inline Real svm_lower_bound(const RealMatrix& X, const RealVector& y, const RealVector& c,
                            const RealVector& w, Real b, bool logistic, bool free_bias) {
  RealVector a(y.size());
  const RealVector f = (X * w).array() + b;
  for (se::Index i = 0; i < f.size(); ++i) a[i] = c[i] * loss_slope(logistic, y[i] * f[i]);
  if (free_bias) {
    const Real plus = (y.array() > 0).select(a, Real(0)).sum(),
               minus = (y.array() < 0).select(a, Real(0)).sum();
    const Real low = std::min(plus, minus);
    for (se::Index i = 0; i < a.size(); ++i) a[i] *= low / (y[i] > 0 ? plus : minus);
  }
  const Real largest = (X.transpose() * y.cwiseProduct(a)).cwiseAbs().maxCoeff();
  if (largest > 1) a /= largest;
  Real sum = 0;
  for (se::Index i = 0; i < a.size(); ++i) {
    const Real r = c[i] > 0 ? a[i] / c[i] : 0;
    if (logistic)
      sum -= c[i] * ((r > 0 ? r * std::log(r) : 0) + (r < 1 ? (1 - r) * std::log1p(-r) : 0));
    else
      sum -= c[i] * (r * r / 4 - r);
  }
  return sum;
}

}  // namespace test_support
