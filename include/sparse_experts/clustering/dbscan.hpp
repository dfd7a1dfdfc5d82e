// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/cell_grid.hpp>
#include <sparse_experts/clustering/dbscan_blocked.hpp>
#include <sparse_experts/clustering/dbscan_grid.hpp>
#include <sparse_experts/clustering/dbscan_parts.hpp>
#include <sparse_experts/clustering/dbscan_tree.hpp>
#include <sparse_experts/clustering/neighbors.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

enum class DBSCANAlgorithm {
  automatic,  ///< grid for 2 and 3 dense features, tree up to 16, else blocked
  grid,       ///< cells of side eps / sqrt(p); where p or the number of cells forbids it: tree
  blocked,    ///< tiles of products of rows, any dimension
  tree        ///< boxes halved down to 16 samples; dense X of at most 16 features, else blocked
};

struct DBSCANOptions {
  double eps = 0.5;       ///< radius of a neighbourhood, the bound included
  Index min_samples = 5;  ///< weight of a neighbourhood, the sample itself included, that makes a core
  int n_threads = 0;      ///< 0 = all; the labels do not depend on it
  DBSCANAlgorithm algorithm = DBSCANAlgorithm::automatic;  ///< every choice gives the same labels
};

/// Density-based clusters and noise. Samples a, b are neighbours when |a - b| <= eps (sum of squares in
/// double); a sample is a core when the neighbours, itself included, number (weigh) at least min_samples.
/// Clusters are the connected components of cores; a sample that is no core goes to the cluster of its
/// nearest core within eps (of equally near ones the first), else it is noise. Clusters are numbered by their
/// first core. X: n x p, dense or sparse, float or double. Exact; memory O(n p), no list of neighbours is
/// ever kept. Time: in few dimensions about linear in n, otherwise O(n^2 p) in blocked products of which far
/// pairs of tiles are passed over. The labels are the same at any number of threads. Ref: Ester, Kriegel,
/// Sander, Xu, "A density-based algorithm for discovering clusters", KDD 1996.
///
///     se::DBSCAN<double> db({.eps = 0.3, .min_samples = 5});
///     db.fit(X);
///     db.labels();  // -1 = noise
template <class Scalar>
class DBSCAN {
 public:
  explicit DBSCAN(DBSCANOptions options = DBSCANOptions()) : options_(options) {}

  template <class Derived>
  const DBSCAN& fit(const Eigen::EigenBase<Derived>& X) {
    return fit(X, Vector<Scalar>());
  }

  /// sample_weight: n values >= 0 that count in the neighbourhoods; sums within 1e-9 min_samples of
  /// min_samples make a core, so that ten times 0.1 is 1.
  template <class Derived, class Weights>
  const DBSCAN& fit(const Eigen::EigenBase<Derived>& X, const Eigen::MatrixBase<Weights>& sample_weight) {
    static_assert(std::is_same_v<typename Derived::Scalar, Scalar>, "X and DBSCAN differ in scalar type");
    detail::check_positive("eps", options_.eps);
    detail::check_at_least("min_samples", options_.min_samples, 1);
    detail::check_not_empty(X.rows(), X.cols(), "X");
    detail::check_sample_weights(sample_weight, X.rows());
    detail::with_rows(X, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      const auto weights = detail::dbscan_weights(sample_weight, options_.min_samples);
      number_clusters(cluster(rows, weights));
      keep_cores(rows);
    });
    n_features_ = X.cols();
    return *this;
  }

  /// Cluster of each sample, -1 = noise.
  const IndexVector& labels() const { return fitted(labels_); }
  /// Rows of the cores, ascending.
  const IndexVector& core_sample_indices() const { return fitted(core_samples_); }
  Index n_clusters() const { return fitted(n_clusters_); }
  Index n_features() const { return fitted(n_features_); }
  const DBSCANOptions& options() const { return options_; }

  /// Cluster of the nearest core within eps, else -1. On the rows of fit this gives labels().
  template <class Derived>
  IndexVector predict(const Eigen::EigenBase<Derived>& X) const {
    static_assert(std::is_same_v<typename Derived::Scalar, Scalar>, "X and DBSCAN differ in scalar type");
    detail::check_fitted(n_features_ > 0, "DBSCAN");
    detail::check_size("X.cols()", X.cols(), n_features_, "as in fit");
    IndexVector nearest;
    if (sparse_) {
      nearest = find(sparse_cores_, SparseRowMatrix<Scalar>(to_sparse(X.derived())));
    } else if constexpr (detail::is_sparse<Derived>) {
      nearest = find(dense_cores_, RowMatrix<Scalar>(X.derived()));
    } else {
      nearest = find(dense_cores_, X.derived());
    }
    for (Index& label : nearest) label = label < 0 ? -1 : labels_[core_samples_[label]];
    return nearest;
  }

  /// Mean of the cores of each cluster, n_clusters x p.
  RowMatrix<Scalar> centers() const {
    detail::check_fitted(n_features_ > 0, "DBSCAN");
    RowMatrix<double> sums = RowMatrix<double>::Zero(n_clusters_, n_features_);
    Vector<double> counts = Vector<double>::Zero(n_clusters_);
    for (Index k = 0; k < core_samples_.size(); ++k) {
      const Index label = labels_[core_samples_[k]];
      counts[label] += 1;
      if (sparse_)
        sums.row(label) += RowVector<Scalar>(sparse_cores_.points().row(k)).template cast<double>();
      else
        sums.row(label) += dense_cores_.points().row(k).template cast<double>();
    }
    for (Index e = 0; e < n_clusters_; ++e) sums.row(e) /= counts[e];
    return sums.template cast<Scalar>();
  }

 private:
  template <class T>
  const T& fitted(const T& value) const {
    detail::check_fitted(n_features_ > 0, "DBSCAN");
    return value;
  }

  template <class Rows>
  detail::DBSCANParts cluster(const Rows& rows, const detail::DBSCANWeights& weights) const {
    if constexpr (!detail::is_sparse<Rows>) {
      const bool few = rows.cols() <= detail::BoxTree::max_dimensions;
      if (few && options_.algorithm != DBSCANAlgorithm::blocked) {
        if (options_.algorithm != DBSCANAlgorithm::tree && rows.cols() > 1)
          if (const auto grid = detail::CellGrid::make(rows, options_.eps))
            return detail::dbscan_on_grid(*grid, options_.eps, weights, options_.n_threads);
        const detail::BoxTree tree(rows);
        return detail::DBSCANTree(tree, options_.eps, weights, options_.n_threads).run();
      }
    }
    return detail::DBSCANBlocked<Rows>(rows, options_.eps, weights, options_.n_threads).run();
  }

  void number_clusters(const detail::DBSCANParts& parts) {
    const auto n = static_cast<Index>(parts.is_core.size());
    std::vector<Index> number(parts.is_core.size(), -1), cores;
    n_clusters_ = 0;
    detail::fill(labels_, n, -1);
    for (Index i = 0; i < n; ++i) {
      if (parts.is_core[static_cast<std::size_t>(i)] == 0) continue;
      cores.push_back(i);
      Index& label = number[static_cast<std::size_t>(parts.representative[static_cast<std::size_t>(i)])];
      if (label < 0) label = n_clusters_++;
      labels_[i] = label;
    }
    for (Index i = 0; i < n; ++i)
      if (const Index core = parts.representative[static_cast<std::size_t>(i)]; core >= 0)
        labels_[i] = labels_[core];
    core_samples_.resize(static_cast<Index>(cores.size()));
    std::copy(cores.begin(), cores.end(), core_samples_.data());
  }

  template <class Rows>
  void keep_cores(const Rows& rows) {
    sparse_ = detail::is_sparse<Rows>;
    RowMatrix<Scalar> dense;
    SparseRowMatrix<Scalar> sparse;
    if constexpr (detail::is_sparse<Rows>) {
      Vector<int> sizes(core_samples_.size());
      for (Index k = 0; k < sizes.size(); ++k)
        sizes[k] = static_cast<int>(rows.outerIndexPtr()[core_samples_[k] + 1] -
                                    rows.outerIndexPtr()[core_samples_[k]]);
      sparse.resize(core_samples_.size(), rows.cols());
      sparse.reserve(sizes);
      for (Index k = 0; k < sizes.size(); ++k)
        for (typename Rows::InnerIterator it(rows, core_samples_[k]); it; ++it)
          sparse.insert(k, it.col()) = it.value();
      if (sizes.size() > 0) sparse.makeCompressed();  // Eigen 3.4 reads beyond the end of no rows
    } else {
      dense.resize(core_samples_.size(), rows.cols());
      for (Index k = 0; k < dense.rows(); ++k)
        std::copy_n(rows.data() + core_samples_[k] * rows.outerStride(), rows.cols(),
                    dense.data() + k * rows.cols());
    }
    dense_cores_.set(dense, options_.eps);
    sparse_cores_.set(sparse, options_.eps);
  }

  template <class X>
  static SparseRowMatrix<Scalar> to_sparse(const X& x) {
    if constexpr (detail::is_sparse<X>)
      return x;
    else
      return x.sparseView();
  }
  template <class Stored, class X>
  IndexVector find(const detail::NearestWithin<Stored>& cores, const Eigen::EigenBase<X>& queries) const {
    return detail::with_rows(queries, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      return cores.find(rows, options_.n_threads);
    });
  }

  DBSCANOptions options_;
  IndexVector labels_, core_samples_;
  Index n_clusters_ = 0, n_features_ = 0;
  bool sparse_ = false;
  detail::NearestWithin<RowMatrix<Scalar>> dense_cores_;
  detail::NearestWithin<SparseRowMatrix<Scalar>> sparse_cores_;
};

}  // namespace sparse_experts
