// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <cmath>
#include <string>
#include <type_traits>

namespace sparse_experts::detail {

/// What clusterings by centres offer once fitted: accessors, nearest centres, distances.
template <class Scalar>
class CenterModel {
 public:
  /// K x p.
  const RowMatrix<Scalar>& centers() const { return fitted().centers_; }
  /// Labels of the rows of the last fit, 0 … K-1.
  const IndexVector& labels() const { return fitted().labels_; }
  /// Objective at centers() and labels().
  double inertia() const { return fitted().convergence_.objective; }
  const Convergence& convergence() const { return fitted().convergence_; }
  Index n_iter() const { return fitted().convergence_.n_iter; }
  bool is_fitted() const { return centers_.rows() > 0; }

  /// Index of the nearest centre of each row, equal distances to the lower index.
  template <class X>
  IndexVector predict(const Eigen::EigenBase<X>& x) const {
    check_input(x);
    return with_rows(x, [&](const auto& rows) {
      check_finite(rows, "X");
      IndexVector labels(rows.rows());
      nearest_labels(rows, labels.data());
      return labels;
    });
  }

  /// Distances |x_i - m_k| (n x K).
  template <class X>
  RowMatrix<Scalar> transform(const Eigen::EigenBase<X>& x) const {
    check_input(x);
    return with_rows(x, [&](const auto& rows) {
      check_finite(rows, "X");
      const Vector<double> squares = centers_.template cast<double>().rowwise().squaredNorm();
      RowMatrix<Scalar> distances(rows.rows(), centers_.rows());
      parallel_blocks(rows.rows(), 64, n_threads_, [&](const Block& block) {
        for (Index i = block.begin; i < block.end; ++i)
          for (Index k = 0; k < centers_.rows(); ++k)
            distances(i, k) = static_cast<Scalar>(
                std::sqrt(row_squared_distance(rows, i, centers_.data() + k * centers_.cols(), squares[k])));
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

 protected:
  CenterModel(const char* name, int n_threads) : n_threads_(n_threads), name_(name) {}

  const CenterModel& fitted() const {
    check_fitted(is_fitted(), name_);
    return *this;
  }
  template <class X>
  void check_input(const Eigen::EigenBase<X>& x) const {
    check_scalar<X>();
    fitted();
    check_size("X.cols()", x.cols(), centers_.cols(), "features of the fit");
  }
  template <class X>
  static void check_scalar() {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>,
                  "X and the model must have the same scalar type");
  }
  template <class Label, class Rows>
  void nearest_labels(const Rows& rows, Label* labels) const {
    CenterTiles<Scalar> tiles;
    tiles.pack(centers_, origin_);
    assign_nearest(rows, tiles, labels, n_threads_);
  }

  /// Options that all clusterings by centres share; K must not exceed the rows of positive weight.
  static void check_common(Index n_clusters, Index max_iter, double tol, int n_threads, Index usable_rows) {
    check_at_least("n_clusters", n_clusters, 1);
    check_at_least("max_iter", max_iter, 1);
    check_non_negative("tol", tol);
    check_at_least("n_threads", n_threads, 0);
    if (n_clusters > usable_rows)
      reject("n_clusters", n_clusters,
             "at most the number of rows of positive weight (" + std::to_string(usable_rows) + ")");
  }
  template <class W>
  static Vector<double> checked_weights(const Eigen::MatrixBase<W>& weights, Index n) {
    check_sample_weights(weights, n);
    Vector<double> copy(weights.size());
    for (Index i = 0; i < copy.size(); ++i) copy[i] = static_cast<double>(weights.derived().coeff(i));
    return copy;
  }
  static Index usable_rows(const Vector<double>& weights, Index n) {
    return weights.size() == 0 ? n : (weights.array() > 0).count();
  }

  RowMatrix<Scalar> centers_;
  RowVector<Scalar> origin_;  // of the scores, see CenterTiles
  IndexVector labels_;
  Convergence convergence_;
  int n_threads_;

 private:
  const char* name_;
};

}  // namespace sparse_experts::detail
