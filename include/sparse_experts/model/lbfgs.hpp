// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>

#include <cmath>
#include <deque>
#include <utility>

namespace sparse_experts::detail {

// Limited-memory BFGS for small smooth convex problems.
//   min_x f(x);  objective(x, gradient) -> f(x) and fills gradient (x.size() entries)
// Direction by the two-loop recursion over the last 10 pairs, step by halving until the Armijo condition with
// a strong-Wolfe curvature test on top (a pair of wrong curvature is not kept). In: objective, start x.  Out:
// x, Convergence{value = largest absolute gradient entry at x}. Ref: Liu, Nocedal, "On the limited memory
// BFGS method", Math. Programming 45, 1989, algorithm 2.1.
template <class Objective>
Convergence minimize_lbfgs(const Objective& objective, Vector<double>& x, double tol, Index max_iter) {
  constexpr std::size_t memory = 10;
  std::deque<std::pair<Vector<double>, Vector<double>>> pairs;  // (step, change of the gradient)
  Vector<double> gradient(x.size()), trial_gradient(x.size()), direction(x.size());
  double value = objective(x, gradient);
  Convergence certificate{Status::max_iter, gradient.cwiseAbs().maxCoeff(), tol, value, 0};
  while (certificate.value > tol && certificate.n_iter < max_iter) {
    direction = -gradient;
    Vector<double> alpha(static_cast<Index>(pairs.size()));
    for (std::size_t t = pairs.size(); t-- > 0;) {
      const auto& [s, y] = pairs[t];
      const auto at = static_cast<Index>(t);
      alpha[at] = s.dot(direction) / s.dot(y);
      direction -= alpha[at] * y;
    }
    if (!pairs.empty())
      direction *= pairs.back().first.dot(pairs.back().second) / pairs.back().second.squaredNorm();
    for (std::size_t t = 0; t < pairs.size(); ++t) {
      const auto& [s, y] = pairs[t];
      direction += (alpha[static_cast<Index>(t)] - y.dot(direction) / s.dot(y)) * s;
    }
    const double slope = gradient.dot(direction);
    double step = pairs.empty() ? 1 / std::max(1.0, gradient.norm()) : 1.0, longest = 0, shortest = 0;
    bool accepted = false;
    Vector<double> trial(x.size());
    double trial_value = value;
    for (int tries = 0; tries < 60; ++tries) {
      trial = x + step * direction;
      trial_value = objective(trial, trial_gradient);
      const bool too_long = !(trial_value <= value + 1e-4 * step * slope + 1e-15 * std::abs(value));
      const bool too_short = !too_long && trial_gradient.dot(direction) < 0.9 * slope;
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
    Vector<double> s = trial - x, y = trial_gradient - gradient;
    if (s.dot(y) > 1e-12 * s.norm() * y.norm()) {
      pairs.emplace_back(std::move(s), std::move(y));
      if (pairs.size() > memory) pairs.pop_front();
    }
    x = trial;
    gradient = trial_gradient;
    value = trial_value;
    certificate.value = gradient.cwiseAbs().maxCoeff();
    certificate.objective = value;
  }
  if (certificate.value <= tol) certificate.status = Status::converged;
  return certificate;
}

}  // namespace sparse_experts::detail
