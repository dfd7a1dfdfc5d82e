// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/kmeans_problem.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/core/types.hpp>

#include <cstdint>

namespace sparse_experts::detail {

/// Plain assignment step: every distance, every time. In: centres (K x p). Out: labels. Cost: n K p products,
/// fused with the search for the least score; the n x K distances are never stored.
///
/// All assignment steps share this interface: `assign` returns the labels of the nearest centres for
/// `centers`, `drift[k]` bounds from above how far centre k moved since the last call (empty: first call of a
/// start), and `forget(i)` says that the label of row i was changed from outside. Ref: Lloyd, "Least squares
/// quantization in PCM", IEEE Trans. Inf. Theory 1982.
template <class Problem>
class LloydStep {
 public:
  using Scalar = typename Problem::Scalar;

  explicit LloydStep(const Problem& problem) : problem_(problem) {}

  void assign(const RowMatrix<Scalar>& centers, const Vector<double>&, Labels& labels) {
    tiles_.pack(centers, problem_.origin);
    assign_nearest(problem_.x, tiles_, labels.data(), problem_.n_threads);
    evaluations_ += std::int64_t{problem_.x.rows()} * centers.rows();
  }
  void forget(Index) {}
  std::int64_t evaluations() const { return evaluations_; }

 private:
  const Problem& problem_;
  CenterTiles<Scalar> tiles_;
  std::int64_t evaluations_ = 0;
};

}  // namespace sparse_experts::detail
