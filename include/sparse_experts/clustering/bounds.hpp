// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/any_rows.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

/// Bounds of distances in single precision, rounded to the safe side, and the test that makes skipping exact.
///
/// With d_a <= upper and d_k >= lower the computed scores satisfy
///   s(x, k) - s(x, a) >= (lower^2 - upper^2) / 2 - 2 E,   E: bound of the rounding error of a score,
/// so centre k cannot get the label, not even by a tie, when (lower - upper)(lower + upper) > 4 E.
namespace sparse_experts::detail {

inline constexpr float bound_up = 1 + 0x1p-21f;
inline constexpr float bound_down = 1 - 0x1p-21f;

inline float upper_bound(double squared_distance) {
  return static_cast<float>(std::sqrt(std::max(0.0, squared_distance))) * bound_up +
         std::numeric_limits<float>::min();
}
inline float lower_bound(double squared_distance) {
  return static_cast<float>(std::sqrt(std::max(0.0, squared_distance))) * bound_down;
}
inline float moved_upper(float bound, float drift) { return (bound + drift) * bound_up; }
inline float moved_lower(float bound, float drift) { return std::max(0.0f, (bound - drift) * bound_down); }

inline bool certainly_farther(float lower, float upper, float slack) {
  return (lower - upper) * (lower + upper) > slack;
}

/// 4 E for all rows of a problem, rounded up.
template <class Problem>
float score_slack(const Problem& problem, const CenterTiles<typename Problem::Scalar>& tiles) {
  const double slack = 4 * tiles.score_error(problem.largest_norm, problem.most_terms);
  return static_cast<float>(slack) * bound_up + std::numeric_limits<float>::min();
}

/// Upper bounds of how far the packed centres moved, in single precision; packing rounds the centres once
/// more.
template <class Scalar>
Vector<float> drift_bounds(const Vector<double>& drift, const CenterTiles<Scalar>& tiles) {
  const double rounding =
      4 * static_cast<double>(std::numeric_limits<Scalar>::epsilon()) * tiles.largest_norm();
  Vector<float> bounds(drift.size());
  for (Index k = 0; k < drift.size(); ++k)
    bounds[k] = static_cast<float>(drift[k] + rounding) * bound_up + std::numeric_limits<float>::min();
  return bounds;
}

/// Index of the largest drift and the largest of the others.
struct LargestDrift {
  Index index = 0;
  float first = 0, second = 0;

  explicit LargestDrift(const Vector<float>& drift) {
    for (Index k = 0; k < drift.size(); ++k) {
      if (drift[k] > first) {
        second = std::exchange(first, drift[k]);
        index = k;
      } else {
        second = std::max(second, drift[k]);
      }
    }
  }
  float without(Index k) const { return k == index ? second : first; }
};

/// |c_k - m|^2 of all centres and rounding error of the scores between centres.
template <class Scalar>
struct CenterGeometry {
  Vector<double> from_origin;
  double error = 0;

  CenterGeometry(const RowMatrix<Scalar>& centers, const RowVector<Scalar>& origin,
                 const CenterTiles<Scalar>& tiles)
      : from_origin(centers.rows()) {
    double square = 0;
    for (Index k = 0; k < centers.rows(); ++k) {
      const Scalar* center = centers.data() + k * centers.cols();
      from_origin[k] = squared_gap(center, origin.data(), centers.cols());
      square = std::max(square, squared_length(center, centers.cols()));
    }
    error = 2 * tiles.score_error(std::sqrt(square), centers.cols());
  }
  float lower(Index k, double score) const { return lower_bound(from_origin[k] + 2 * (score - error)); }
};

/// Lower bounds of half the distance of each centre to the nearest other one.
template <class Scalar>
Vector<float> half_separations(const RowMatrix<Scalar>& centers, const RowVector<Scalar>& origin,
                               const CenterTiles<Scalar>& tiles, int n_threads) {
  const CenterGeometry<Scalar> geometry(centers, origin, tiles);
  const AnyRows<Scalar> rows(DenseRows<Scalar>(centers.data(), centers.rows(), centers.cols(),
                                               Eigen::OuterStride<>(centers.cols())));
  Vector<float> half(centers.rows());
  for_each_nearest<true>(rows, tiles, n_threads, [&](Index k, const Nearest<Scalar>& nearest) {
    // The nearest is the centre itself, or by rounding another one as near.
    half[k] = geometry.lower(k, static_cast<double>(nearest.second)) * 0.5f;
    if (nearest.index != static_cast<std::int32_t>(k)) half[k] = 0;
  });
  return half;
}

}  // namespace sparse_experts::detail
