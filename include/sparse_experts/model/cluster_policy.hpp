// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/kmeans.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/gate.hpp>
#include <sparse_experts/model/policies.hpp>

#include <utility>

namespace sparse_experts {

/// Clusterings that the default policy chooses from at run time.
enum class ClusterKind {
  none,   ///< K = 0: the shared expert alone
  kmeans  ///< K-means, K = n_clusters
};

struct ClusterOptions {
  ClusterKind kind = ClusterKind::kmeans;  ///< the clustering
  Index n_clusters = 0;                    ///< K, one expert each; 0: the shared expert alone
  Index max_iter = 100;                    ///< iterations a start
  double tol = 1e-4;                       ///< as in KMeansOptions
  Index n_init = 1;                        ///< starts
};

/// The default clustering policy.
template <class Scalar>
class ClusterPolicy {
 public:
  using Options = ClusterOptions;

  explicit ClusterPolicy(ClusterOptions options = ClusterOptions()) : options_(std::move(options)) {}

  /// rows: codes (SparseRows) or scaled samples (DenseRows or SparseRows).
  template <class Rows>
  Convergence fit(const Rows& rows, const StageContext& context) {
    detail::check_at_least("clustering.n_clusters", options_.n_clusters, 0);
    anchors_ = {};
    anchors_.points.resize(0, rows.cols());
    if (options_.kind == ClusterKind::none || options_.n_clusters == 0)
      return {Status::converged, 0, options_.tol, 0, 0};
    if (options_.n_clusters > rows.rows())
      detail::reject("clustering.n_clusters", options_.n_clusters,
                     "at most the number of samples, " + std::to_string(rows.rows()));
    KMeans<Scalar> kmeans({.n_clusters = options_.n_clusters,
                           .max_iter = options_.max_iter,
                           .tol = options_.tol,
                           .n_init = options_.n_init,
                           .seed = context.seed,
                           .n_threads = context.n_threads,
                           .on_progress = context.on_progress});
    const Convergence certificate = kmeans.fit(rows);
    anchors_.points = kmeans.centers();
    return certificate;
  }

  const Anchors<Scalar>& anchors() const { return anchors_; }
  const ClusterOptions& options() const { return options_; }

 private:
  ClusterOptions options_;
  Anchors<Scalar> anchors_;
};

}  // namespace sparse_experts
