// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/center_model.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/kmeans_init.hpp>
#include <sparse_experts/clustering/kmeans_options.hpp>
#include <sparse_experts/clustering/kmeans_problem.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace sparse_experts {

struct SphericalKMeansOptions {
  Index n_clusters = 8;    ///< K, 1 <= K <= number of rows of positive weight
  Index max_iter = 300;    ///< limit of iterations per start
  double tol = 1e-4;       ///< as in KMeans, on the unit rows; 0: until no label changes
  Index n_init = 1;        ///< number of starts; the least objective wins
  std::uint64_t seed = 0;  ///< of the seeding
  KMeansInit init = KMeansInit::kmeans_plus_plus;  ///< where no initial centres are given
  int n_threads = 0;                               ///< 0 = all; never changes a bit of the result
  ProgressCallback on_progress = {};               ///< called after every iteration, with the objective
};

/// K-means by direction, for text and other data where the length of a row says little.
///   min over unit centres m_1 … m_K and labels a of  sum_i w_i (1 - cos(x_i, m_{a(i)}))
/// Both steps lower the objective: each row goes to the centre of largest cosine (ties: lower index), each
/// centre becomes the normalised weighted sum of its unit rows. Empty clusters take the rows farthest from
/// their centres. X (n x p): dense or sparse; a copy with unit rows is kept during the fit. A zero row has no
/// direction: it counts as a cosine of 0. inertia() is the objective, centers() have norm 1. The same bits at
/// any number of threads. Ref: Dhillon, Modha, "Concept decompositions for large sparse text data using
/// clustering", Mach. Learn. 2001.
template <class Scalar>
class SphericalKMeans : public detail::CenterModel<Scalar> {
  using Base = detail::CenterModel<Scalar>;
  using Base::centers_;
  using Base::convergence_;
  using Base::labels_;

 public:
  explicit SphericalKMeans(SphericalKMeansOptions options = SphericalKMeansOptions())
      : Base("SphericalKMeans", options.n_threads), options_(std::move(options)) {}

  const SphericalKMeansOptions& options() const { return options_; }

  template <class X>
  const Convergence& fit(const Eigen::EigenBase<X>& x) {
    return fit_checked(x, RowMatrix<Scalar>(), Vector<double>());
  }
  /// One start from given centres (K x p, none zero); they are normalised.
  template <class X, class C>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<C>& initial_centers) {
    RowMatrix<Scalar> centers = initial_centers;
    detail::check_size("initial_centers.rows()", centers.rows(), options_.n_clusters, "n_clusters");
    detail::check_size("initial_centers.cols()", centers.cols(), x.cols(), "X.cols()");
    detail::check_finite(centers, "initial_centers");
    for (Index k = 0; k < centers.rows(); ++k)
      if (!normalize(centers, k))
        detail::reject("norm of initial centre " + std::to_string(k), 0, "a value > 0");
    return fit_checked(x, centers, Vector<double>());
  }
  /// Seeds and fits with sample weights (n values >= 0).
  template <class X, class W>
  const Convergence& fit_weighted(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<W>& sample_weight) {
    return fit_checked(x, RowMatrix<Scalar>(), Base::checked_weights(sample_weight, x.rows()));
  }

  /// Cosine distances 1 - cos(x_i, m_k) (n x K).
  template <class X>
  RowMatrix<Scalar> transform(const Eigen::EigenBase<X>& x) const {
    Base::check_input(x);
    return detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      return with_unit_rows(rows, [&](const auto& unit) {
        RowMatrix<Scalar> distances = -RowMatrix<Scalar>(unit * centers_.transpose());
        distances.array() += Scalar(1);
        return distances;
      });
    });
  }

 private:
  /// Row k scaled to norm 1; false when it is zero.
  static bool normalize(RowMatrix<Scalar>& centers, Index k) {
    const double largest = static_cast<double>(centers.row(k).cwiseAbs().maxCoeff());
    if (!(largest > 0)) return false;
    const RowVector<double> scaled = centers.row(k).template cast<double>() / largest;
    centers.row(k) = (scaled / scaled.norm()).template cast<Scalar>();
    return true;
  }

  template <class Rows, class F>
  static decltype(auto) with_unit_rows(const Rows& rows, F&& f) {
    if constexpr (detail::is_sparse<Rows>) {
      using StorageIndex = typename Rows::StorageIndex;
      SparseRowMatrix<Scalar, StorageIndex> unit = rows;
      for (Index i = 0; i < unit.rows(); ++i) {
        const Index begin = unit.outerIndexPtr()[i];
        scale_to_unit(unit.valuePtr() + begin, unit.outerIndexPtr()[i + 1] - begin);
      }
      return f(SparseRows<Scalar, StorageIndex>(unit.rows(), unit.cols(), unit.nonZeros(),
                                                unit.outerIndexPtr(), unit.innerIndexPtr(), unit.valuePtr()));
    } else {
      RowMatrix<Scalar> unit = rows;
      for (Index i = 0; i < unit.rows(); ++i) scale_to_unit(unit.data() + i * unit.cols(), unit.cols());
      return f(DenseRows<Scalar>(unit.data(), unit.rows(), unit.cols(), Eigen::OuterStride<>(unit.cols())));
    }
  }
  /// values / |values|, by the largest first, so that squares neither overflow nor vanish; zeros stay.
  static void scale_to_unit(Scalar* values, Index n) {
    double largest = 0, sum = 0;
    for (Index j = 0; j < n; ++j) largest = std::max(largest, std::abs(static_cast<double>(values[j])));
    if (!(largest > 0)) return;
    for (Index j = 0; j < n; ++j) {
      const double scaled = static_cast<double>(values[j]) / largest;
      sum += scaled * scaled;
    }
    const double norm = std::sqrt(sum);
    for (Index j = 0; j < n; ++j)
      values[j] = static_cast<Scalar>(static_cast<double>(values[j]) / largest / norm);
  }

  template <class X>
  const Convergence& fit_checked(const Eigen::EigenBase<X>& x, const RowMatrix<Scalar>& initial,
                                 const Vector<double>& weights) {
    Base::template check_scalar<X>();
    detail::check_not_empty(x.rows(), x.cols(), "X");
    Base::check_common(options_.n_clusters, options_.max_iter, options_.tol, options_.n_threads,
                       Base::usable_rows(weights, x.rows()));
    detail::check_at_least("n_init", options_.n_init, 1);
    detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      with_unit_rows(rows, [&](const auto& unit) { fit_rows(unit, initial, weights); });
    });
    return convergence_;
  }

  struct Result {
    RowMatrix<Scalar> centers;
    detail::Labels labels;
    Convergence convergence;
  };

  template <class Rows>
  void fit_rows(const Rows& unit, const RowMatrix<Scalar>& initial, const Vector<double>& weights) {
    const detail::KMeansProblem<Rows> problem(unit, weights, options_.n_threads);
    Result best;
    const Index starts = initial.size() > 0 ? 1 : options_.n_init;
    for (Index start = 0; start < starts; ++start) {
      Random random(options_.seed, static_cast<std::uint64_t>(start));
      RowMatrix<Scalar> centers = initial;
      if (initial.size() == 0) {
        centers = detail::seed_centers(problem, options_.n_clusters, options_.init, random);
        // A zero row is no direction; the first axis is one.
        for (Index k = 0; k < centers.rows(); ++k)
          if (!normalize(centers, k)) centers(k, 0) = 1;
      }
      Result result = solve(problem, std::move(centers));
      const bool stopped = result.convergence.status == Status::stopped;
      if (start == 0 || result.convergence.objective < best.convergence.objective) best = std::move(result);
      if (stopped) {
        best.convergence.status = Status::stopped;
        break;
      }
    }
    centers_ = std::move(best.centers);
    labels_.resize(unit.rows());
    for (Index i = 0; i < unit.rows(); ++i) labels_[i] = best.labels[static_cast<std::size_t>(i)];
    convergence_ = best.convergence;
  }

  template <class Problem>
  Result solve(const Problem& problem, RowMatrix<Scalar> centers) const {
    const Index n = problem.x.rows();
    detail::ClusterSums sums(centers.rows(), problem.x.cols());
    detail::CenterTiles<Scalar> tiles;
    detail::Labels labels(static_cast<std::size_t>(n), -1), before;
    Convergence report{Status::max_iter, 0, options_.tol, 0, 0};
    const auto update = [&] {
      Index changed = 0;
      for (std::size_t i = 0; i < labels.size(); ++i) changed += labels[i] != before[i];
      if (changed > 0) sums.update(problem.x, problem.weights, before, labels, changed, problem.n_threads);
      before = labels;
      return changed;
    };
    while (true) {
      before = labels;
      tiles.pack(centers, RowVector<Scalar>());
      detail::assign_nearest(problem.x, tiles, labels.data(), problem.n_threads);
      const bool settled = labels == before;
      if (settled) {
        report.value = 0;
        report.status = Status::converged;
      }
      // The labels returned are those of the centres returned: leave between the two steps.
      if (report.status == Status::converged || report.n_iter == options_.max_iter) break;
      ++report.n_iter;
      update();
      if (problem.refill_empty(centers, sums, labels) > 0) update();
      RowMatrix<Scalar> next = centers;
      sums.centers(next);
      for (Index k = 0; k < next.rows(); ++k)
        if (!normalize(next, k))
          next.row(k) = centers.row(k);  // rows that cancel: every direction is as good
      const double shift = (next - centers).template cast<double>().squaredNorm();
      centers.swap(next);
      report.value = problem.mean_variance > 0 ? shift / problem.mean_variance : 0.0;
      if (report.value <= options_.tol) report.status = Status::converged;
      if (options_.on_progress && !report_progress_now(problem, centers, labels, report)) {
        report.status = Status::stopped;
        tiles.pack(centers, RowVector<Scalar>());
        detail::assign_nearest(problem.x, tiles, labels.data(), problem.n_threads);
        break;
      }
    }
    report.objective = objective(problem, centers, labels);
    return {std::move(centers), std::move(labels), report};
  }

  template <class Problem>
  bool report_progress_now(const Problem& problem, const RowMatrix<Scalar>& centers,
                           const detail::Labels& labels, const Convergence& report) const {
    return detail::report_progress(options_.on_progress, {"spherical kmeans", report.n_iter, report.value,
                                                          options_.tol, objective(problem, centers, labels)});
  }

  /// sum_i w_i (1 - u_i' m): |u - m|^2 = |u|^2 + |m|^2 - 2 u'm, and both norms are known.
  template <class Problem>
  static double objective(const Problem& problem, const RowMatrix<Scalar>& centers,
                          const detail::Labels& labels) {
    const Vector<double> squared = problem.squared_distances(centers, labels);
    double sum = 0;
    for (Index i = 0; i < squared.size(); ++i)
      sum += problem.weight(i) * (problem.squared_norms[i] > 0 ? 0.5 * squared[i] : 1.0);
    return sum;
  }

  SphericalKMeansOptions options_;
};

}  // namespace sparse_experts
