// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/any_rows.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/kmeans_init.hpp>
#include <sparse_experts/clustering/kmeans_options.hpp>
#include <sparse_experts/clustering/kmeans_problem.hpp>
#include <sparse_experts/clustering/kmeans_solver.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/clustering/packed_rows.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace sparse_experts {

/// K-means clustering.
///   min over centres m_1 … m_K (rows of a K x p matrix) and labels a of  sum_i w_i |x_i - m_{a(i)}|^2
/// X (n x p): dense or sparse, any storage order (rows-major is bound, anything else copied once); float data
/// are summed in double. Results have the same bits at any number of threads and for every `algorithm`.
///
/// - Equal distances go to the centre of lower index.
/// - A cluster that loses all its samples takes the sample farthest from its own centre (ties: lowest index).
/// - With fewer distinct rows than K the inertia is 0, repeated centres own no sample, and the fit still
/// ends.
/// - Rows of weight 0 get a label and influence nothing.
///
/// Cost per iteration: at most O(n K p) (O(nnz K) for sparse X, and for dense X that is mostly zeros).
/// convergence(): value and tolerance are the squared shift of all centres in the last iteration over the
/// mean variance of the features (0 when no label changed); objective is the inertia.
///
///     KMeans<float> km({.n_clusters = 10, .seed = 1});
///     km.fit(X);
///     km.labels();  km.centers();  km.predict(other);
template <class Scalar>
class KMeans {
 public:
  explicit KMeans(KMeansOptions options = KMeansOptions()) : options_(std::move(options)) {}

  const KMeansOptions& options() const { return options_; }

  /// Seeds by options().init, n_init times; keeps the start of least inertia.
  template <class X>
  const Convergence& fit(const Eigen::EigenBase<X>& x) {
    return fit_checked(x, RowMatrix<Scalar>(), Vector<double>());
  }
  /// One start from given centres (K x p).
  template <class X, class C>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<C>& initial_centers) {
    return fit(x, initial_centers, Vector<Scalar>());
  }
  /// One start from given centres with sample weights (n values >= 0; empty: all ones).
  template <class X, class C, class W>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<C>& initial_centers,
                         const Eigen::MatrixBase<W>& sample_weight) {
    const RowMatrix<Scalar> centers = initial_centers;
    detail::check_size("initial_centers.rows()", centers.rows(), options_.n_clusters, "n_clusters");
    detail::check_size("initial_centers.cols()", centers.cols(), x.cols(), "X.cols()");
    detail::check_finite(centers, "initial_centers");
    return fit_checked(x, centers, checked_weights(sample_weight, x.rows()));
  }
  /// Seeds and fits with sample weights (n values >= 0).
  template <class X, class W>
  const Convergence& fit_weighted(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<W>& sample_weight) {
    return fit_checked(x, RowMatrix<Scalar>(), checked_weights(sample_weight, x.rows()));
  }

  /// K x p.
  const RowMatrix<Scalar>& centers() const { return fitted().centers_; }
  /// n labels in 0 … K-1.
  const IndexVector& labels() const { return fitted().labels_; }
  double inertia() const { return fitted().convergence_.objective; }
  const Convergence& convergence() const { return fitted().convergence_; }
  Index n_iter() const { return fitted().convergence_.n_iter; }
  const KMeansCounters& counters() const { return fitted().counters_; }
  bool is_fitted() const { return centers_.rows() > 0; }

  /// Index of the nearest centre of each row.
  template <class X>
  IndexVector predict(const Eigen::EigenBase<X>& x) const {
    check_input(x);
    return detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      detail::CenterTiles<Scalar> tiles;
      tiles.pack(centers_, origin_);
      IndexVector labels(rows.rows());
      if constexpr (std::is_constructible_v<detail::AnyRows<Scalar>, decltype(rows)>)
        detail::assign_nearest(detail::AnyRows<Scalar>(rows), tiles, labels.data(), options_.n_threads);
      else
        detail::assign_nearest(rows, tiles, labels.data(), options_.n_threads);
      return labels;
    });
  }

  /// Distances |x_i - m_k| (n x K).
  template <class X>
  RowMatrix<Scalar> transform(const Eigen::EigenBase<X>& x) const {
    check_input(x);
    return detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      const Vector<double> squares = detail::row_squares(centers_);
      RowMatrix<Scalar> distances(rows.rows(), centers_.rows());
      detail::parallel_blocks(rows.rows(), 64, options_.n_threads, [&](const detail::Block& block) {
        for (Index i = block.begin; i < block.end; ++i)
          for (Index k = 0; k < centers_.rows(); ++k)
            distances(i, k) = static_cast<Scalar>(std::sqrt(
                detail::row_squared_distance(rows, i, centers_.data() + k * centers_.cols(), squares[k])));
      });
      return distances;
    });
  }

  /// Squared distances of one sample (any dense vector of length p) to all centres into `out` (K numbers),
  /// without allocation or checks; returns the index of the least.
  template <class V, class O>
  Index squared_distances_into(const Eigen::MatrixBase<V>& x, Eigen::MatrixBase<O>& out) const {
    Index nearest = 0;
    for (Index k = 0; k < centers_.rows(); ++k) {
      if constexpr (V::IsRowMajor)
        out[k] = (centers_.row(k) - x).squaredNorm();
      else
        out[k] = (centers_.row(k).transpose() - x).squaredNorm();
      if (out[k] < out[nearest]) nearest = k;
    }
    return nearest;
  }

 private:
  template <class W>
  static Vector<double> checked_weights(const Eigen::MatrixBase<W>& weights, Index n) {
    detail::check_sample_weights(weights, n);
    Vector<double> copy(weights.size());
    for (Index i = 0; i < copy.size(); ++i) copy[i] = static_cast<double>(weights.derived().coeff(i));
    return copy;
  }

  void check_options(Index n_samples, const Vector<double>& weights) const {
    detail::check_at_least("n_clusters", options_.n_clusters, 1);
    detail::check_at_least("max_iter", options_.max_iter, 1);
    detail::check_at_least("n_init", options_.n_init, 1);
    detail::check_at_least("n_threads", options_.n_threads, 0);
    detail::check_non_negative("tol", options_.tol);
    Index usable = n_samples;
    for (Index i = 0; i < weights.size(); ++i) usable -= weights[i] > 0 ? 0 : 1;
    if (options_.n_clusters > usable)
      detail::reject("n_clusters", options_.n_clusters,
                     "at most the number of rows of positive weight (" + std::to_string(usable) + ")");
  }

  template <class X>
  void check_input(const Eigen::EigenBase<X>& x) const {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>,
                  "X and the model must have the same scalar type");
    detail::check_fitted(is_fitted(), "KMeans");
    detail::check_size("X.cols()", x.cols(), centers_.cols(), "features of the fit");
  }

  const KMeans& fitted() const {
    detail::check_fitted(is_fitted(), "KMeans");
    return *this;
  }

  template <class X>
  const Convergence& fit_checked(const Eigen::EigenBase<X>& x, const RowMatrix<Scalar>& initial,
                                 const Vector<double>& weights) {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>,
                  "X and the model must have the same scalar type");
    detail::check_not_empty(x.rows(), x.cols(), "X");
    check_options(x.rows(), weights);
    detail::with_rows(x, [&](const auto& rows) {
      if constexpr (std::is_constructible_v<detail::AnyRows<Scalar>, decltype(rows)>) {
        fit_any(detail::AnyRows<Scalar>(rows), initial, weights);
      } else {
        detail::check_finite_rows(rows, options_.n_threads);
        fit_rows(rows, initial, weights);
      }
    });
    return convergence_;
  }

  void fit_any(const detail::AnyRows<Scalar>& rows, const RowMatrix<Scalar>& initial,
               const Vector<double>& weights) {
    rows.visit([&](const auto& view) { detail::check_finite_rows(view, options_.n_threads); });
    if (rows.is_dense() && detail::PackedRows<Scalar>::worthwhile(rows.dense())) {
      const detail::PackedRows<Scalar> packed(rows.dense(), options_.n_threads);
      return fit_rows(detail::AnyRows<Scalar>(packed.rows()), initial, weights);
    }
    fit_rows(rows, initial, weights);
  }

  template <class Rows>
  void fit_rows(const Rows& rows, const RowMatrix<Scalar>& initial, const Vector<double>& weights) {
    using Problem = detail::KMeansProblem<Rows>;
    // Below some 100 microseconds of products, waking threads costs more than they save.
    const bool small = static_cast<double>(rows.rows()) * static_cast<double>(rows.cols()) *
                           static_cast<double>(options_.n_clusters) <
                       2e6;
    const Problem problem(rows, weights, small ? 1 : options_.n_threads);
    KMeansCounters counters;
    detail::KMeansResult<Scalar> best;
    const Index starts = initial.size() > 0 ? 1 : options_.n_init;
    for (Index start = 0; start < starts; ++start) {
      Random random(options_.seed, static_cast<std::uint64_t>(start));
      RowMatrix<Scalar> centers =
          initial.size() > 0 ? initial
                             : detail::seed_centers(problem, options_.n_clusters, options_.init, random);
      auto result = detail::solve_kmeans(problem, std::move(centers), options_);
      counters.algorithm = result.algorithm;
      counters.distance_evaluations += result.evaluations;
      counters.lloyd_evaluations += result.lloyd_evaluations;
      const bool stopped = result.convergence.status == Status::stopped;
      if (start == 0 || result.convergence.objective < best.convergence.objective) best = std::move(result);
      if (stopped) {
        best.convergence.status = Status::stopped;
        break;
      }
    }
    centers_ = std::move(best.centers);
    labels_.resize(rows.rows());
    std::copy(best.labels.begin(), best.labels.end(), labels_.data());
    origin_ = problem.origin;
    convergence_ = best.convergence;
    counters_ = counters;
  }

  KMeansOptions options_;
  RowMatrix<Scalar> centers_;
  RowVector<Scalar> origin_;  // of the scores, so that predict(X) repeats labels() bit for bit
  IndexVector labels_;
  Convergence convergence_;
  KMeansCounters counters_;
};

}  // namespace sparse_experts
