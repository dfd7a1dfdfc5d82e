// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

// What L-BFGS minimises; virtual so that the method is compiled once.
class SmoothObjective {
 public:
  virtual ~SmoothObjective() = default;
  /// f(x); fills gradient (x.size() entries).
  virtual double evaluate(const std::vector<double>& x, std::vector<double>& gradient) = 0;
};

// Limited-memory BFGS for small smooth convex problems.
//   min_x f(x)
// Direction by the two-loop recursion over the last 10 pairs, step by halving until the Armijo condition with
// a strong-Wolfe curvature test on top (a pair of wrong curvature is not kept). In: objective, start x.  Out:
// x, Convergence{value = largest absolute gradient entry at x}. Ref: Liu, Nocedal, "On the limited memory
// BFGS method", Math. Programming 45, 1989, algorithm 2.1.
class LBFGS {
 public:
  template <class = void>
  static Convergence minimize(SmoothObjective& objective, std::vector<double>& x, double tol,
                              Index max_iter) {
    const std::size_t n = x.size();
    std::vector<Pair> pairs;  // oldest first
    std::vector<double> gradient(n), trial_gradient(n), trial(n), direction(n);
    double value = objective.evaluate(x, gradient);
    Convergence certificate{Status::max_iter, largest(gradient), tol, value, 0};
    while (certificate.value > tol && certificate.n_iter < max_iter) {
      for (std::size_t i = 0; i < n; ++i) direction[i] = -gradient[i];
      apply_inverse(pairs, direction);
      const double slope = dot(gradient, direction);
      double step = pairs.empty() ? 1 / std::max(1.0, std::sqrt(dot(gradient, gradient))) : 1.0;
      double longest = 0, shortest = 0, trial_value = value;
      bool accepted = false;
      for (int tries = 0; tries < 60; ++tries) {
        for (std::size_t i = 0; i < n; ++i) trial[i] = x[i] + step * direction[i];
        trial_value = objective.evaluate(trial, trial_gradient);
        const bool too_long = !(trial_value <= value + 1e-4 * step * slope + 1e-15 * std::abs(value));
        const bool too_short = !too_long && dot(trial_gradient, direction) < 0.9 * slope;
        accepted = !too_long;
        if (!too_long && !too_short) break;
        (too_long ? longest : shortest) = step;
        step = longest > 0 ? 0.5 * (longest + shortest) : 2 * step;
      }
      ++certificate.n_iter;
      if (!accepted) {
        certificate.status = Status::stalled;
        break;
      }
      remember(x, trial, gradient, trial_gradient, pairs);
      x.swap(trial);
      gradient.swap(trial_gradient);
      value = trial_value;
      certificate.value = largest(gradient);
      certificate.objective = value;
    }
    if (certificate.value <= tol) certificate.status = Status::converged;
    return certificate;
  }

 private:
  static constexpr std::size_t memory = 10;
  struct Pair {
    std::vector<double> step, change;  // of x, of the gradient
    double product;                    // step'change > 0
  };

  static double dot(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }
  static double largest(const std::vector<double>& a) {
    double most = 0;
    for (const double value : a) most = std::max(most, std::abs(value));
    return most;
  }
  static void add(double factor, const std::vector<double>& a, std::vector<double>& to) {
    for (std::size_t i = 0; i < a.size(); ++i) to[i] += factor * a[i];
  }

  // d <- H d, H the approximate inverse of the Hessian.
  static void apply_inverse(const std::vector<Pair>& pairs, std::vector<double>& d) {
    if (pairs.empty()) return;
    double alpha[memory];
    for (std::size_t t = pairs.size(); t-- > 0;) {
      alpha[t] = dot(pairs[t].step, d) / pairs[t].product;
      add(-alpha[t], pairs[t].change, d);
    }
    const double scale = pairs.back().product / dot(pairs.back().change, pairs.back().change);
    for (double& value : d) value *= scale;
    for (std::size_t t = 0; t < pairs.size(); ++t)
      add(alpha[t] - dot(pairs[t].change, d) / pairs[t].product, pairs[t].step, d);
  }

  static void remember(const std::vector<double>& x, const std::vector<double>& next,
                       const std::vector<double>& gradient, const std::vector<double>& next_gradient,
                       std::vector<Pair>& pairs) {
    Pair pair{next, next_gradient, 0};
    add(-1, x, pair.step);
    add(-1, gradient, pair.change);
    pair.product = dot(pair.step, pair.change);
    if (!(pair.product > 1e-12 * std::sqrt(dot(pair.step, pair.step) * dot(pair.change, pair.change))))
      return;
    if (pairs.size() == memory) pairs.erase(pairs.begin());
    pairs.push_back(std::move(pair));
  }
};

}  // namespace sparse_experts::detail
