// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

/// What the DBSCAN kernels share. All of them decide that two samples are neighbours by
/// squared_distance(a, b) <= eps^2 in double, so they agree on every input.
namespace sparse_experts::detail {

/// Sample weights in fixed point: sums of integers do not depend on their order. A weight above min_samples
/// counts as min_samples, which makes the same cores.
struct DBSCANWeights {
  std::vector<std::int64_t> values;  // by sample; empty: all ones
  std::int64_t threshold = 1;        // core when the sum over the neighbourhood reaches it

  std::int64_t operator[](Index i) const { return values.empty() ? 1 : values[static_cast<std::size_t>(i)]; }
};

template <class Derived>
DBSCANWeights dbscan_weights(const Eigen::MatrixBase<Derived>& weights, Index min_samples) {
  DBSCANWeights result;
  result.threshold = min_samples;
  if (weights.size() == 0) return result;
  const auto most = static_cast<double>(min_samples);
  // The sum of all stays below 2^62; a sum that misses min_samples by rounding (10 times 0.1) still reaches
  // it.
  const double scale = std::exp2(std::floor(60 - std::log2(most * static_cast<double>(weights.size()) + 1)));
  result.threshold = static_cast<std::int64_t>(most * scale * (1 - 1e-9));
  result.threshold = std::max<std::int64_t>(result.threshold, 1);
  result.values.resize(static_cast<std::size_t>(weights.size()));
  for (Index i = 0; i < weights.size(); ++i) {
    const double weight = std::min(static_cast<double>(weights.derived().coeff(i)), most);
    result.values[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(std::llround(weight * scale));
  }
  return result;
}

/// Outcome of a kernel, by sample: the core that stands for the sample, i.e. any core of its cluster that is
/// the same for the whole cluster when the sample is a core itself, the nearest core within eps (the first of
/// equally near ones) when it is a border sample, -1 when it is noise.
struct DBSCANParts {
  std::vector<char> is_core;
  std::vector<Index> representative;
};

}  // namespace sparse_experts::detail
