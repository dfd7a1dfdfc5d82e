// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/simd.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

/// Products of sparse rows with one panel of centres. Features are taken in ascending order in one chain per
/// centre, as in dense_dots.hpp, so that the bits are the same.
namespace sparse_experts::detail {

/// Rows whose products are under way together.
inline constexpr Index row_chunk = 64;

/// What is left of a sparse row.
template <class Scalar, class StorageIndex>
struct RowCursor {
  const Scalar* value;
  const StorageIndex* column;
  const StorageIndex* end;
  Scalar* out;
};

/// The same cursors, about in the order of their lengths: rows whose products are under way together should
/// end together.
template <class Scalar, class StorageIndex>
inline void order_by_length(const RowCursor<Scalar, StorageIndex>* from, Index count,
                            RowCursor<Scalar, StorageIndex>* to) {
  constexpr Index buckets = 64;
  Index longest = 0, places[buckets + 1] = {};
  for (Index t = 0; t < count; ++t) longest = std::max<Index>(longest, from[t].end - from[t].column);
  const auto bucket = [&](Index t) {
    return longest == 0 ? 0 : (from[t].end - from[t].column) * (buckets - 1) / longest;
  };
  std::uint8_t of[row_chunk];
  for (Index t = 0; t < count; ++t) ++places[(of[t] = static_cast<std::uint8_t>(bucket(t))) + 1];
  for (Index b = 1; b <= buckets; ++b) places[b] += places[b - 1];
  for (Index t = 0; t < count; ++t) to[places[of[t]]++] = from[t];
}

/// Takes the entries of `row` at features below `limit`; goes on from the sums in row.out if `resume`.
template <std::size_t n_vectors, bool resume, class Scalar, class StorageIndex>
inline void add_entries(RowCursor<Scalar, StorageIndex>& row, Index limit, const Scalar* panel) {
  using Vec = typename Simd<Scalar>::Vec;
  constexpr std::size_t width = simd_width<Scalar>, stride = n_vectors * width;
  Vec sum[n_vectors] = {};
  if constexpr (resume)
    for (std::size_t v = 0; v < n_vectors; ++v) sum[v] = simd_load<Vec>(row.out + v * width);
  const Scalar* value = row.value;
  const StorageIndex* column = row.column;
  for (; column < row.end && static_cast<Index>(*column) < limit; ++column, ++value) {
    const Scalar* c = panel + static_cast<std::size_t>(*column) * stride;
    for (std::size_t v = 0; v < n_vectors; ++v) sum[v] += *value * simd_load<Vec>(c + v * width);
  }
  row.value = value;
  row.column = column;
  for (std::size_t v = 0; v < n_vectors; ++v) simd_store(row.out + v * width, sum[v]);
}

/// All entries of R rows, one after the other from each, to hide the latency of the sums.
template <std::size_t n_vectors, std::size_t R, class Scalar, class StorageIndex>
inline void add_interleaved(const RowCursor<Scalar, StorageIndex>* rows, const Scalar* panel) {
  using Vec = typename Simd<Scalar>::Vec;
  constexpr std::size_t width = simd_width<Scalar>, stride = n_vectors * width;
  Vec sum[R][n_vectors] = {};
  const auto add = [&](std::size_t r, Index k) {
    const Scalar* c = panel + static_cast<std::size_t>(rows[r].column[k]) * stride;
    for (std::size_t v = 0; v < n_vectors; ++v) sum[r][v] += rows[r].value[k] * simd_load<Vec>(c + v * width);
  };
  Index common = rows[0].end - rows[0].column;
  for (std::size_t r = 1; r < R; ++r) common = std::min<Index>(common, rows[r].end - rows[r].column);
  for (Index k = 0; k < common; ++k)
    for (std::size_t r = 0; r < R; ++r) add(r, k);
  for (std::size_t r = 0; r < R; ++r) {
    for (Index k = common; k < rows[r].end - rows[r].column; ++k) add(r, k);
    for (std::size_t v = 0; v < n_vectors; ++v) simd_store(rows[r].out + v * width, sum[r][v]);
  }
}

/// out[t * width of the panel + slot] = x' c_slot for the rows rows[t], t < count <= row_chunk.
///
/// Panels of up to four vectors: four or two rows of about equal length at a time. Wide ones (AVX-512): one
/// row gives enough independent sums; a panel that exceeds the first-level cache is taken in blocks of
/// features that fit it, if the rows have enough entries in a block to pay for taking up their sums again.
template <std::size_t n_vectors, class Scalar, class StorageIndex>
void chunk_dots(const SparseRows<Scalar, StorageIndex>& x, Index count, const Index* rows,
                const Scalar* panel, Scalar* out) {
  constexpr Index stride = static_cast<Index>(n_vectors) * simd_width<Scalar>;
  RowCursor<Scalar, StorageIndex> cursors[row_chunk] = {};
  Index entries = 0;
  for (Index t = 0; t < count; ++t) {
    const Index i = rows[t], begin = x.outerIndexPtr()[i], end = x.outerIndexPtr()[i + 1];
    cursors[t] = {x.valuePtr() + begin, x.innerIndexPtr() + begin, x.innerIndexPtr() + end, out + t * stride};
    entries += end - begin;
  }
  if constexpr (n_vectors <= 4) {
    constexpr std::size_t step = n_vectors == 1 ? 4 : 2;
    RowCursor<Scalar, StorageIndex> ordered[row_chunk];
    order_by_length(cursors, count, ordered);
    Index t = 0;
    for (; t + static_cast<Index>(step) <= count; t += static_cast<Index>(step))
      add_interleaved<n_vectors, step>(ordered + t, panel);
    for (; t < count; ++t) add_interleaved<n_vectors, 1>(ordered + t, panel);
  } else {
    constexpr Index cache = 36 * 1024;
    constexpr Index features = cache / (stride * static_cast<Index>(sizeof(Scalar)));
    const Index p = x.cols(), blocks = (p + features - 1) / features;
    const bool blocked = blocks > 1 && entries >= 4 * blocks * count;
    for (Index t = 0; t < count; ++t)
      add_entries<n_vectors, false>(cursors[t], blocked ? features : p, panel);
    for (Index limit = 2 * features; blocked && limit < p + features; limit += features)
      for (Index t = 0; t < count; ++t) add_entries<n_vectors, true>(cursors[t], limit, panel);
  }
}

}  // namespace sparse_experts::detail
