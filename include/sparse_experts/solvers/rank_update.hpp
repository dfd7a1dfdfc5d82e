// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

/// C += A'B for the upper triangle of a symmetric C, from packed panels: Eigen's own product would start
/// threads and add in an order that depends on them. C holds doubles; panels of floats are multiplied at
/// twice the speed and summed in single precision over `float_chain` rows only.
namespace sparse_experts::detail {

#if defined(__AVX512F__)
inline constexpr int update_bytes = 64, update_vectors = 3;
inline constexpr Index tile_cols = 8;
#elif defined(__AVX__)
inline constexpr int update_bytes = 32, update_vectors = 3;
inline constexpr Index tile_cols = 4;
#else
inline constexpr int update_bytes = 16, update_vectors = 2;
inline constexpr Index tile_cols = 4;
#endif
template <class Real>
inline constexpr Index update_lanes = update_bytes / static_cast<Index>(sizeof(Real));
/// A multiple of tile_cols, so that one panel can serve as A and as B.
template <class Real>
inline constexpr Index tile_rows = update_vectors* update_lanes<Real>;
inline constexpr Index float_chain = 64;

/// |computed - exact| <= float_sum_error Σ_k |a_k b_k| for an inner product of numbers that were rounded to
/// float: two roundings of the factors, one of each product (where it is not fused), one of each sum. Ref:
/// Higham, Accuracy and Stability of Numerical Algorithms, sec. 3.1; the last digit up covers γ_k against k
/// u.
inline constexpr double float_sum_error = (float_chain + 4) * 0x1p-24 * 1.0001;

/// Numbers of a panel of `depth` rows and `count` columns, packed in groups of `width` columns.
constexpr Index packed_size(Index count, Index depth, Index width) {
  return (count + width - 1) / width * width * depth;
}
/// Place of (k, j) in such a panel.
constexpr Index packed_at(Index k, Index j, Index depth, Index width) {
  return j / width * width * depth + k * width + j % width;
}

/// out (tile_rows x tile_cols, by columns) = sum over k of a(k, .) b(k, .)', all sums in registers.
template <Index BWidth, class Real>
void update_tile(const Real* a, const Real* b, Index depth, Real* out) {
  using Lanes [[gnu::vector_size(update_bytes)]] = Real;
  Lanes sums[std::size_t{tile_cols}][std::size_t{update_vectors}] = {};
  for (Index k = 0; k < depth; ++k) {
    Lanes left[std::size_t{update_vectors}];
#pragma GCC unroll 8
    for (int v = 0; v < update_vectors; ++v)
      std::memcpy(&left[v], a + k * tile_rows<Real> + v * update_lanes<Real>, sizeof(Lanes));
#pragma GCC unroll 8
    for (Index j = 0; j < tile_cols; ++j) {
      const Lanes factor = b[k * BWidth + j] - Lanes{};
#pragma GCC unroll 8
      for (int v = 0; v < update_vectors; ++v) sums[j][v] += left[v] * factor;
    }
  }
  std::memcpy(out, sums, sizeof sums);
}

/// C(i, begin + j) += sum_k a(k, i) b(k, j) for i <= begin + j, j in [from, to); `from` is a multiple of
/// tile_cols. a is packed with width tile_rows, b with BWidth, and both hold zeros beyond their last column.
template <Index BWidth, class Real>
void update_upper(const Real* a, const Real* b, Index depth, double* c, Index ldc, Index begin, Index from,
                  Index to) {
  constexpr Index rows = tile_rows<Real>, size = rows * tile_cols;
  constexpr Index block =
      std::max<Index>(1, 128 / rows) * rows;  // columns of a that stay in the second cache
  constexpr bool chained = std::is_same_v<Real, float>;
  alignas(64) double total[std::size_t{size}];
  alignas(64) Real part[std::size_t{size}];
  for (Index top = 0; top < begin + to; top += block)
    for (Index j = from; j < to; j += tile_cols) {
      const Index width = std::min(tile_cols, to - j), end = std::min(top + block, begin + j + width);
      const Real* right = b + packed_at(0, j, depth, BWidth);
      for (Index i = top; i < end; i += rows) {
        if constexpr (chained) {
          std::fill(total, total + size, 0.0);
          for (Index k = 0; k < depth; k += float_chain) {
            update_tile<BWidth>(a + i * depth + k * rows, right + k * BWidth,
                                std::min(float_chain, depth - k), part);
            for (Index u = 0; u < size; ++u) total[u] += static_cast<double>(part[u]);
          }
        } else {
          update_tile<BWidth>(a + i * depth, right, depth, total);
        }
        for (Index v = 0; v < width; ++v) {
          double* out = c + (begin + j + v) * ldc + i;
          const double* tile = total + v * rows;
          const Index last = std::min(rows, begin + j + v + 1 - i);
          if (last == rows)
            for (Index u = 0; u < rows; ++u) out[u] += tile[u];
          else
            for (Index u = 0; u < last; ++u) out[u] += tile[u];
        }
      }
    }
}

}  // namespace sparse_experts::detail
