// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/simd.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

/// Nearest centres of dense rows with few features: one lane per row, centre after centre, nothing stored but
/// the result. The scores have the bits of the other kernels: the same chain over the features, then bias -
/// product.
namespace sparse_experts::detail {

/// The most features that this kernel takes.
inline constexpr Index narrow_features = 16;

/// For `vectors` vectors of rows, transposed[j * stride + lane]: least and second least score over all
/// centres and the index of the least (ties: the lower index). P = number of features, 0: given by p.
template <Index P, bool with_second, std::size_t vectors, class Scalar>
inline void narrow_least(const Scalar* transposed, std::size_t stride, Index p,
                         const CenterTiles<Scalar>& tiles, Scalar* least_out, Scalar* second_out,
                         typename Simd<Scalar>::Lane* index_out) {
  using Vec = typename Simd<Scalar>::Vec;
  using Ints = typename Simd<Scalar>::Ints;
  using Lane = typename Simd<Scalar>::Lane;
  constexpr std::size_t width = simd_width<Scalar>;
  const Index features = P > 0 ? P : p;
  Vec least[vectors], second[vectors];
  Ints index[vectors];
  for (std::size_t v = 0; v < vectors; ++v) {
    least[v] = second[v] = Vec{} + std::numeric_limits<Scalar>::max();
    index[v] = Ints{};
  }
  for (const auto& panel : tiles.panels()) {
    const Index panel_stride = panel.n_vectors * tiles.width;
    const Scalar* data = tiles.panel_data(panel);
    for (Index s = 0; s < panel_stride && tiles.ids(panel.first_slot)[s] >= 0; ++s) {
      Vec product[vectors] = {};
      for (Index j = 0; j < features; ++j) {
        const Scalar c = data[j * panel_stride + s];
        for (std::size_t v = 0; v < vectors; ++v)
          product[v] += simd_load<Vec>(transposed + static_cast<std::size_t>(j) * stride + v * width) * c;
      }
      const Scalar bias = *tiles.bias(panel.first_slot + s);
      const auto id = static_cast<Lane>(tiles.ids(panel.first_slot)[s]);
      for (std::size_t v = 0; v < vectors; ++v) {
        const Vec score = bias - product[v];
        const Ints closer = score < least[v];
        if constexpr (with_second) {
          const Vec other = closer ? least[v] : score;
          second[v] = other < second[v] ? other : second[v];
        }
        least[v] = closer ? score : least[v];
        index[v] = closer ? Ints{} + id : index[v];
      }
    }
  }
  for (std::size_t v = 0; v < vectors; ++v) {
    simd_store(least_out + v * width, least[v]);
    simd_store(second_out + v * width, second[v]);
    simd_store(index_out + v * width, index[v]);
  }
}

/// best[t] of row rows[t], t < count <= row_chunk, centres packed in their order.
template <bool with_second, class Scalar, class Best>
void narrow_nearest(const DenseRows<Scalar>& x, Index count, const Index* rows,
                    const CenterTiles<Scalar>& tiles, Best* best) {
  constexpr std::size_t width = simd_width<Scalar>, vectors = 2, step = vectors * width;
  alignas(64) Scalar transposed[static_cast<std::size_t>(narrow_features) * step] = {};
  alignas(64) Scalar least[step], second[step];
  alignas(64) typename Simd<Scalar>::Lane index[step];
  const Index p = x.cols();
  for (Index at = 0; at < count; at += static_cast<Index>(step)) {
    const Index size = std::min(count - at, static_cast<Index>(step));
    for (Index t = 0; t < size; ++t) {
      const Scalar* row = x.data() + rows[at + t] * x.outerStride();
      for (Index j = 0; j < p; ++j) transposed[j * static_cast<Index>(step) + t] = row[j];
    }
    if (p == 2)
      narrow_least<2, with_second, vectors>(transposed, step, p, tiles, least, second, index);
    else if (p == 3)
      narrow_least<3, with_second, vectors>(transposed, step, p, tiles, least, second, index);
    else
      narrow_least<0, with_second, vectors>(transposed, step, p, tiles, least, second, index);
    for (Index t = 0; t < size; ++t)
      best[at + t] = {least[t], second[t], static_cast<std::int32_t>(index[t])};
  }
}

}  // namespace sparse_experts::detail
