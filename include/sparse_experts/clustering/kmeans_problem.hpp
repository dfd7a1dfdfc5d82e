// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace sparse_experts::detail {

/// What all starts of a fit share: the rows and what is computed from them once.
template <class Rows_>
struct KMeansProblem {
  using Rows = Rows_;
  using Scalar = typename Rows::Scalar;

  const Rows& x;                  // n x p
  const Vector<double>& weights;  // n, or empty: all ones
  int n_threads = 1;
  RowVector<Scalar> origin;      // mean of the rows, see CenterTiles
  Vector<double> squared_norms;  // |x_i|^2
  Vector<double> from_origin;    // |x_i - m|^2
  double mean_variance = 0;      // of the features, unweighted: the unit of tol
  double largest_norm = 0;       // max |x_i|
  Index most_terms = 0;          // largest number of entries of a row

  KMeansProblem(const Rows& rows, const Vector<double>& sample_weights, int threads)
      : x(rows), weights(sample_weights), n_threads(threads) {
    const Index n = x.rows(), p = x.cols();
    constexpr Index block_rows = 4096;
    RowMatrix<double> sums = RowMatrix<double>::Zero(block_count(n, block_rows), p);
    parallel_blocks(n, block_rows, n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) add_row(x, i, 1.0, sums.data() + block.id * p);
    });
    for (Index b = 1; b < sums.rows(); ++b) sums.row(0) += sums.row(b);
    origin = (sums.row(0) / static_cast<double>(n)).template cast<Scalar>();
    const double origin_square = origin.template cast<double>().squaredNorm();
    squared_norms.resize(n);
    from_origin.resize(n);
    parallel_blocks(n, block_rows, n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) {
        squared_norms[i] = row_squared_norm(x, i);
        from_origin[i] = row_squared_distance(x, i, origin.data(), origin_square);
      }
    });
    largest_norm = std::sqrt(squared_norms.maxCoeff());
    for (Index i = 0; i < n; ++i) most_terms = std::max(most_terms, row_terms(x, i));
    mean_variance = from_origin.sum() / (static_cast<double>(n) * static_cast<double>(p));
    check_range();
  }

  /// Scores are squares in Scalar: those of the rows must not overflow, nor their differences vanish.
  void check_range() const {
    using Limits = std::numeric_limits<Scalar>;
    const double largest = std::sqrt(static_cast<double>(Limits::max())) / 16;
    const double smallest =
        std::sqrt(static_cast<double>(Limits::min()) / static_cast<double>(Limits::epsilon()));
    const double spread = std::sqrt(from_origin.maxCoeff());
    if (!(largest_norm <= largest))
      reject("largest norm of a row of X", largest_norm, "at most " + std::to_string(largest) + ": scale X");
    // Rows closer than the spacing of their own numbers are equal, whatever rounding says of their distance.
    const double spacing = static_cast<double>(Limits::epsilon()) * largest_norm;
    if (spread > 0 && spread < smallest && spacing < smallest)
      reject("largest distance of a row of X to the mean", spread,
             "more, for squares of it to be numbers: scale X");
  }

  double weight(Index i) const { return weights.size() == 0 ? 1.0 : weights[i]; }

  /// |x_i - c_{label i}|^2 in double for every row.
  Vector<double> squared_distances(const RowMatrix<Scalar>& centers, const Labels& labels) const {
    Vector<double> squares(centers.rows()), distances(x.rows());
    for (Index k = 0; k < centers.rows(); ++k)
      squares[k] = centers.row(k).template cast<double>().squaredNorm();
    parallel_blocks(x.rows(), 512, n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) {
        const Index k = labels[static_cast<std::size_t>(i)];
        distances[i] = row_squared_distance(x, i, centers.data() + k * centers.cols(), squares[k]);
      }
    });
    return distances;
  }

  double inertia(const RowMatrix<Scalar>& centers, const Labels& labels) const {
    const Vector<double> distances = squared_distances(centers, labels);
    double sum = 0;
    for (Index i = 0; i < x.rows(); ++i) sum += weight(i) * distances[i];
    return sum;
  }

  /// Gives each empty cluster, in the order of their indices, the sample of positive weight that is farthest
  /// from its own centre (ties: lowest index), if that distance is positive and its cluster keeps another
  /// sample of positive weight. Returns how many samples moved; clusters that find no sample stay empty.
  Index refill_empty(const RowMatrix<Scalar>& centers, const ClusterSums& sums, Labels& labels) const {
    std::vector<std::int32_t> empty;
    std::vector<Index> counts(static_cast<std::size_t>(centers.rows()));
    for (Index k = 0; k < centers.rows(); ++k) {
      counts[static_cast<std::size_t>(k)] = sums.count(k);
      if (sums.count(k) == 0) empty.push_back(static_cast<std::int32_t>(k));
    }
    if (empty.empty()) return 0;
    const Vector<double> distances = squared_distances(centers, labels);
    std::vector<Index> order;
    for (Index i = 0; i < x.rows(); ++i)
      if (distances[i] > 0 && weight(i) > 0) order.push_back(i);
    std::sort(order.begin(), order.end(), [&](Index a, Index b) {
      return distances[a] > distances[b] || (distances[a] == distances[b] && a < b);
    });
    std::size_t next = 0;
    for (const Index i : order) {
      auto& label = labels[static_cast<std::size_t>(i)];
      if (next == empty.size()) break;
      if (counts[static_cast<std::size_t>(label)] < 2) continue;
      --counts[static_cast<std::size_t>(label)];
      label = empty[next++];
    }
    return static_cast<Index>(next);
  }
};

}  // namespace sparse_experts::detail
