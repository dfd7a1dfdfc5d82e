// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/bounds.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace sparse_experts::detail {

/// Assignment step with two bounds per sample: upper >= |x - c_a| of its own centre, lower <= the distance to
/// any other. A sample keeps its label without a product when lower, or half the distance of c_a to its
/// nearest centre, exceeds upper; then with upper made tight by one distance; else all its distances are
/// computed. Samples that remain are collected, so that the blocked kernel serves them. Labels: those of
/// LloydStep. Ref: Hamerly, "Making k-means even faster", SDM 2010, algorithm 1.
template <class Problem>
class HamerlyStep {
 public:
  using Scalar = typename Problem::Scalar;

  explicit HamerlyStep(const Problem& problem) : problem_(problem) {}

  void assign(const RowMatrix<Scalar>& centers, const Vector<double>& drift, Labels& labels) {
    tiles_.pack(centers, problem_.origin);
    const Index n = problem_.x.rows();
    const float slack = score_slack(problem_, tiles_);
    const bool fresh = drift.size() == 0;
    if (fresh) {
      fill(upper_, n, std::numeric_limits<float>::max());
      fill(lower_, n, 0.0f);
    }
    Vector<float> moved, half;
    fill(moved, centers.rows(), 0.0f);
    fill(half, centers.rows(), 0.0f);
    if (!fresh) {
      moved = drift_bounds(drift, tiles_);
      half = half_separations(centers, problem_.origin, tiles_, problem_.n_threads);
    }
    const LargestDrift largest(moved);
    const Vector<double> squares = row_squares(centers);
    const std::int64_t evaluated =
        parallel_sum<std::int64_t>(n, 1024, problem_.n_threads, 0, [&](const Block& block) {
          Index list[1024], count = 0;
          std::int64_t pairs = 0;
          for (Index i = block.begin; i < block.end; ++i) {
            const Index a = std::max<Index>(0, labels[static_cast<std::size_t>(i)]);
            const float upper = moved_upper(upper_[i], moved[a]);
            const float lower = moved_lower(lower_[i], largest.without(a));
            upper_[i] = upper;
            lower_[i] = lower;
            list[count] = i;
            count += !certainly_farther(std::max(lower, half[a]), upper, slack);
          }
          if (!fresh) {
            Index kept = 0;
            for (Index t = 0; t < count; ++t) {
              const Index i = list[t], a = labels[static_cast<std::size_t>(i)];
              const double square =
                  row_squared_distance(problem_.x, i, centers.data() + a * centers.cols(), squares[a]);
              upper_[i] = upper_bound(square + 1e-14 * (problem_.squared_norms[i] + squares[a]));
              list[kept] = i;
              kept += !certainly_farther(std::max(lower_[i], half[a]), upper_[i], slack);
            }
            pairs += count;
            count = kept;
          }
          ScoreScratch<Scalar> scratch = make_score_scratch<Scalar>();
          Nearest<Scalar> best[row_chunk];
          for (Index at = 0; at < count; at += row_chunk) {
            const Index rows = std::min(row_chunk, count - at);
            nearest_centers<true>(problem_.x, rows, list + at, tiles_, scratch, best);
            for (Index t = 0; t < rows; ++t) {
              const Index i = list[at + t];
              const double error = static_cast<double>(slack) / 4;
              labels[static_cast<std::size_t>(i)] = best[t].index;
              upper_[i] =
                  upper_bound(problem_.from_origin[i] + 2 * (static_cast<double>(best[t].score) + error));
              lower_[i] =
                  lower_bound(problem_.from_origin[i] + 2 * (static_cast<double>(best[t].second) - error));
            }
          }
          return pairs + std::int64_t{count} * centers.rows();
        });
    evaluations_ += evaluated + (fresh ? 0 : centers.rows() * centers.rows());
  }

  void forget(Index i) {
    upper_[i] = std::numeric_limits<float>::max();
    lower_[i] = 0;
  }
  std::int64_t evaluations() const { return evaluations_; }

 private:
  const Problem& problem_;
  CenterTiles<Scalar> tiles_;
  Vector<float> upper_, lower_;
  std::int64_t evaluations_ = 0;
};

}  // namespace sparse_experts::detail
