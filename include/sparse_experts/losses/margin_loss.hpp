// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/losses/logistic.hpp>
#include <sparse_experts/losses/squared_hinge.hpp>

#include <utility>

namespace sparse_experts {

/// Loss of the margin z = y f.
enum class L1SVMLoss {
  squared_hinge,  ///< max(0, 1 - z)^2
  logistic        ///< log(1 + exp(-z))
};

namespace detail {

/// f(policy of the loss). Only loops over samples are compiled once a loss; the solvers around them know the
/// name alone.
template <class F>
decltype(auto) with_loss(L1SVMLoss loss, F&& f) {
  if (loss == L1SVMLoss::logistic) return std::forward<F>(f)(Logistic{});
  return std::forward<F>(f)(SquaredHinge{});
}

}  // namespace detail

}  // namespace sparse_experts
