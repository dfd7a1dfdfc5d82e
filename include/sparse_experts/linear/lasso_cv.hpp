// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/alpha_max.hpp>
#include <sparse_experts/linear/elastic_net_fit.hpp>
#include <sparse_experts/linear/elastic_net_options.hpp>
#include <sparse_experts/linear/fold_moments.hpp>
#include <sparse_experts/linear/linear_model.hpp>
#include <sparse_experts/linear/path.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/gram.hpp>
#include <sparse_experts/solvers/path_solver.hpp>
#include <sparse_experts/solvers/refined_gram.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

struct ElasticNetCVOptions {
  Index n_folds = 5;              ///< folds, at least 2
  Index n_alphas = 100;           ///< points of the path, geometric from alpha_max down
  double alpha_min_ratio = 1e-3;  ///< last alpha / alpha_max
  double tol = 1e-4;              ///< duality gap of every fit relative to Σ ω_i (y_i - ȳ)² / 2
  bool fit_intercept = true;      ///< fit an intercept, which is not penalised
  bool positive = false;          ///< restrict the weights to w >= 0
  Index max_iter = 10000;         ///< outer iterations per fit
  LassoSolver solver = LassoSolver::automatic;
  int n_threads = 0;                  ///< 0 = all; folds run in parallel
  ProgressCallback on_progress = {};  ///< called once per point of the last path, over all samples
  bool standardize = false;           ///< penalise the weights of columns of unit variance
  std::vector<double> penalty_factors =
      {};                           ///< one per feature (0: not penalised, infinity: excluded); empty: ones
  std::vector<double> alphas = {};  ///< given alphas, strictly decreasing and > 0; empty: made from n_alphas
  std::uint64_t seed = 0;           ///< draws the folds
  std::vector<Index> folds = {};    ///< given fold of every sample in 0 … n_folds - 1; empty: drawn
  double l1_ratio = 0.5;            ///< ElasticNetCV only; LassoCV is l1_ratio = 1
};
using LassoCVOptions = ElasticNetCVOptions;

/// Elastic net whose alpha is chosen by K-fold cross-validation.
///   mse(k, f) = Σ_{i in fold f} ω_i (y_i - ŷ_i)² / Σ_{i in fold f} ω_i, ŷ fitted at alpha_k without fold f
/// alpha() minimises the mean over the folds; alpha_one_se() is the largest alpha whose mean error is within
/// one standard error of that minimum. The model is then fitted to all samples at alpha() (coef, intercept,
/// predict). Folds leave samples out by weights of zero: nothing is copied. Where n >> p the moments of the
/// folds are summed once, so that K folds cost one pass over X and K small paths. Inputs, certificate and
/// errors: as ElasticNet; every fold needs a sample and every training set a positive weight.
template <class Scalar>
class ElasticNetCV : public LinearModel<Scalar> {
 public:
  explicit ElasticNetCV(ElasticNetCVOptions options = ElasticNetCVOptions())
      : ElasticNetCV(std::move(options), "ElasticNetCV") {}

  template <class X, class Y>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<Y>& y,
                         const Vector<Scalar>& sample_weight = Vector<Scalar>()) {
    static_assert(std::is_same_v<typename X::Scalar, Scalar> && std::is_same_v<typename Y::Scalar, Scalar>,
                  "X and y must have the scalar type of the model");
    const PathOptions path = path_options();
    detail::check_options(path);
    const Vector<Scalar> target = detail::checked_target(x.derived(), y.derived());
    detail::check_sample_weights(sample_weight, target.size());
    const Vector<double> factors = detail::checked_factors(options_.penalty_factors, x.derived().cols());
    const std::vector<Index> folds = checked_folds(target.size());
    detail::with_columns(x, [&]<Design D>(const D& design) {
      fit_design(design, target.template cast<double>(), sample_weight.template cast<double>(), path, factors,
                 folds);
    });
    return this->convergence();
  }

  double alpha() const { return fitted(alpha_); }
  double alpha_one_se() const { return fitted(alpha_one_se_); }
  const std::vector<double>& alphas() const { return fitted(alphas_); }
  /// n_alphas x n_folds.
  const Matrix<double>& mse_path() const { return fitted(mse_); }
  /// Mean over the folds and its standard error, one per alpha.
  const Vector<double>& mean_mse() const { return fitted(mean_); }
  const Vector<double>& standard_error() const { return fitted(error_); }

 protected:
  ElasticNetCV(ElasticNetCVOptions options, const char* name)
      : LinearModel<Scalar>(name), options_(std::move(options)), name_(name) {}

 private:
  template <class T>
  const T& fitted(const T& value) const {
    detail::check_fitted(this->is_fitted(), name_);
    return value;
  }

  PathOptions path_options() const {
    return {.n_alphas = options_.n_alphas,
            .alpha_min_ratio = options_.alpha_min_ratio,
            .tol = options_.tol,
            .fit_intercept = options_.fit_intercept,
            .positive = options_.positive,
            .max_iter = options_.max_iter,
            .solver = options_.solver,
            .n_threads = options_.n_threads,
            .on_progress = {},
            .standardize = options_.standardize,
            .penalty_factors = {},
            .alphas = options_.alphas,
            .l1_ratio = options_.l1_ratio};
  }

  std::vector<Index> checked_folds(Index n) const {
    detail::check_at_least("n_folds", options_.n_folds, 2);
    if (options_.n_folds > n)
      detail::reject("n_folds", options_.n_folds, "at most X.rows() = " + std::to_string(n));
    std::vector<Index> folds = options_.folds;
    if (folds.empty()) {
      folds = Random(options_.seed).permutation(n);
      for (Index& fold : folds) fold %= options_.n_folds;
      return folds;
    }
    detail::check_size("folds.size()", static_cast<Index>(folds.size()), n, "one per row of X");
    std::vector<Index> counts(static_cast<std::size_t>(options_.n_folds), 0);
    for (std::size_t i = 0; i < folds.size(); ++i) {
      if (folds[i] < 0 || folds[i] >= options_.n_folds)
        detail::reject(detail::entry_name("folds", static_cast<Index>(i), 0, true), folds[i],
                       "a fold in [0, n_folds)");
      ++counts[static_cast<std::size_t>(folds[i])];
    }
    for (const Index count : counts)
      if (count == 0) detail::reject("folds", "an empty fold", "a sample in each of n_folds folds");
    return folds;
  }

  template <Design D>
  void fit_design(const D& design, const Vector<double>& y, const Vector<double>& sample_weight,
                  const PathOptions& path, const Vector<double>& factors, const std::vector<Index>& folds) {
    const Index n = design.rows();
    Vector<double> weights =
        sample_weight.size() > 0 ? sample_weight : Vector<double>(Vector<double>::Ones(n));
    Vector<double> fold_weights = Vector<double>::Zero(options_.n_folds);
    for (Index i = 0; i < n; ++i) fold_weights[folds[static_cast<std::size_t>(i)]] += weights[i];
    for (Index f = 0; f < options_.n_folds; ++f)
      if (!(fold_weights[f] > 0) || !(fold_weights[f] < fold_weights.sum()))
        detail::reject("sample_weight", "zero within a fold or outside of it",
                       "a positive sum in every fold");
    const RegressionProblem<D> problem(design, y, sample_weight,
                                       {options_.fit_intercept, options_.standardize, options_.n_threads});
    detail::check_magnitudes(problem, design, options_.n_threads);
    const std::vector<double> alphas =
        path.alphas.empty()
            ? detail::geometric_alphas(detail::alpha_max(problem, path.l1_ratio, path.positive, factors),
                                       path.n_alphas, path.alpha_min_ratio)
            : path.alphas;
    const auto count = static_cast<Index>(alphas.size());
    Matrix<double> mse(count, options_.n_folds);
    const LassoSolver kind =
        path.solver == LassoSolver::automatic ? PathSolver<D>::choose(problem, count) : path.solver;
    bool by_moments = false, rounded = false;
    GramData whole;  // of all samples, where the moments of the folds have been summed
    if constexpr (detail::dense_columns<D>) {
      // Moments about 0 do not know the deviations of columns far from it.
      if (kind == LassoSolver::gram && (path.fit_intercept || !path.standardize)) {
        by_moments = true;
        rounded = path.solver == LassoSolver::automatic && RefinedGram<D>::suits(problem) &&
                  RefinedGram<D>::suits(
                      problem, ElasticNetPenalty(alphas.front(), path.l1_ratio, path.positive, factors));
        if (rounded) whole = moment_paths<float>(problem, path, factors, alphas, folds, mse);
        rounded = whole.gram.size() > 0;
        if (!rounded) whole = moment_paths<double>(problem, path, factors, alphas, folds, mse);
      }
    }
    if (!by_moments) weighted_paths(design, y, weights, path, factors, alphas, folds, fold_weights, mse);
    finish(problem, path, factors, alphas, mse, kind, std::move(whole), rounded);
  }

  /// Every fold a path on the same design with weights of zero for the samples it leaves out.
  template <Design D>
  void weighted_paths(const D& design, const Vector<double>& y, const Vector<double>& weights,
                      PathOptions path, const Vector<double>& factors, const std::vector<double>& alphas,
                      const std::vector<Index>& folds, const Vector<double>& fold_weights,
                      Matrix<double>& mse) const {
    const int n_threads = path.n_threads;
    path.n_threads = 1;
    detail::parallel_blocks(options_.n_folds, 1, n_threads, [&](const detail::Block& block) {
      const Index fold = block.id;
      Vector<double> kept = weights;
      for (Index i = 0; i < kept.size(); ++i)
        if (folds[static_cast<std::size_t>(i)] == fold) kept[i] = 0;
      const RegressionProblem<D> problem(design, y, kept, {path.fit_intercept, path.standardize, 1});
      PathSolver<D> solver(problem, path.solver, static_cast<Index>(alphas.size()));
      detail::walk_path(problem, solver, path, factors, alphas,
                        [&](std::size_t k, const Solution& solution, const ElasticNetPenalty&) {
                          const auto [coef, intercept] = problem.original_units(solution.w);
                          Vector<double> r = y.array() - intercept;
                          for (Index j = 0; j < coef.size(); ++j)
                            if (coef[j] != 0) detail::column_axpy(design, j, -coef[j], nullptr, r.data());
                          double sum = 0;
                          for (Index i = 0; i < r.size(); ++i)
                            if (folds[static_cast<std::size_t>(i)] == fold) sum += weights[i] * r[i] * r[i];
                          mse(static_cast<Index>(k), fold) = sum / fold_weights[fold];
                        });
    });
  }

  /// Every fold a path on moments: those of all samples minus the fold's, multiplied in Real. Returns the
  /// Gram of all samples; nothing where floats would not do, because a fold holds most of some column.
  template <class Real, Design D>
  GramData moment_paths(const RegressionProblem<D>& problem, const PathOptions& path,
                        const Vector<double>& factors, const std::vector<double>& alphas,
                        const std::vector<Index>& folds, Matrix<double>& mse) const {
    detail::Correlations correlations(problem);
    const detail::FoldMoments moments =
        detail::fold_moments<Real>(problem, folds, options_.n_folds, correlations);
    if (std::is_same_v<Real, float> && !detail::spread_over_folds(moments)) return {};
    detail::parallel_blocks(options_.n_folds, 1, path.n_threads, [&](const detail::Block& block) {
      const detail::Moments& left_out = moments.of(block.id);
      detail::MomentProblem fold(moments.total(), left_out, path.fit_intercept, path.standardize,
                                 std::is_same_v<Real, float> ? detail::float_sum_error : 1e-13);
      GramSolver solver(std::move(fold.data), fold.norms);
      Vector<double> w = Vector<double>::Zero(problem.cols());
      for (std::size_t k = 0; k < alphas.size(); ++k) {
        const ElasticNetPenalty penalty(alphas[k], path.l1_ratio, path.positive, factors);
        w = solver.solve(penalty, {path.tol, path.max_iter, {}}, std::move(w)).w;
        const auto [coef, intercept] = fold.original_units(w);
        mse(static_cast<Index>(k), block.id) = left_out.squared_error(coef, intercept) / left_out.weight;
      }
    });
    // The moments are about the means of all samples already.
    GramData whole;
    whole.gram = problem.scale().asDiagonal() * moments.total().xx * problem.scale().asDiagonal();
    whole.target = correlations.finish(problem);
    whole.y_squared = 2 * problem.null_objective();
    return whole;
  }

  /// Chooses alpha and fits all samples along the path down to it.
  template <Design D>
  void finish(const RegressionProblem<D>& problem, PathOptions path, const Vector<double>& factors,
              const std::vector<double>& alphas, const Matrix<double>& mse, LassoSolver kind, GramData whole,
              bool rounded) {
    const auto n_folds = static_cast<double>(options_.n_folds);
    const Vector<double> mean = mse.rowwise().mean();
    const Vector<double> error =
        ((mse.colwise() - mean).rowwise().squaredNorm() / (n_folds * (n_folds - 1))).cwiseSqrt();
    Index best = 0;
    for (Index k = 1; k < mean.size(); ++k)
      if (mean[k] < mean[best]) best = k;
    Index within = best;
    while (within > 0 && mean[within - 1] <= mean[best] + error[best]) --within;

    // On a Gram that is there already the points on the way would be the larger part.
    const std::vector<double> down(alphas.begin() + (whole.gram.size() > 0 ? best : 0),
                                   alphas.begin() + best + 1);
    PathSolver<D> solver = whole.gram.size() > 0
                               ? PathSolver<D>(problem, std::move(whole), rounded)
                               : PathSolver<D>(problem, kind, static_cast<Index>(down.size()));
    path.on_progress = options_.on_progress;
    RegressionFit fit;
    detail::walk_path(problem, solver, path, factors, down,
                      [&](std::size_t, const Solution& solution, const ElasticNetPenalty& penalty) {
                        fit = detail::to_fit<Scalar>(problem, penalty, solution);
                      });
    alphas_ = alphas;
    alpha_ = alphas[static_cast<std::size_t>(best)];
    alpha_one_se_ = alphas[static_cast<std::size_t>(within)];
    mse_ = mse;
    mean_ = mean;
    error_ = error;
    this->set(fit.coef.template cast<Scalar>(),
              RowVector<Scalar>::Constant(1, static_cast<Scalar>(fit.intercept)), {fit.convergence});
  }

  ElasticNetCVOptions options_;
  const char* name_;
  double alpha_ = 0, alpha_one_se_ = 0;
  std::vector<double> alphas_;
  Matrix<double> mse_;
  Vector<double> mean_, error_;
};

/// Lasso whose alpha is chosen by K-fold cross-validation: ElasticNetCV with l1_ratio = 1.
/// Example:
///   se::LassoCV<double> cv({.n_folds = 5});
///   cv.fit(X, y);
///   std::cout << cv.alpha() << ' ' << cv.alpha_one_se() << '\n' << cv.mse_path() << '\n';
template <class Scalar>
class LassoCV : public ElasticNetCV<Scalar> {
 public:
  explicit LassoCV(LassoCVOptions options = LassoCVOptions())
      : ElasticNetCV<Scalar>(
            [&] {
              options.l1_ratio = 1;
              return std::move(options);
            }(),
            "LassoCV") {}
};

}  // namespace sparse_experts
