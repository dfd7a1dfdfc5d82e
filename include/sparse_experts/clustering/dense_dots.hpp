// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/simd.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>

/// Products of dense rows with one panel of centres, held in registers from the first feature to the last.
namespace sparse_experts::detail {

/// Rows per step such that rows * vectors sums, the centres and one row entry fit the registers.
template <std::size_t n_vectors>
inline constexpr std::size_t dense_step = std::min<std::size_t>(8, (simd_registers - 4) / n_vectors);

/// out[r * width of the panel + slot] = x_r' c_slot for R dense rows.
template <std::size_t n_vectors, std::size_t R, class Scalar>
void dense_dots(const DenseRows<Scalar>& x, const Index* rows, const Scalar* panel, Scalar* out) {
  using Vec = typename Simd<Scalar>::Vec;
  constexpr std::size_t width = simd_width<Scalar>, stride = n_vectors * width;
  const Scalar* row[R];
  for (std::size_t r = 0; r < R; ++r) row[r] = x.data() + rows[r] * x.outerStride();
  Vec sum[R][n_vectors] = {};
  const Index p = x.cols();
  for (Index j = 0; j < p; ++j) {
    Vec c[n_vectors];
    for (std::size_t v = 0; v < n_vectors; ++v)
      c[v] = simd_load<Vec>(panel + static_cast<std::size_t>(j) * stride + v * width);
    for (std::size_t r = 0; r < R; ++r)
      for (std::size_t v = 0; v < n_vectors; ++v) sum[r][v] += row[r][j] * c[v];
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t v = 0; v < n_vectors; ++v) simd_store(out + r * stride + v * width, sum[r][v]);
}

/// out[t * width of the panel + slot] = x' c_slot for the rows rows[t], t < count.
template <std::size_t n_vectors, class Scalar>
void chunk_dots(const DenseRows<Scalar>& x, Index count, const Index* rows, const Scalar* panel,
                Scalar* out) {
  constexpr std::size_t step = dense_step<n_vectors>;
  constexpr Index taken = static_cast<Index>(step),
                  stride = static_cast<Index>(n_vectors) * simd_width<Scalar>;
  Index t = 0;
  for (; t + taken <= count; t += taken) dense_dots<n_vectors, step>(x, rows + t, panel, out + t * stride);
  for (; t < count; ++t) dense_dots<n_vectors, 1>(x, rows + t, panel, out + t * stride);
}

}  // namespace sparse_experts::detail
