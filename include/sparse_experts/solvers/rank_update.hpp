// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstring>

/// C += A'B for the upper triangle of a symmetric C, from packed panels: Eigen's own product would start
/// threads and add in an order that depends on them.
namespace sparse_experts::detail {

#if defined(__AVX512F__)
inline constexpr int update_lanes = 8;
#elif defined(__AVX__)
inline constexpr int update_lanes = 4;
#else
inline constexpr int update_lanes = 2;
#endif
inline constexpr Index tile_rows = 2 * update_lanes, tile_cols = 6;
using UpdateLanes [[gnu::vector_size(update_lanes * 8)]] = double;

/// Doubles of a panel of `depth` rows and `count` columns, packed in groups of Width columns.
constexpr Index packed_size(Index count, Index depth, Index width) {
  return (count + width - 1) / width * width * depth;
}
/// Place of (k, j) in such a panel.
constexpr Index packed_at(Index k, Index j, Index depth, Index width) {
  return j / width * width * depth + k * width + j % width;
}

/// out (tile_rows x tile_cols, by columns) = sum over k of a(k, .) b(k, .)', all sums in registers.
inline void update_tile(const double* a, const double* b, Index depth, double* out) {
  UpdateLanes sums[tile_cols][2] = {};
  for (Index k = 0; k < depth; ++k) {
    UpdateLanes low, high;
    std::memcpy(&low, a + k * tile_rows, sizeof low);
    std::memcpy(&high, a + k * tile_rows + update_lanes, sizeof high);
    for (Index j = 0; j < tile_cols; ++j) {
      const UpdateLanes factor = b[k * tile_cols + j] - UpdateLanes{};
      sums[j][0] += low * factor;
      sums[j][1] += high * factor;
    }
  }
  std::memcpy(out, sums, sizeof sums);
}

/// C(i, begin + j) += sum_k a(k, i) b(k, j) for i <= begin + j, j in [from, to); `from` is a multiple of
/// tile_cols. a and b are packed with widths tile_rows and tile_cols and zeros beyond their last column.
inline void update_upper(const double* a, const double* b, Index depth, double* c, Index ldc, Index begin,
                         Index from, Index to) {
  constexpr Index block = 128;  // columns of a that stay in the second cache
  double tile[tile_rows * tile_cols];
  for (Index top = 0; top < begin + to; top += block)
    for (Index j = from; j < to; j += tile_cols) {
      const Index width = std::min(tile_cols, to - j), end = std::min(top + block, begin + j + width);
      for (Index i = top; i < end; i += tile_rows) {
        update_tile(a + i * depth, b + j * depth, depth, tile);
        for (Index v = 0; v < width; ++v) {
          double* out = c + (begin + j + v) * ldc;
          const Index last = std::min(i + tile_rows, begin + j + v + 1);
          for (Index u = i; u < last; ++u) out[u] += tile[v * tile_rows + u - i];
        }
      }
    }
}

}  // namespace sparse_experts::detail
