// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <Eigen/QR>

#include <cmath>
#include <limits>
#include <vector>

/// Elastic net problems written out densely, apart from the library: objective, duality gap and, for a
/// handful of features, the exact solution by trying every support and sign pattern.
namespace test_support {

namespace se = sparse_experts;
using se::Index;

struct DenseElasticNet {
  se::Matrix<double> X;
  se::Vector<double> y;
  double alpha = 1, l1_ratio = 1;
  bool fit_intercept = true, positive = false;
  se::Vector<double> sample_weight, factors;  // empty: ones; a factor may be infinite

  double factor(Index j) const { return factors.size() == 0 ? 1 : factors[j]; }
  se::Vector<double> omega() const {
    if (sample_weight.size() == 0)
      return se::Vector<double>::Constant(X.rows(), 1 / static_cast<double>(X.rows()));
    return sample_weight / sample_weight.sum();
  }

  /// Long double throughout, so that it can judge gaps near the rounding of doubles.
  long double objective(const se::Vector<double>& w, double b) const {
    const se::Vector<double> weights = omega();
    long double total = 0;
    for (Index i = 0; i < X.rows(); ++i) {
      long double r = static_cast<long double>(y[i]) - static_cast<long double>(b);
      for (Index j = 0; j < X.cols(); ++j)
        r -= static_cast<long double>(X(i, j)) * static_cast<long double>(w[j]);
      total += static_cast<long double>(weights[i]) * r * r / 2;
    }
    for (Index j = 0; j < X.cols(); ++j)
      if (w[j] != 0)
        total += static_cast<long double>(alpha) * static_cast<long double>(factor(j)) *
                 (static_cast<long double>(l1_ratio) * std::abs(static_cast<long double>(w[j])) +
                  (1 - static_cast<long double>(l1_ratio)) / 2 * static_cast<long double>(w[j]) *
                      static_cast<long double>(w[j]));
    return total;
  }

  double null_objective() const {
    const se::Vector<double> weights = omega();
    const double mean = fit_intercept ? weights.dot(y) : 0;
    return 0.5 * (weights.array() * (y.array() - mean).square()).sum();
  }

  /// Weighted correlations of the residual with the centred columns.
  se::Vector<double> correlations(const se::Vector<double>& w, double b) const {
    const se::Vector<double> weights = omega();
    const se::Vector<double> r = (y - X * w).array() - b;
    se::Matrix<double> centered = X;
    if (fit_intercept) centered.rowwise() -= (weights.transpose() * X).eval();
    return centered.transpose() * weights.cwiseProduct(r);
  }

  /// Largest violation of the optimality conditions, intercept included.
  double kkt_violation(const se::Vector<double>& w, double b) const {
    const se::Vector<double> c = correlations(w, b);
    double worst = fit_intercept ? std::abs(omega().dot(((y - X * w).array() - b).matrix())) : 0;
    for (Index j = 0; j < w.size(); ++j) {
      if (std::isinf(factor(j))) {
        worst = std::max(worst, std::abs(w[j]));
        continue;
      }
      const double l1 = alpha * factor(j) * l1_ratio, l2 = alpha * factor(j) * (1 - l1_ratio);
      if (w[j] != 0)
        worst = std::max(worst, std::abs(c[j] - l2 * w[j] - std::copysign(l1, w[j])));
      else
        worst = std::max(worst, (positive ? c[j] : std::abs(c[j])) - l1);
      if (positive) worst = std::max(worst, -w[j]);
    }
    return worst;
  }

  /// Minimum of the objective by brute force: 3^p least squares problems. p <= 6.
  long double optimum() const {
    const Index p = X.cols();
    const se::Vector<double> weights = omega();
    se::Vector<double> y_centered = y;
    se::Matrix<double> centered = X;
    double y_mean = 0;
    se::RowVector<double> means = se::RowVector<double>::Zero(p);
    if (fit_intercept) {
      means = weights.transpose() * X;
      y_mean = weights.dot(y);
      centered.rowwise() -= means;
      y_centered.array() -= y_mean;
    }
    const se::Matrix<double> gram = centered.transpose() * weights.asDiagonal() * centered;
    const se::Vector<double> c = centered.transpose() * weights.cwiseProduct(y_centered);
    long double best = objective(se::Vector<double>::Zero(p), y_mean);
    std::vector<int> sign(static_cast<std::size_t>(p), -1);
    const auto next = [&] {
      for (int& s : sign) {
        if (s < 1) {
          ++s;
          return true;
        }
        s = -1;
      }
      return false;
    };
    do {
      std::vector<Index> support;
      bool usable = true;
      for (Index j = 0; j < p; ++j) {
        const int s = sign[static_cast<std::size_t>(j)];
        if (s == 0) continue;
        support.push_back(j);
        usable = usable && !std::isinf(factor(j)) && !(positive && s < 0);
      }
      if (!usable || support.empty()) continue;
      const auto k = static_cast<Index>(support.size());
      se::Matrix<double> a(k, k);
      se::Vector<double> rhs(k);
      for (Index u = 0; u < k; ++u) {
        const Index j = support[static_cast<std::size_t>(u)];
        for (Index v = 0; v < k; ++v) a(u, v) = gram(j, support[static_cast<std::size_t>(v)]);
        a(u, u) += alpha * factor(j) * (1 - l1_ratio);
        rhs[u] = c[j] - alpha * factor(j) * l1_ratio * sign[static_cast<std::size_t>(j)];
      }
      const se::Vector<double> solved = a.completeOrthogonalDecomposition().solve(rhs);
      se::Vector<double> w = se::Vector<double>::Zero(p);
      for (Index u = 0; u < k; ++u) {
        w[support[static_cast<std::size_t>(u)]] = solved[u];
        if (positive && solved[u] < 0) usable = false;
      }
      if (usable) best = std::min(best, objective(w, y_mean - means.dot(w)));
    } while (next());
    return best;
  }
};

}  // namespace test_support
