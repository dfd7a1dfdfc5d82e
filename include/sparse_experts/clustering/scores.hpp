// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/any_rows.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/simd.hpp>
#include <sparse_experts/clustering/sparse_dots.hpp>
#include <sparse_experts/core/types.hpp>

#include <cstddef>
#include <type_traits>

/// Scores of rows with one panel of centres (see center_tiles.hpp): the same bits whichever kernel computes
/// them.
namespace sparse_experts::detail {

/// Calls f(integral_constant<std::size_t, n>) for a panel of n vectors.
template <class Scalar, std::size_t n = 1, class F>
inline void with_panel_width(Index n_vectors, F&& f) {
  if constexpr (n < static_cast<std::size_t>(CenterTiles<Scalar>::max_vectors)) {
    if (n_vectors != static_cast<Index>(n)) return with_panel_width<Scalar, n + 1>(n_vectors, f);
  }
  f(std::integral_constant<std::size_t, n>());
}

/// out[t * panel width + slot] = score of the panel's slot for row rows[t], t < count <= row_chunk. Scratch
/// and result: out, count * panel width numbers.
template <class Rows, class Scalar>
void panel_scores(const Rows& x, Index count, const Index* rows, const CenterTiles<Scalar>& tiles,
                  const typename CenterTiles<Scalar>::Panel& panel, Scalar* out) {
  using Vec = typename Simd<Scalar>::Vec;
  const Scalar* bias = tiles.bias(panel.first_slot);
  with_panel_width<Scalar>(panel.n_vectors, [&](auto n) {
    constexpr std::size_t n_vectors = decltype(n)::value;
    constexpr std::size_t width = simd_width<Scalar>, stride = n_vectors * width;
    chunk_dots<n_vectors>(x, count, rows, tiles.panel_data(panel), out);
    for (std::size_t t = 0; t < static_cast<std::size_t>(count); ++t)
      for (std::size_t v = 0; v < n_vectors; ++v) {
        Scalar* at = out + t * stride + v * width;
        simd_store(at, simd_load<Vec>(bias + v * width) - simd_load<Vec>(at));
      }
  });
}

/// The same for rows row_of(t), t < count.
template <class Rows, class Scalar, class RowOf>
requires std::is_invocable_r_v<Index, const RowOf&, Index>
void panel_scores(const Rows& x, Index count, const RowOf& row_of, const CenterTiles<Scalar>& tiles,
                  const typename CenterTiles<Scalar>::Panel& panel, Scalar* out) {
  Index rows[row_chunk];
  for (Index t = 0; t < count; ++t) rows[t] = row_of(t);
  panel_scores(x, count, static_cast<const Index*>(rows), tiles, panel, out);
}

}  // namespace sparse_experts::detail
