// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace sparse_experts {

/// What a reader returns: samples X (n x p, dense or sparse rows) and, where the file has them, targets y
/// (n).
template <class X_>
struct Dataset {
  using Scalar = typename X_::Scalar;

  X_ X;
  Vector<Scalar> y;  ///< empty when the file has no targets

  /// y as class labels. Throws std::runtime_error, naming the row, when a target is not an int.
  LabelVector labels() const {
    LabelVector result(y.size());
    for (Index i = 0; i < y.size(); ++i) {
      const auto value = static_cast<double>(y[i]);
      if (value != std::floor(value) || std::abs(value) > std::numeric_limits<int>::max())
        throw std::runtime_error("sparse_experts: target of row " + std::to_string(i) + " is " +
                                 std::to_string(value) + ", expected an integer label");
      result[i] = static_cast<int>(value);
    }
    return result;
  }
};

}  // namespace sparse_experts
