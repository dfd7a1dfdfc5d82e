// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_model.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/kmeans_init.hpp>
#include <sparse_experts/clustering/kmeans_options.hpp>
#include <sparse_experts/clustering/kmeans_problem.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model_selection/split.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sparse_experts {

struct MiniBatchKMeansOptions {
  Index n_clusters = 8;              ///< K, 1 <= K <= number of rows of positive weight
  Index max_iter = 100;              ///< limit of passes over the data
  double tol = 0;                    ///< stop when the smoothed squared shift of the centres of a batch
                                     ///< is at most tol times the mean variance of the features
  Index batch_size = 1024;           ///< rows per step
  Index max_no_improvement = 10;     ///< steps without a lower smoothed inertia that end fit; 0: no end
  double reassignment_ratio = 0.01;  ///< after a pass, centres that weigh less than this share of the
                                     ///< heaviest are moved to far rows; 0: never
  Index n_init = 3;                  ///< seedings tried on the first rows; the best is used
  std::uint64_t seed = 0;            ///< of the seeding and of the order of the rows
  KMeansInit init = KMeansInit::kmeans_plus_plus;  ///< on max(3 K, 3 batch_size) rows drawn at random
  int n_threads = 0;                               ///< 0 = all; never changes a bit of the result
  ProgressCallback on_progress = {};               ///< called after every pass
};

/// K-means by small batches of rows: about the inertia of KMeans for a few passes over the data, and data
/// that come in pieces. Each centre is the weighted mean of all rows it has been given so far.
///   for every batch: labels <- nearest centres; sum_k += w_i x_i, weight_k += w_i; m_k <- sum_k / weight_k
/// fit(X) runs passes over X in random order until the smoothed inertia of the batches stops falling;
/// labels() and inertia() are then those of all rows at the final centres. partial_fit(X) is one step with X
/// as the batch; the first call seeds the centres from its rows, so it needs at least K; labels() and
/// inertia() are those of the batch at the centres before the step. Dense and sparse X. Cost O(batch K p) a
/// step, memory O(K p) beside X. The same bits at any number of threads. Ref: Sculley, "Web-scale k-means
/// clustering", WWW 2010, algorithm 1.
template <class Scalar>
class MiniBatchKMeans : public detail::CenterModel<Scalar> {
  using Base = detail::CenterModel<Scalar>;
  using Base::centers_;
  using Base::convergence_;
  using Base::labels_;
  using Base::origin_;

 public:
  explicit MiniBatchKMeans(MiniBatchKMeansOptions options = MiniBatchKMeansOptions())
      : Base("MiniBatchKMeans", options.n_threads), options_(std::move(options)) {}

  const MiniBatchKMeansOptions& options() const { return options_; }

  template <class X>
  const Convergence& fit(const Eigen::EigenBase<X>& x) {
    return fit_weighted(x, Vector<double>());
  }
  /// Sample weights: n values >= 0.
  template <class X, class W>
  const Convergence& fit_weighted(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<W>& sample_weight) {
    const Vector<double> weights = checked(x, sample_weight);
    check_rows(x.rows(), weights);
    detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      run_passes(rows, weights);
    });
    return convergence_;
  }

  template <class X>
  MiniBatchKMeans& partial_fit(const Eigen::EigenBase<X>& x) {
    return partial_fit(x, Vector<double>());
  }
  template <class X, class W>
  MiniBatchKMeans& partial_fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<W>& sample_weight) {
    const Vector<double> weights = checked(x, sample_weight);
    if (Base::is_fitted())
      detail::check_size("X.cols()", x.cols(), centers_.cols(), "as in the first call");
    else
      check_rows(x.rows(), weights);
    detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      if (!Base::is_fitted()) {
        Random random(options_.seed);
        seed(rows, weights, random);
        convergence_ = {};
      }
      std::vector<Index> batch = detail::all_rows(rows.rows());
      detail::Labels labels(batch.size());
      const StepReport step = take_step(rows, weights, batch, labels);
      labels_.resize(rows.rows());
      for (Index i = 0; i < rows.rows(); ++i) labels_[i] = labels[static_cast<std::size_t>(i)];
      convergence_.objective = step.inertia;
      convergence_.value = step.squared_shift;
      convergence_.tolerance = options_.tol;
      ++convergence_.n_iter;
    });
    return *this;
  }

 private:
  struct StepReport {
    double inertia = 0;
    double weight = 0;
    double squared_shift = 0;
  };

  template <class X, class W>
  Vector<double> checked(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<W>& sample_weight) const {
    Base::template check_scalar<X>();
    detail::check_not_empty(x.rows(), x.cols(), "X");
    detail::check_at_least("batch_size", options_.batch_size, 1);
    detail::check_at_least("n_init", options_.n_init, 1);
    detail::check_at_least("max_no_improvement", options_.max_no_improvement, 0);
    detail::check_in_unit_interval("reassignment_ratio", options_.reassignment_ratio);
    return Base::checked_weights(sample_weight, x.rows());
  }
  void check_rows(Index n, const Vector<double>& weights) const {
    Base::check_common(options_.n_clusters, options_.max_iter, options_.tol, options_.n_threads,
                       Base::usable_rows(weights, n));
  }

  /// First centres from a random part of the rows.
  template <class Rows>
  void seed(const Rows& rows, const Vector<double>& weights, Random& random) {
    std::vector<Index> usable;
    for (Index i = 0; i < rows.rows(); ++i)
      if (weights.size() == 0 || weights[i] > 0) usable.push_back(i);
    random.shuffle(usable);
    const auto wanted = static_cast<std::size_t>(3 * std::max(options_.n_clusters, options_.batch_size));
    if (usable.size() > wanted) usable.resize(wanted);
    std::sort(usable.begin(), usable.end());
    Vector<double> part_weights;
    if (weights.size() > 0) part_weights = weights(usable);
    const auto part = take_rows(rows, usable);
    detail::with_rows(part, [&](const auto& part_rows) {
      const detail::KMeansProblem<std::decay_t<decltype(part_rows)>> problem(part_rows, part_weights,
                                                                             options_.n_threads);
      double least = -1;
      detail::CenterTiles<Scalar> tiles;
      detail::Labels labels(static_cast<std::size_t>(part_rows.rows()));
      for (Index start = 0; start < options_.n_init; ++start) {
        const RowMatrix<Scalar> centers =
            detail::seed_centers(problem, options_.n_clusters, options_.init, random);
        tiles.pack(centers, problem.origin);
        detail::assign_nearest(part_rows, tiles, labels.data(), options_.n_threads);
        const double inertia = problem.inertia(centers, labels);
        if (start > 0 && inertia >= least) continue;
        least = inertia;
        centers_ = centers;
      }
      origin_ = problem.origin;
      mean_variance_ = problem.mean_variance;
    });
    sums_ = RowMatrix<double>::Zero(centers_.rows(), centers_.cols());
    weights_ = Vector<double>::Zero(centers_.rows());
  }

  /// One batch: labels, inertia before the update, means.
  template <class Rows>
  StepReport take_step(const Rows& rows, const Vector<double>& weights, const std::vector<Index>& batch,
                       detail::Labels& labels) {
    detail::CenterTiles<Scalar> tiles;
    tiles.pack(centers_, origin_);
    const auto size = static_cast<Index>(batch.size());
    detail::parallel_blocks(size, detail::nearest_chunk, options_.n_threads, [&](const detail::Block& block) {
      auto scratch = detail::make_score_scratch<Scalar>();
      detail::Nearest<Scalar> best[detail::nearest_chunk];
      detail::nearest_centers<false>(rows, block.size(), batch.data() + block.begin, tiles, scratch, best);
      for (Index t = 0; t < block.size(); ++t)
        labels[static_cast<std::size_t>(block.begin + t)] = best[t].index;
    });
    StepReport report;
    const Vector<double> squares = centers_.template cast<double>().rowwise().squaredNorm();
    std::vector<char> touched(static_cast<std::size_t>(centers_.rows()), 0);
    far_row_ = -1;
    far_distance_ = 0;
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const double weight = weights.size() == 0 ? 1.0 : weights[batch[b]];
      if (!(weight > 0)) continue;
      const Index k = labels[b];
      const double squared =
          detail::row_squared_distance(rows, batch[b], centers_.data() + k * centers_.cols(), squares[k]);
      report.inertia += weight * squared;
      report.weight += weight;
      if (squared > far_distance_) {
        far_distance_ = squared;
        far_row_ = batch[b];
      }
      detail::add_row(rows, batch[b], weight, sums_.data() + k * sums_.cols());
      weights_[k] += weight;
      touched[static_cast<std::size_t>(k)] = 1;
    }
    for (Index k = 0; k < centers_.rows(); ++k) {
      if (touched[static_cast<std::size_t>(k)] == 0) continue;
      const RowVector<Scalar> before = centers_.row(k);
      centers_.row(k) = (sums_.row(k) / weights_[k]).template cast<Scalar>();
      report.squared_shift += (centers_.row(k) - before).template cast<double>().squaredNorm();
    }
    return report;
  }

  /// Moves the lightest centre, if it is too light, to the row of the last batch that was farthest from its
  /// own.
  template <class Rows>
  void reassign(const Rows& rows) {
    Index lightest = 0;
    const double least = weights_.minCoeff(&lightest);
    if (far_row_ < 0 || !(least < options_.reassignment_ratio * weights_.maxCoeff())) return;
    detail::copy_row(rows, far_row_, centers_.data() + lightest * centers_.cols());
    weights_[lightest] = 0;
    sums_.row(lightest).setZero();
  }

  template <class Rows>
  void run_passes(const Rows& rows, const Vector<double>& weights) {
    Random random(options_.seed);
    seed(rows, weights, random);
    const Index n = rows.rows(), size = std::min(options_.batch_size, n);
    const double smoothing = std::min(1.0, 2.0 * static_cast<double>(size) / static_cast<double>(n + 1));
    Convergence report{Status::max_iter, 0, options_.tol, 0, 0};
    double inertia = -1, shift = 0, least = -1;
    Index without_improvement = 0, n_steps = 0;
    std::vector<Index> order = detail::all_rows(n);
    while (report.n_iter < options_.max_iter && report.status == Status::max_iter) {
      random.shuffle(order);
      for (Index begin = 0; begin < n && report.status == Status::max_iter; begin += size) {
        std::vector<Index> batch(order.begin() + begin, order.begin() + std::min(n, begin + size));
        std::sort(batch.begin(), batch.end());  // rows in memory order
        detail::Labels labels(batch.size());
        const StepReport step = take_step(rows, weights, batch, labels);
        if (!(step.weight > 0)) continue;
        const double mean = step.inertia / step.weight;
        inertia = n_steps == 0 ? mean : inertia + smoothing * (mean - inertia);
        shift = n_steps == 0 ? step.squared_shift : shift + smoothing * (step.squared_shift - shift);
        ++n_steps;
        report.value = mean_variance_ > 0 ? shift / mean_variance_ : 0.0;
        if (n_steps > 1 && report.value <= options_.tol) report.status = Status::converged;
        if (least < 0 || inertia < least) {
          least = inertia;
          without_improvement = 0;
        } else if (options_.max_no_improvement > 0 && ++without_improvement >= options_.max_no_improvement) {
          report.status = Status::stalled;
        }
      }
      ++report.n_iter;
      if (report.status == Status::max_iter && report.n_iter < options_.max_iter) reassign(rows);
      if (!detail::report_progress(options_.on_progress,
                                   {"mini-batch kmeans", report.n_iter, report.value, options_.tol, inertia}))
        report.status = Status::stopped;
    }
    finish(rows, weights, report);
  }

  template <class Rows>
  void finish(const Rows& rows, const Vector<double>& weights, Convergence report) {
    labels_.resize(rows.rows());
    Base::nearest_labels(rows, labels_.data());
    const Vector<double> squares = centers_.template cast<double>().rowwise().squaredNorm();
    report.objective =
        detail::parallel_sum(rows.rows(), 512, options_.n_threads, 0.0, [&](const detail::Block& block) {
          double sum = 0;
          for (Index i = block.begin; i < block.end; ++i)
            sum += (weights.size() == 0 ? 1.0 : weights[i]) *
                   detail::row_squared_distance(rows, i, centers_.data() + labels_[i] * centers_.cols(),
                                                squares[labels_[i]]);
          return sum;
        });
    convergence_ = report;
  }

  MiniBatchKMeansOptions options_;
  RowMatrix<double> sums_;  // K x p: of all rows given to each centre
  Vector<double> weights_;  // K
  double mean_variance_ = 0;
  Index far_row_ = -1;  // of the last batch
  double far_distance_ = 0;
};

}  // namespace sparse_experts
