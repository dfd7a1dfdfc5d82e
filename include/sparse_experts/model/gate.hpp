// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace sparse_experts {

struct GateOptions {
  Index top_k = 2;  ///< experts that a sample reaches at most; 1 is the hard gate; more than K means K
  double beta = 4;  ///< sharpness of the softmax, relative to the mean squared distance to the nearest centre
};

/// What a clustering hands to the gate. Each cluster owns one or more anchors (K-means: its centre; DBSCAN:
/// its core samples); the distance of a sample to a cluster is the distance to the nearest of its anchors.
template <class Scalar>
struct Anchors {
  RowMatrix<Scalar> points;    ///< M x m
  std::vector<Index> cluster;  ///< cluster of each anchor, 0 … K-1; empty: anchor i is cluster i
  bool normalize = false;      ///< samples are divided by their norm first (spherical clusterings)
  double radius = -1;          ///< farther samples are noise: no expert, the shared one alone; < 0: none
};

/// Gate g(u) in R^K: non-negative, at most top_k non-zeros, sums to 1 (to 0 for noise):
///   g_e = exp(-beta d_e^2 / D) / sum over the top_k nearest clusters, d_e = |u - m_e|,
/// D the mean squared distance of the training samples to their nearest anchor, which makes beta free of
/// scale. Ties go to the lower cluster number. Cost O(nnz(u) M) a sample.
template <class Scalar>
class Gate {
 public:
  using Codes = SparseRows<Scalar>;

  /// Buffers for one sample at a time; one per thread.
  struct Workspace {
    Vector<Scalar> product;  // M: anchors times sample
    std::vector<std::pair<double, Index>> nearest;
    std::vector<Index> expert;     // result: experts with non-zero weight, ascending
    std::vector<Scalar> weight;    // result: their weights
    std::vector<double> distance;  // K
  };

  /// Rows (training samples in the space of the anchors) set the scale of beta. DenseRows, SparseRows, or a
  /// RowReader of them.
  template <class Rows>
  void fit(Anchors<Scalar> anchors, const Rows& rows, const GateOptions& options, int n_threads = 1) {
    fit_rows(std::move(anchors), detail::RowReader<Scalar>(rows), options, n_threads);
  }

  /// Another top_k or beta over the same anchors.
  void set_options(const GateOptions& options) {
    detail::check_at_least("gate.top_k", options.top_k, 1);
    detail::check_non_negative("gate.beta", options.beta);
    options_ = options;
  }

  /// Gate weights, n x K, rows as in `rows`.
  template <class Rows>
  SparseRowMatrix<Scalar> weights(const Rows& rows, int n_threads = 1) const {
    return weights_of(detail::RowReader<Scalar>(rows), n_threads);
  }

  Workspace workspace() const {
    Workspace ws;
    ws.product.resize(transposed_.cols());
    ws.nearest.reserve(static_cast<std::size_t>(n_clusters_));
    ws.expert.reserve(static_cast<std::size_t>(slots()));
    ws.weight.reserve(static_cast<std::size_t>(slots()));
    ws.distance.resize(static_cast<std::size_t>(n_clusters_));
    return ws;
  }

  /// One sample with `count` stored entries at `columns` (nullptr: 0, 1, …); the result is left in `ws`. No
  /// allocation.
  void evaluate(Index count, const int* columns, const Scalar* values, Workspace& ws) const {
    ws.expert.clear();
    ws.weight.clear();
    if (n_clusters_ == 0) return;
    distances(count, columns, values, ws);
    ws.nearest.clear();
    for (Index e = 0; e < n_clusters_; ++e)
      ws.nearest.emplace_back(ws.distance[static_cast<std::size_t>(e)], e);
    const auto k = static_cast<std::ptrdiff_t>(slots());
    std::partial_sort(ws.nearest.begin(), ws.nearest.begin() + k, ws.nearest.end());
    const double nearest = ws.nearest[0].first;
    if (anchors_.radius >= 0 && nearest > anchors_.radius * anchors_.radius) return;
    for (std::ptrdiff_t t = 0; t < k; ++t)
      ws.expert.push_back(ws.nearest[static_cast<std::size_t>(t)].second);
    std::sort(ws.expert.begin(), ws.expert.end());
    double sum = 0;
    // Training samples that all lie on anchors: the limit of ever smaller distances, the nearest alone.
    const double sharpness = options_.beta / std::max(mean_squared_distance_, 1e-200);
    const auto share = [&](Index e) {
      return std::exp(-sharpness * (ws.distance[static_cast<std::size_t>(e)] - nearest));
    };
    for (const Index e : ws.expert) sum += share(e);
    std::size_t kept = 0;
    for (const Index e : ws.expert) {
      const auto w = static_cast<Scalar>(share(e) / sum);
      if (!(w > Scalar(1e-6))) continue;  // an expert that cannot change a decision costs time for nothing
      ws.expert[kept++] = e;
      ws.weight.push_back(w);
    }
    ws.expert.resize(kept);
  }

  Index bytes() const { return transposed_.size() * static_cast<Index>(sizeof(Scalar)); }
  Index n_clusters() const { return n_clusters_; }
  const GateOptions& options() const { return options_; }
  double mean_squared_distance() const { return mean_squared_distance_; }
  /// m x M, one column an anchor.
  const RowMatrix<Scalar>& transposed_anchors() const { return transposed_; }

 private:
  Index slots() const { return std::min(options_.top_k, n_clusters_); }

  void fit_rows(Anchors<Scalar> anchors, const detail::RowReader<Scalar>& rows, const GateOptions& options,
                int n_threads) {
    detail::check_at_least("gate.top_k", options.top_k, 1);
    detail::check_non_negative("gate.beta", options.beta);
    detail::check_size("anchors.points.cols()", anchors.points.cols(), rows.cols(), "columns of the samples");
    const RowMatrix<Scalar>& points = anchors.points;
    Index n_clusters = points.rows();
    if (!anchors.cluster.empty())
      n_clusters = 1 + *std::max_element(anchors.cluster.begin(), anchors.cluster.end());
    transposed_.resize(points.cols(), points.rows());
    detail::transpose(points.data(), points.rows(), points.cols(), transposed_.data(), points.rows());
    squared_norm_.resize(points.rows());
    for (Index a = 0; a < points.rows(); ++a)
      squared_norm_[a] =
          static_cast<Scalar>(detail::squared_length(points.data() + a * points.cols(), points.cols()));
    anchors_ = std::move(anchors);
    anchors_.points.resize(0, 0);
    n_clusters_ = n_clusters;
    options_ = options;
    mean_squared_distance_ = mean_distance(rows, n_threads);
  }

  SparseRowMatrix<Scalar> weights_of(const detail::RowReader<Scalar>& rows, int n_threads) const {
    const Index n = rows.rows(), k = slots();
    std::vector<Index> count(static_cast<std::size_t>(n), 0);
    std::vector<int> expert(static_cast<std::size_t>(n * k));
    std::vector<Scalar> weight(static_cast<std::size_t>(n * k));
    detail::parallel_blocks(n, 256, n_threads, [&](const detail::Block& block) {
      Workspace ws = workspace();
      for (Index i = block.begin; i < block.end; ++i) {
        const auto row = rows.row(i);
        evaluate(row.count, row.columns, row.values, ws);
        count[static_cast<std::size_t>(i)] = static_cast<Index>(ws.expert.size());
        for (std::size_t t = 0; t < ws.expert.size(); ++t) {
          expert[static_cast<std::size_t>(i * k) + t] = static_cast<int>(ws.expert[t]);
          weight[static_cast<std::size_t>(i * k) + t] = ws.weight[t];
        }
      }
    });
    SparseRowMatrix<Scalar> g(n, n_clusters_);
    Index total = 0;
    for (Index c : count) total += c;
    g.resizeNonZeros(total);
    Index at = 0;
    for (Index i = 0; i < n; ++i) {
      g.outerIndexPtr()[i] = static_cast<int>(at);
      for (Index t = 0; t < count[static_cast<std::size_t>(i)]; ++t, ++at) {
        g.innerIndexPtr()[at] = expert[static_cast<std::size_t>(i * k + t)];
        g.valuePtr()[at] = weight[static_cast<std::size_t>(i * k + t)];
      }
    }
    g.outerIndexPtr()[n] = static_cast<int>(at);
    return g;
  }

  // Squared distances to the clusters: |u|^2 - 2 m'u + |m|^2, clamped at 0.
  void distances(Index count, const int* columns, const Scalar* values, Workspace& ws) const {
    const Index m = ws.product.size();
    Scalar* product = ws.product.data();
    std::fill(product, product + m, Scalar(0));
    double norm = 0;
    for (Index t = 0; t < count; ++t) {
      const Scalar v = values[t];
      if (v == Scalar(0)) continue;
      norm += static_cast<double>(v) * static_cast<double>(v);
      const Scalar* anchors = transposed_.data() + (columns ? static_cast<Index>(columns[t]) : t) * m;
      for (Index a = 0; a < m; ++a) product[a] += v * anchors[a];
    }
    double factor = 1;
    if (anchors_.normalize && norm > 0) {
      factor = 1 / std::sqrt(norm);
      norm = 1;
    }
    std::fill(ws.distance.begin(), ws.distance.end(), std::numeric_limits<double>::max());
    for (Index a = 0; a < ws.product.size(); ++a) {
      const auto e = static_cast<std::size_t>(
          anchors_.cluster.empty() ? a : anchors_.cluster[static_cast<std::size_t>(a)]);
      const double d = std::max(0.0, norm - 2 * factor * static_cast<double>(ws.product[a]) +
                                         static_cast<double>(squared_norm_[a]));
      ws.distance[e] = std::min(ws.distance[e], d);
    }
  }

  double mean_distance(const detail::RowReader<Scalar>& rows, int n_threads) const {
    if (n_clusters_ == 0 || rows.rows() == 0) return 0;
    const double sum =
        detail::parallel_sum(rows.rows(), 256, n_threads, 0.0, [&](const detail::Block& block) {
          Workspace ws = workspace();
          double part = 0;
          for (Index i = block.begin; i < block.end; ++i) {
            const auto row = rows.row(i);
            distances(row.count, row.columns, row.values, ws);
            part += *std::min_element(ws.distance.begin(), ws.distance.end());
          }
          return part;
        });
    return sum / static_cast<double>(rows.rows());
  }

  GateOptions options_;
  Anchors<Scalar> anchors_;
  RowMatrix<Scalar> transposed_;
  Vector<Scalar> squared_norm_;
  Index n_clusters_ = 0;
  double mean_squared_distance_ = 0;
};

}  // namespace sparse_experts
