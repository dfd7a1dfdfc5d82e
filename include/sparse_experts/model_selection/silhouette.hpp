// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/pairwise.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace sparse_experts {

struct SilhouetteOptions {
  Index sample_size = 0;   ///< samples whose coefficients are averaged; 0: all
  std::uint64_t seed = 0;  ///< draws the samples
  int n_threads = 0;       ///< 0 = all
};

namespace detail {

/// Samples in the order of their labels.
struct LabelRuns {
  std::vector<Index> order;   // rows, sorted by label, stable
  std::vector<Index> run_of;  // by row: 0 ... K-1
  std::vector<Index> starts;  // K + 1 bounds of the runs in order
};

template <class L>
LabelRuns label_runs(const Eigen::MatrixBase<L>& labels) {
  LabelRuns runs;
  runs.order.resize(static_cast<std::size_t>(labels.size()));
  std::iota(runs.order.begin(), runs.order.end(), Index{0});
  const auto label = [&](Index i) { return labels.derived().coeff(i); };
  std::stable_sort(runs.order.begin(), runs.order.end(),
                   [&](Index i, Index j) { return label(i) < label(j); });
  runs.run_of.resize(runs.order.size());
  for (std::size_t k = 0; k < runs.order.size(); ++k) {
    if (k == 0 || label(runs.order[k]) != label(runs.order[k - 1]))
      runs.starts.push_back(static_cast<Index>(k));
    runs.run_of[static_cast<std::size_t>(runs.order[k])] = static_cast<Index>(runs.starts.size()) - 1;
  }
  runs.starts.push_back(labels.size());
  return runs;
}

/// Sums of the distances from the left rows of a tile to the samples of each run, all samples in turn.
template <class Rows>
void distance_sums(const Rows& x, const LabelRuns& runs, const Index* rows, Index size,
                   TileProducts<double, Rows>& tile, RowMatrix<double>& sums) {
  // Where cancellation has eaten more than this share the distance is taken from the rows themselves.
  constexpr double cancelled = 1e-4;
  constexpr Index tile_size = 128;
  const auto n = static_cast<Index>(runs.order.size());
  sums.setZero(size, static_cast<Index>(runs.starts.size()) - 1);
  tile.set_left(rows, size);
  for (Index begin = 0; begin < n; begin += tile_size) {
    const Index n_right = std::min(tile_size, n - begin);
    const Index* right = runs.order.data() + begin;
    tile.set_right(right, n_right);
    const RowMatrix<double>& products = tile.products();
    for (Index r = 0; r < size; ++r)
      for (Index c = 0; c < n_right; ++c) {
        const double norms = tile.left_norms()[r] + tile.right_norms()[c];
        double squared = norms - 2 * products(r, c);
        if (squared <= cancelled * norms) squared = squared_distance(x, rows[r], x, right[c]);
        sums(r, runs.run_of[static_cast<std::size_t>(right[c])]) += std::sqrt(squared);
      }
  }
}

template <class Rows>
Vector<double> silhouette_coefficients(const Rows& x, const LabelRuns& runs, const std::vector<Index>& rows,
                                       int n_threads) {
  constexpr Index block_size = 128;
  const auto n_clusters = static_cast<Index>(runs.starts.size()) - 1;
  const RowVector<double> center = row_center(x);
  Vector<double> result(static_cast<Index>(rows.size()));
  parallel_blocks(result.size(), block_size, n_threads, [&](const Block& block) {
    TileProducts<double, Rows> tile(x, x, center);
    RowMatrix<double> sums;
    distance_sums(x, runs, rows.data() + block.begin, block.size(), tile, sums);
    for (Index i = block.begin; i < block.end; ++i) {
      const Index own = runs.run_of[static_cast<std::size_t>(rows[static_cast<std::size_t>(i)])];
      double inside = 0, outside = -1;
      const auto size_of = [&](Index e) {
        return runs.starts[static_cast<std::size_t>(e) + 1] - runs.starts[static_cast<std::size_t>(e)];
      };
      for (Index e = 0; e < n_clusters; ++e) {
        const double sum = sums(i - block.begin, e);
        if (e == own) {
          if (size_of(e) > 1) inside = sum / static_cast<double>(size_of(e) - 1);
        } else if (const double mean = sum / static_cast<double>(size_of(e)); outside < 0 || mean < outside) {
          outside = mean;
        }
      }
      const double larger = std::max(inside, outside);
      result[i] = size_of(own) > 1 && larger > 0 ? (outside - inside) / larger : 0;
    }
  });
  return result;
}

template <class Derived, class L>
LabelRuns checked_runs(const Eigen::EigenBase<Derived>& X, const Eigen::MatrixBase<L>& labels) {
  check_not_empty(X.rows(), X.cols(), "X");
  check_size("labels.size()", labels.size(), X.rows(), "X.rows()");
  LabelRuns runs = label_runs(labels);
  check_at_least("number of distinct labels", static_cast<Index>(runs.starts.size()) - 1, 2);
  return runs;
}

}  // namespace detail

/// Silhouette coefficient of every sample: (b - a) / max(a, b) with a the mean Euclidean distance to the
/// other samples of its own cluster, b the smallest mean distance to the samples of another; 0 for a sample
/// alone in its cluster. X: n x p, dense or sparse; labels: n, at least 2 distinct; -1 (noise) counts as a
/// cluster, leave such rows out if that is not wanted. Cost O(n^2 p) in blocked products, memory O(n + K)
/// plus tiles. Ref: Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 1987.
template <class Derived, class L>
Vector<double> silhouette_samples(const Eigen::EigenBase<Derived>& X, const Eigen::MatrixBase<L>& labels,
                                  int n_threads = 0) {
  const detail::LabelRuns runs = detail::checked_runs(X, labels);
  return detail::with_rows(X, [&](const auto& rows) {
    detail::check_finite(rows, "X");
    std::vector<Index> all(static_cast<std::size_t>(rows.rows()));
    std::iota(all.begin(), all.end(), Index{0});
    return detail::silhouette_coefficients(rows, runs, all, n_threads);
  });
}

/// Mean silhouette coefficient. With sample_size > 0 the mean over that many samples drawn without
/// replacement, each against all n samples: an unbiased estimate for O(sample_size n p).
template <class Derived, class L>
double silhouette(const Eigen::EigenBase<Derived>& X, const Eigen::MatrixBase<L>& labels,
                  const SilhouetteOptions& options = SilhouetteOptions()) {
  detail::check_at_least("sample_size", options.sample_size, 0);
  const detail::LabelRuns runs = detail::checked_runs(X, labels);
  return detail::with_rows(X, [&](const auto& rows) {
    detail::check_finite(rows, "X");
    std::vector<Index> chosen = Random(options.seed).permutation(rows.rows());
    if (options.sample_size > 0 && options.sample_size < rows.rows())
      chosen.resize(static_cast<std::size_t>(options.sample_size));
    std::sort(chosen.begin(), chosen.end());
    return detail::silhouette_coefficients(rows, runs, chosen, options.n_threads).mean();
  });
}

}  // namespace sparse_experts
