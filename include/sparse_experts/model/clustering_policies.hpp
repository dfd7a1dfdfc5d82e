// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/balanced.hpp>
#include <sparse_experts/clustering/dbscan.hpp>
#include <sparse_experts/clustering/mini_batch.hpp>
#include <sparse_experts/clustering/spherical.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/model/gate.hpp>
#include <sparse_experts/model/policies.hpp>

#include <algorithm>
#include <utility>

namespace sparse_experts {

/// Clustering policy of any estimator with options (n_clusters, seed, n_threads, on_progress), fit and
/// centers. `Spherical`: distances are taken between unit vectors.
template <class Scalar, class Estimator, class EstimatorOptions, bool Spherical = false>
class CentersPolicy {
 public:
  using Options = EstimatorOptions;

  explicit CentersPolicy(Options options = Options()) : options_(std::move(options)) {}

  template <class Rows>
  Convergence fit(const Rows& rows, const StageContext& context) {
    Options options = options_;
    options.seed = context.seed;
    options.n_threads = context.n_threads;
    options.on_progress = context.on_progress;
    Estimator estimator(options);
    const Convergence certificate = estimator.fit(rows);
    anchors_ = {};
    anchors_.points = estimator.centers();
    anchors_.normalize = Spherical;
    return certificate;
  }
  const Anchors<Scalar>& anchors() const { return anchors_; }

 private:
  Options options_;
  Anchors<Scalar> anchors_;
};

/// Clusters of limited size while training: SparseExpertModel<float, Encoder<float>,
/// BalancedClusters<float>>.
template <class Scalar>
using BalancedClusters = CentersPolicy<Scalar, BalancedKMeans<Scalar>, BalancedKMeansOptions>;
/// Clusters by direction.
template <class Scalar>
using SphericalClusters = CentersPolicy<Scalar, SphericalKMeans<Scalar>, SphericalKMeansOptions, true>;
/// Clusters from batches of samples, for large n.
template <class Scalar>
using MiniBatchClusters = CentersPolicy<Scalar, MiniBatchKMeans<Scalar>, MiniBatchKMeansOptions>;

/// DBSCAN: K is an outcome. Every core sample is an anchor of its cluster; a sample with no core within eps
/// is noise and reaches the shared expert alone. Take gate.top_k = 1 for DBSCAN's own assignment.
template <class Scalar>
class DensityClusters {
 public:
  using Options = DBSCANOptions;

  explicit DensityClusters(DBSCANOptions options = DBSCANOptions()) : options_(options) {}

  template <class Rows>
  Convergence fit(const Rows& rows, const StageContext& context) {
    DBSCANOptions options = options_;
    options.n_threads = context.n_threads;
    DBSCAN<Scalar> dbscan(options);
    dbscan.fit(rows);
    const IndexVector& cores = dbscan.core_sample_indices();
    anchors_ = {};
    anchors_.points.setZero(cores.size(), rows.cols());
    anchors_.radius = options_.eps;
    for (Index c = 0; c < cores.size(); ++c) {
      if constexpr (detail::is_sparse<Rows>) {
        for (typename Rows::InnerIterator it(rows, cores[c]); it; ++it)
          anchors_.points(c, it.col()) = it.value();
      } else {
        anchors_.points.row(c) = rows.row(cores[c]);
      }
      anchors_.cluster.push_back(dbscan.labels()[cores[c]]);
    }
    return {Status::converged, 0, 0, 0, 1};
  }
  const Anchors<Scalar>& anchors() const { return anchors_; }

 private:
  DBSCANOptions options_;
  Anchors<Scalar> anchors_;
};

}  // namespace sparse_experts
