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

inline void prefetch([[maybe_unused]] const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#endif
}

/// total += part, where part may be of floats.
template <class Part>
void add_lanes(const Part& part, double* total) {
  using Real = std::decay_t<decltype(part[0])>;
  using Narrow [[gnu::vector_size(update_lanes<double> * sizeof(Real))]] = Real;
  using Wide [[gnu::vector_size(update_bytes)]] = double;
  for (std::size_t half = 0; half < sizeof part / sizeof(Narrow); ++half) {
    Narrow narrow;
    Wide sum;
    std::memcpy(&narrow, reinterpret_cast<const char*>(&part) + half * sizeof narrow, sizeof narrow);
    std::memcpy(&sum, total + static_cast<Index>(half) * update_lanes<double>, sizeof sum);
    sum += __builtin_convertvector(narrow, Wide);
    std::memcpy(total + static_cast<Index>(half) * update_lanes<double>, &sum, sizeof sum);
  }
}

/// total (tile_rows x tile_cols, by columns) += sum over k of a(k, .) b(k, .)' for the first Vectors vectors
/// of a, all sums in registers.
template <Index BWidth, int Vectors, class Real>
void update_tile(const Real* a, const Real* b, Index depth, double* total) {
  using Lanes [[gnu::vector_size(update_bytes)]] = Real;
  Lanes sums[std::size_t{tile_cols}][std::size_t{Vectors}];
#pragma GCC unroll 8
  for (Index j = 0; j < tile_cols; ++j)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) sums[j][v] = Lanes{};
  for (Index k = 0; k < depth; ++k) {
    Lanes left[std::size_t{Vectors}];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      const Real* at = a + k * tile_rows<Real> + v * update_lanes<Real>;
      std::memcpy(&left[v], at, sizeof(Lanes));
      prefetch(at + 8 * tile_rows<Real>);  // a comes from the second cache, b stays in the first
    }
#pragma GCC unroll 8
    for (Index j = 0; j < tile_cols; ++j) {
      const Lanes factor = b[k * BWidth + j] - Lanes{};
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sums[j][v] += left[v] * factor;
    }
  }
#pragma GCC unroll 8
  for (Index j = 0; j < tile_cols; ++j)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      add_lanes(sums[j][v], total + j * tile_rows<Real> + v * update_lanes<Real>);
}

/// The same for as many vectors as hold `rows` rows: tiles that cross the diagonal are cut short.
template <Index BWidth, class Real>
void update_tile(const Real* a, const Real* b, Index depth, Index rows, double* total) {
  if (rows <= update_lanes<Real>)
    update_tile<BWidth, 1>(a, b, depth, total);
  else if (rows <= 2 * update_lanes<Real>)
    update_tile<BWidth, 2>(a, b, depth, total);
  else
    update_tile<BWidth, update_vectors>(a, b, depth, total);
}

/// C(i, begin + j) += sum_k a(k, i) b(k, j) for i <= begin + j, j in [from, to); `from` is a multiple of
/// tile_cols. a is packed with width tile_rows, b with BWidth, and both hold zeros beyond their last column.
/// Sums run over `depth` rows of panels that were packed with `packed` rows.
template <Index BWidth, class Real>
void update_upper(const Real* a, const Real* b, Index depth, Index packed, double* c, Index ldc, Index begin,
                  Index from, Index to) {
  constexpr Index rows = tile_rows<Real>, size = rows * tile_cols;
  constexpr Index block =
      std::max<Index>(1, 128 / rows) * rows;  // columns of a that stay in the second cache
  alignas(64) double total[std::size_t{size}];
  for (Index top = 0; top < begin + to; top += block)
    for (Index j = from; j < to; j += tile_cols) {
      const Index width = std::min(tile_cols, to - j), end = std::min(top + block, begin + j + width);
      const Real* right = b + packed_at(0, j, packed, BWidth);
      for (Index i = top; i < end; i += rows) {
        std::fill(total, total + size, 0.0);
        const Index chain = std::is_same_v<Real, float> ? float_chain : depth;
        for (Index k = 0; k < depth; k += chain)
          update_tile<BWidth>(a + i * packed + k * rows, right + k * BWidth, std::min(chain, depth - k),
                              end - i, total);
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
