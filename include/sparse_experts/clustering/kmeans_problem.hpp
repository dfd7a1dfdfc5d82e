// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace sparse_experts::detail {

/// check_finite(rows, "X"), blocks of dense rows in parallel.
template <class Scalar>
void check_finite_rows(const DenseRows<Scalar>& x, int n_threads) {
  const Index bad = parallel_sum<Index>(x.rows(), 1024, n_threads, 0, [&](const Block& block) {
    Index sum = 0;
    for (Index i = block.begin; i < block.end; ++i)
      sum += all_finite(x.data() + i * x.outerStride(), x.cols()) ? 0 : 1;
    return sum;
  });
  if (bad > 0) check_finite(x, "X");  // names the entry
}
template <class Scalar, class StorageIndex>
void check_finite_rows(const SparseRows<Scalar, StorageIndex>& x, int) {
  check_finite(x, "X");
}

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
    RowMatrix<double> sums;
    fill(sums, block_count(n, block_rows), p, 0.0);
    parallel_blocks(n, block_rows, n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) add_row(x, i, 1.0, sums.data() + block.id * p);
    });
    add_rows_to_first(sums);
    origin.resize(p);
    for (Index j = 0; j < p; ++j) origin[j] = static_cast<Scalar>(sums(0, j) / static_cast<double>(n));
    const double origin_square = squared_length(origin.data(), p);
    squared_norms.resize(n);
    from_origin.resize(n);
    parallel_blocks(n, block_rows, n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) {
        squared_norms[i] = row_squared_norm(x, i);
        from_origin[i] = row_squared_distance(x, i, origin.data(), origin_square);
      }
    });
    largest_norm = std::sqrt(largest(squared_norms));
    for (Index i = 0; i < n; ++i) most_terms = std::max(most_terms, row_terms(x, i));
    for (Index i = 0; i < n; ++i) mean_variance += from_origin[i];
    mean_variance /= static_cast<double>(n) * static_cast<double>(p);
    check_range();
  }

  /// Scores are squares in Scalar: those of the rows must not overflow, nor their differences vanish.
  void check_range() const {
    using Limits = std::numeric_limits<Scalar>;
    const double most = std::sqrt(static_cast<double>(Limits::max())) / 16;
    const double smallest =
        std::sqrt(static_cast<double>(Limits::min()) / static_cast<double>(Limits::epsilon()));
    const double spread = std::sqrt(largest(from_origin));
    if (!(largest_norm <= most))
      reject("largest norm of a row of X", largest_norm, "at most " + std::to_string(most) + ": scale X");
    // Rows closer than the spacing of their own numbers are equal, whatever rounding says of their distance.
    const double spacing = static_cast<double>(Limits::epsilon()) * largest_norm;
    if (spread > 0 && spread < smallest && spacing < smallest)
      reject("largest distance of a row of X to the mean", spread,
             "more, for squares of it to be numbers: scale X");
  }

  double weight(Index i) const { return weights.size() == 0 ? 1.0 : weights[i]; }

  /// |x_i - c_{label i}|^2 in double for every row.
  Vector<double> squared_distances(const RowMatrix<Scalar>& centers, const Labels& labels) const {
    const Vector<double> squares = row_squares(centers);
    Vector<double> distances(x.rows());
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
    const auto nearer = [&](Index a, Index b) {
      return distances[a] < distances[b] || (distances[a] == distances[b] && a > b);
    };
    std::make_heap(order.begin(), order.end(), nearer);
    std::size_t next = 0;
    while (next < empty.size() && !order.empty()) {
      std::pop_heap(order.begin(), order.end(), nearer);
      auto& label = labels[static_cast<std::size_t>(order.back())];
      order.pop_back();
      if (counts[static_cast<std::size_t>(label)] < 2) continue;
      --counts[static_cast<std::size_t>(label)];
      label = empty[next++];
    }
    return static_cast<Index>(next);
  }
};

}  // namespace sparse_experts::detail
