// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/any_rows.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/narrow_nearest.hpp>
#include <sparse_experts/clustering/scores.hpp>
#include <sparse_experts/clustering/simd.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace sparse_experts::detail {

/// The nearest centre of a row (least score, ties to the lower index) and the score of the second nearest.
template <class Scalar>
struct Nearest {
  Scalar score = std::numeric_limits<Scalar>::max();
  Scalar second = std::numeric_limits<Scalar>::max();
  std::int32_t index = -1;

  void offer(Scalar other, std::int32_t other_index) {
    if (other < score || (other == score && other_index < index)) {
      second = std::min(second, score);
      score = other;
      index = other_index;
    } else {
      second = std::min(second, other);
    }
  }
};

/// Rows handled together: their scores with one panel stay in the cache.
inline constexpr Index nearest_chunk = row_chunk;

template <class Scalar>
using ScoreScratch = std::vector<Scalar, Eigen::aligned_allocator<Scalar>>;

template <class Scalar>
ScoreScratch<Scalar> make_score_scratch() {
  return ScoreScratch<Scalar>(
      static_cast<std::size_t>(row_chunk * CenterTiles<Scalar>::max_vectors * CenterTiles<Scalar>::width));
}

/// Merges the scores of one row with one panel into `best`. Lane by lane over the vectors, then over the
/// lanes.
template <std::size_t n_vectors, bool with_second, class Scalar>
inline void merge_scores(const Scalar* scores, const std::int32_t* ids, Nearest<Scalar>& best) {
  using Vec = typename Simd<Scalar>::Vec;
  using Ints = typename Simd<Scalar>::Ints;
  using Lane = typename Simd<Scalar>::Lane;
  constexpr Index width = simd_width<Scalar>;
  Vec least = simd_load<Vec>(scores), second = least - least + std::numeric_limits<Scalar>::max();
  Ints at = {};
  for (std::size_t v = 1; v < n_vectors; ++v) {
    const Vec s = simd_load<Vec>(scores + v * static_cast<std::size_t>(width));
    const Ints closer = s < least;
    if constexpr (with_second) {
      const Vec other = closer ? least : s;
      second = other < second ? other : second;
    }
    least = closer ? s : least;
    at = closer ? Ints{} + static_cast<Lane>(v) : at;
  }
  for (Index lane = 0; lane < width; ++lane) {
    const auto slot = static_cast<Index>(at[lane]) * width + lane;
    if constexpr (with_second) best.second = std::min(best.second, second[lane]);
    if (ids[slot] >= 0) best.offer(least[lane], ids[slot]);
  }
}

/// The rows as dense ones, if they are.
template <class Scalar>
const DenseRows<Scalar>* dense_rows(const DenseRows<Scalar>& x) {
  return &x;
}
template <class Scalar, class StorageIndex>
const DenseRows<Scalar>* dense_rows(const SparseRows<Scalar, StorageIndex>&) {
  return nullptr;
}
template <class Scalar>
const DenseRows<Scalar>* dense_rows(const AnyRows<Scalar>& x) {
  return x.is_dense() ? &x.dense() : nullptr;
}

/// best[t] = nearest centre of row rows[t], t < count <= row_chunk. `x` is DenseRows, SparseRows or AnyRows;
/// the centres are packed in their order.
template <bool with_second, class Rows, class Scalar>
void nearest_centers(const Rows& x, Index count, const Index* rows, const CenterTiles<Scalar>& tiles,
                     ScoreScratch<Scalar>& scratch, Nearest<Scalar>* best) {
  if (const auto* dense = dense_rows(x); dense != nullptr && x.cols() <= narrow_features)
    return narrow_nearest<with_second>(*dense, count, rows, tiles, best);
  std::fill(best, best + count, Nearest<Scalar>());
  for (const auto& panel : tiles.panels()) {
    panel_scores(x, count, rows, tiles, panel, scratch.data());
    with_panel_width<Scalar>(panel.n_vectors, [&](auto n) {
      constexpr std::size_t n_vectors = decltype(n)::value;
      for (Index t = 0; t < count; ++t)
        merge_scores<n_vectors, with_second>(scratch.data() + t * panel.n_vectors * tiles.width,
                                             tiles.ids(panel.first_slot), best[t]);
    });
  }
}

/// f(i, Nearest) for every row i, blocks of rows in parallel; f must write to places of row i only.
template <bool with_second, class Rows, class Scalar, class F>
void for_each_nearest(const Rows& x, const CenterTiles<Scalar>& tiles, int n_threads, F&& f) {
  parallel_blocks(x.rows(), 8 * row_chunk, n_threads, [&](const Block& block) {
    ScoreScratch<Scalar> scratch = make_score_scratch<Scalar>();
    Nearest<Scalar> best[row_chunk];
    for (Index begin = block.begin; begin < block.end; begin += row_chunk) {
      const Index count = std::min(row_chunk, block.end - begin);
      Index rows[row_chunk];
      for (Index t = 0; t < count; ++t) rows[t] = begin + t;
      nearest_centers<with_second>(x, count, rows, tiles, scratch, best);
      for (Index t = 0; t < count; ++t) f(begin + t, best[t]);
    }
  });
}

/// labels[i] = index of the nearest centre of row i, for all rows; `Label` is any integer type.
template <class Rows, class Scalar, class Label>
void assign_nearest(const Rows& x, const CenterTiles<Scalar>& tiles, Label* labels, int n_threads) {
  for_each_nearest<false>(x, tiles, n_threads, [&](Index i, const Nearest<Scalar>& nearest) {
    labels[i] = static_cast<Label>(nearest.index);
  });
}

}  // namespace sparse_experts::detail
