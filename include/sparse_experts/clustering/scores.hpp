// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/simd.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>

/// Score kernels: x'c' of several rows with one panel of centres (see center_tiles.hpp), held in registers
/// from the first feature to the last. Every score has the same bits whichever kernel computes it.
namespace sparse_experts::detail {

/// Rows per step such that rows * vectors accumulators, the centres and one row entry fit the registers.
template <std::size_t n_vectors>
inline constexpr std::size_t dense_step = std::min<std::size_t>(8, (simd_registers - 4) / n_vectors);
template <std::size_t n_vectors>
inline constexpr std::size_t sparse_step = n_vectors == 1   ? 4
                                           : n_vectors <= 3 ? 2
                                                            : 1;

/// out[r * width of the panel + slot] = x_r' c_slot for R dense rows.
template <std::size_t n_vectors, std::size_t R, class Scalar>
inline void dense_dots(const Scalar* const* rows, const Scalar* panel, Index p, Scalar* out) {
  using Vec = typename Simd<Scalar>::Vec;
  constexpr std::size_t width = simd_width<Scalar>, stride = n_vectors * width;
  const Scalar* x[R];
  for (std::size_t r = 0; r < R; ++r) x[r] = rows[r];
  Vec sum[R][n_vectors] = {};
  for (Index j = 0; j < p; ++j) {
    Vec c[n_vectors];
    for (std::size_t v = 0; v < n_vectors; ++v)
      c[v] = simd_load<Vec>(panel + static_cast<std::size_t>(j) * stride + v * width);
    for (std::size_t r = 0; r < R; ++r)
      for (std::size_t v = 0; v < n_vectors; ++v) sum[r][v] += x[r][j] * c[v];
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t v = 0; v < n_vectors; ++v) simd_store(out + r * stride + v * width, sum[r][v]);
}

/// The same for R sparse rows: entries values[r][0 .. lengths[r]) at the ascending features in columns[r].
template <std::size_t n_vectors, std::size_t R, class Scalar, class StorageIndex>
inline void sparse_dots(const Scalar* const* values, const StorageIndex* const* columns, const Index* lengths,
                        const Scalar* panel, Scalar* out) {
  using Vec = typename Simd<Scalar>::Vec;
  constexpr std::size_t width = simd_width<Scalar>, stride = n_vectors * width;
  Vec sum[R][n_vectors] = {};
  const auto add = [&](std::size_t r, Index k) {
    const Scalar* c = panel + static_cast<std::size_t>(columns[r][k]) * stride;
    for (std::size_t v = 0; v < n_vectors; ++v) sum[r][v] += values[r][k] * simd_load<Vec>(c + v * width);
  };
  Index common = lengths[0];
  for (std::size_t r = 1; r < R; ++r) common = std::min(common, lengths[r]);
  for (Index k = 0; k < common; ++k)
    for (std::size_t r = 0; r < R; ++r) add(r, k);
  for (std::size_t r = 0; r < R; ++r)
    for (Index k = common; k < lengths[r]; ++k) add(r, k);
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t v = 0; v < n_vectors; ++v) simd_store(out + r * stride + v * width, sum[r][v]);
}

template <std::size_t n_vectors, std::size_t R, class Scalar, class RowOf>
void step_dots(const DenseRows<Scalar>& x, Index at, const RowOf& row_of, const Scalar* panel, Scalar* out) {
  const Scalar* rows[R];
  for (std::size_t r = 0; r < R; ++r)
    rows[r] = x.data() + row_of(at + static_cast<Index>(r)) * x.outerStride();
  dense_dots<n_vectors, R>(rows, panel, x.cols(), out);
}

template <std::size_t n_vectors, std::size_t R, class Scalar, class StorageIndex, class RowOf>
void step_dots(const SparseRows<Scalar, StorageIndex>& x, Index at, const RowOf& row_of, const Scalar* panel,
               Scalar* out) {
  const Scalar* values[R];
  const StorageIndex* columns[R];
  Index lengths[R];
  for (std::size_t r = 0; r < R; ++r) {
    const Index i = row_of(at + static_cast<Index>(r)), begin = x.outerIndexPtr()[i];
    values[r] = x.valuePtr() + begin;
    columns[r] = x.innerIndexPtr() + begin;
    lengths[r] = x.outerIndexPtr()[i + 1] - begin;
  }
  sparse_dots<n_vectors, R>(values, columns, lengths, panel, out);
}

/// Calls f(integral_constant<std::size_t, n>) for a panel of n vectors.
template <class Scalar, std::size_t n = 1, class F>
inline void with_panel_width(Index n_vectors, F&& f) {
  if constexpr (n < static_cast<std::size_t>(CenterTiles<Scalar>::max_vectors)) {
    if (n_vectors != static_cast<Index>(n)) return with_panel_width<Scalar, n + 1>(n_vectors, f);
  }
  f(std::integral_constant<std::size_t, n>());
}

/// out[t * panel width + slot] = score of the panel's slot for row row_of(t), t < count. Scratch and result:
/// out, count * panel width numbers.
template <class Rows, class Scalar, class RowOf>
void panel_scores(const Rows& x, Index count, const RowOf& row_of, const CenterTiles<Scalar>& tiles,
                  const typename CenterTiles<Scalar>::Panel& panel, Scalar* out) {
  using Vec = typename Simd<Scalar>::Vec;
  constexpr bool sparse = is_sparse<Rows>;
  const Scalar* data = tiles.panel_data(panel);
  const Scalar* bias = tiles.bias(panel.first_slot);
  with_panel_width<Scalar>(panel.n_vectors, [&](auto n) {
    constexpr std::size_t n_vectors = decltype(n)::value;
    constexpr std::size_t width = simd_width<Scalar>, stride = n_vectors * width;
    constexpr std::size_t step = sparse ? sparse_step<n_vectors> : dense_step<n_vectors>;
    constexpr auto rows = static_cast<Index>(step), row = static_cast<Index>(stride);
    Index t = 0;
    for (; t + rows <= count; t += rows) step_dots<n_vectors, step>(x, t, row_of, data, out + t * row);
    for (; t < count; ++t) step_dots<n_vectors, 1>(x, t, row_of, data, out + t * row);
    for (t = 0; t < count; ++t)
      for (std::size_t v = 0; v < n_vectors; ++v) {
        Scalar* at = out + t * row + v * width;
        simd_store(at, simd_load<Vec>(bias + v * width) - simd_load<Vec>(at));
      }
  });
}

}  // namespace sparse_experts::detail
