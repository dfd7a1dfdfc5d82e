// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/linear/l1_svm_binary.hpp>
#include <sparse_experts/linear/l1_svm_options.hpp>
#include <sparse_experts/solvers/margin_screening.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace sparse_experts {

/// Options of l1_svm_path.
struct L1SVMPathOptions {
  Index n_Cs = 50;                              ///< points, geometric from C_max * C_min_ratio up to C_max
  double C_max = 1;                             ///< last C, > 0
  double C_min_ratio = 1e-3;                    ///< first C / C_max, in (0, 1)
  double tol = 1e-3;                            ///< duality gap / primal value of every point
  L1SVMLoss loss = L1SVMLoss::squared_hinge;    ///< loss of the margins
  bool fit_intercept = true;                    ///< a bias, not penalised
  ClassWeights class_weight = {};               ///< none, balanced or given
  int n_threads = 0;                            ///< threads over classes; 0 = all
  L1SVMSolver solver = L1SVMSolver::automatic;  ///< variant
  Index max_iter = 1000;                        ///< outer iterations a point
  std::vector<double> Cs = {};                  ///< given values, ascending and > 0; empty: made from n_Cs
  bool screening = true;  ///< passes over columns that the point before expects at zero only to certify
};

/// Solutions along C, ascending.
template <class Scalar>
struct L1SVMPath {
  std::vector<double> Cs;
  std::vector<int> classes;                 ///< ascending
  std::vector<SparseMatrix<Scalar>> coefs;  ///< one p x n_Cs matrix a problem (one in all for two classes)
  Matrix<Scalar> intercepts;                ///< n_problems x n_Cs
  std::vector<Convergence> convergence;     ///< the worst class of each point
  std::vector<Index> n_screened;            ///< columns left out until the end, over all problems of a point

  /// X W + b at point k: n x n_problems.
  template <class X>
  Matrix<Scalar> decision_function(const Eigen::EigenBase<X>& x, Index k) const {
    detail::check_fitted(!coefs.empty(), "L1SVMPath");
    detail::check_size("X.cols()", x.cols(), coefs[0].rows(), "features of the path");
    if (k < 0 || k >= intercepts.cols()) detail::reject("k", k, "a point of the path");
    Matrix<Scalar> scores(x.rows(), static_cast<Index>(coefs.size()));
    for (std::size_t c = 0; c < coefs.size(); ++c) {
      const Vector<Scalar> w = coefs[c].col(k);
      scores.col(static_cast<Index>(c)) = x.derived() * w;
    }
    scores.rowwise() += intercepts.col(k).transpose();
    return scores;
  }
  /// The label with the largest decision value at point k.
  template <class X>
  LabelVector predict(const Eigen::EigenBase<X>& x, Index k) const {
    return detail::labels_of_scores(decision_function(x, k), classes);
  }
};

namespace detail {

template <class = void>
std::vector<double> path_values(const L1SVMPathOptions& options) {
  for (std::size_t k = 0; k < options.Cs.size(); ++k) {
    const std::string name = entry_name("Cs", static_cast<Index>(k), 0, true);
    check_positive(name, options.Cs[k]);
    if (k > 0 && !(options.Cs[k] > options.Cs[k - 1]))
      reject(name, options.Cs[k], "more than the value before");
  }
  if (!options.Cs.empty()) return options.Cs;
  check_at_least("n_Cs", options.n_Cs, 1);
  check_positive("C_max", options.C_max);
  if (!(options.C_min_ratio > 0 && options.C_min_ratio < 1))
    reject("C_min_ratio", options.C_min_ratio, "a value in (0, 1)");
  std::vector<double> values(static_cast<std::size_t>(options.n_Cs));
  for (std::size_t k = 0; k < values.size(); ++k) {
    const double back = static_cast<double>(values.size() - 1 - k);
    values[k] = options.C_max *
                std::pow(options.C_min_ratio, back / std::max(1.0, static_cast<double>(values.size() - 1)));
  }
  return values;
}

inline L1SVMOptions fit_options(const L1SVMPathOptions& path) {
  L1SVMOptions options;
  options.C = path.C_max;
  options.tol = path.tol;
  options.loss = path.loss;
  options.fit_intercept = path.fit_intercept;
  options.class_weight = path.class_weight;
  options.n_threads = path.n_threads;
  options.solver = path.solver;
  options.max_iter = path.max_iter;
  return options;
}

}  // namespace detail

/// The L1-SVM for a sequence of C, ascending, each point started at the one before (small C: few weights, so
/// the working sets grow along the path); columns that are expected at zero are looked at once a point. X: n
/// x p dense or sparse, labels as in L1SVM. Throws std::invalid_argument on bad sizes or values.
template <class X, class Labels>
L1SVMPath<typename X::Scalar> l1_svm_path(const Eigen::EigenBase<X>& x, const Labels& labels,
                                          const L1SVMPathOptions& options = L1SVMPathOptions()) {
  using Scalar = typename X::Scalar;
  const L1SVMOptions fit = detail::fit_options(options);
  detail::check_l1_svm_options(fit);
  detail::check_not_empty(x.rows(), x.cols(), "X");
  L1SVMPath<Scalar> path;
  path.Cs = detail::path_values(options);
  const LabelVector checked = detail::as_labels(labels);
  detail::check_size("labels.size()", checked.size(), x.rows(), "X.rows()");
  path.classes = detail::distinct_labels(checked);
  if (path.classes.size() < 2)
    detail::reject("number of classes in labels", path.classes.size(), "at least 2");
  const Vector<double> weights = detail::combined_weights(checked, path.classes, fit.class_weight, {});
  const std::size_t n_problems = path.classes.size() == 2 ? 1 : path.classes.size();
  const auto n_points = static_cast<Index>(path.Cs.size());
  path.coefs.assign(n_problems, SparseMatrix<Scalar>(x.cols(), n_points));
  path.intercepts.resize(static_cast<Index>(n_problems), n_points);
  std::vector<std::vector<Convergence>> ends(path.Cs.size(), std::vector<Convergence>(n_problems));
  std::vector<std::vector<Index>> screened(path.Cs.size(), std::vector<Index>(n_problems, 0));

  detail::with_columns(x, [&](const auto& design) {
    detail::check_finite(design.matrix(), "X");
    const auto columns = detail::margin_columns(design, fit);
    detail::parallel_blocks(
        static_cast<Index>(n_problems), 1, options.n_threads, [&](const detail::Block& block) {
          const auto c = static_cast<std::size_t>(block.id);
          const Vector<double> signs = (checked.array() == path.classes[n_problems == 1 ? 1 : c])
                                           .select(Vector<double>::Ones(checked.size()), -1.0);
          L1SVMSolution solution;
          detail::GramStep gram_step(columns, options.n_threads);
          detail::MarginScreening screening;
          for (Index k = 0; k < n_points; ++k) {
            const auto at = static_cast<std::size_t>(k);
            if (k > 0 && options.screening) screening.start(path.Cs[at] / path.Cs[at - 1], solution.coef);
            solution = detail::solve_l1_svm_signs(
                columns, nullptr, signs, detail::sample_costs(path.Cs[at], weights), fit, solution,
                {fit.tol, fit.max_iter, {}}, &gram_step, options.screening ? &screening : nullptr);
            screened[at][c] = screening.n_screened();
            path.coefs[c].startVec(k);
            for (Index j = 0; j < solution.coef.size(); ++j)
              if (solution.coef[j] != 0)
                path.coefs[c].insertBackByOuterInner(k, j) = static_cast<Scalar>(solution.coef[j]);
            path.intercepts(block.id, k) = static_cast<Scalar>(solution.intercept);
            ends[at][c] = solution.convergence;
          }
          path.coefs[c].finalize();
        });
  });
  for (const auto& end : ends) path.convergence.push_back(detail::worst_of(end));
  for (const auto& out : screened)
    path.n_screened.push_back(std::accumulate(out.begin(), out.end(), Index(0)));
  return path;
}

}  // namespace sparse_experts
