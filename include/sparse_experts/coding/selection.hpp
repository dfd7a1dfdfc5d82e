// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/encode_rows.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/linear/elastic_net.hpp>
#include <sparse_experts/linear/lasso_cv.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Options of LassoSelection.
struct LassoSelectionOptions {
  double alpha = 0;           ///< strength of the penalty for every target; 0: alpha_ratio decides
  double alpha_ratio = 0.05;  ///< alpha as a share of each target's alpha_max, in (0, 1]
  double l1_ratio = 1;        ///< share of the L1 norm, in (0, 1]; 1 = Lasso
  Index max_features =
      0;              ///< at most so many columns a target: the path towards alpha stops before; 0 = no bound
  double tol = 1e-4;  ///< relative duality gap of each regression
  Index max_iter = 10000;  ///< iterations of each regression
  int n_threads = 0;       ///< 0 = all
  Index n_folds = 0;  ///< 2 or more: cross-validation chooses each target's alpha (alpha must be 0); 0 = none
  Index n_alphas = 30;     ///< points of the path that cross-validation tries
  bool one_se = false;     ///< the largest alpha within one standard error of the best: fewer columns
  std::uint64_t seed = 0;  ///< draws the folds
};

/// Supervised representation: the columns of X (n x p) that a Lasso or Elastic Net of the targets gives a
/// weight,
///   w_t = argmin_{w,b} 1/(2n) |y_t - X w - b|^2 + alpha_t (l1_ratio |w|_1 + (1 - l1_ratio)/2 |w|^2),
/// for each target t (each class against the rest with targets -1 and 1); selected = the union of their
/// supports, in ascending order. alpha_t = alpha, or alpha_ratio times the smallest alpha with w_t = 0. With
/// n_folds it is the alpha of least cross-validated squared error on the path between these two, by the same
/// folds for every target (dealt class by class, so that each has samples of every class that has enough).
/// With max_features the regressions follow the path of 20 alphas a decade down to alpha_t, and stop before a
/// support grows too large. Codes are the selected columns as they are. Columns should have comparable
/// scales: the penalty does not know units.
///   LassoSelection<double> selection({.alpha_ratio = 0.05});
///   selection.fit(X, labels);                                      // or real targets, n or n x q
///   LassoSelection<double> chosen({.n_folds = 5, .one_se = true});  // alpha by cross-validation
///   SparseMatrix<double, RowMajor> S = selection.transform(X);     // n x selected().size()
/// When no column is selected (every target constant) the code has the first column alone, so that k >= 1.
/// Errors: X or targets empty, not finite, or of different length; one class only; options out of range.
template <class Scalar>
class LassoSelection {
 public:
  using Options = LassoSelectionOptions;
  struct Workspace {};  ///< none is needed; here for the common interface

  explicit LassoSelection(Options options = Options()) : options_(options) {
    detail::check_non_negative("alpha", options.alpha);
    detail::check_in_unit_interval("alpha_ratio", options.alpha_ratio);
    detail::check_positive("alpha_ratio", options.alpha_ratio);
    detail::check_in_unit_interval("l1_ratio", options.l1_ratio);
    detail::check_positive("l1_ratio", options.l1_ratio);
    detail::check_at_least("max_features", options.max_features, 0);
    detail::check_positive("tol", options.tol);
    detail::check_at_least("max_iter", options.max_iter, 1);
    if (options.n_folds != 0) {
      detail::check_at_least("n_folds", options.n_folds, 2);
      detail::check_at_least("n_alphas", options.n_alphas, 1);
      if (options.alpha > 0) detail::reject("alpha", options.alpha, "0 where n_folds chooses it");
    }
  }

  const Options& options() const { return options_; }

  /// targets: n class labels (int), n real values, or n x q of them.
  template <class X, class Y>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<Y>& targets) {
    detail::check_not_empty(x.derived().rows(), x.derived().cols(), "X");
    detail::check_size("targets.rows()", targets.rows(), x.derived().rows(), "X.rows()");
    detail::check_not_empty(targets.rows(), targets.cols(), "targets");
    if constexpr (std::is_same_v<typename Y::Scalar, int>) {
      const LabelVector labels = targets;
      const std::vector<int> classes = detail::distinct_labels(labels);
      detail::check_at_least("number of classes", static_cast<Index>(classes.size()), 2);
      // Two classes have one problem: the other is its mirror image.
      Matrix<Scalar> signs(labels.size(),
                           classes.size() == 2 ? Index{1} : static_cast<Index>(classes.size()));
      for (Index i = 0; i < signs.rows(); ++i)
        for (Index t = 0; t < signs.cols(); ++t)
          signs(i, t) = labels[i] == classes[static_cast<std::size_t>(t)] ? Scalar(1) : Scalar(-1);
      return select(x, signs, folds(labels, classes));
    } else {
      static_assert(std::is_same_v<typename Y::Scalar, Scalar>,
                    "targets must be int labels or have X's scalar type");
      const Matrix<Scalar> values = targets;
      detail::check_finite(values, "targets");
      return select(x, values, folds(LabelVector::Zero(values.rows()), {0}));
    }
  }

  bool is_fitted() const { return n_features_ > 0; }
  /// Columns of X, ascending.
  const IndexVector& selected() const {
    detail::check_fitted(is_fitted(), "LassoSelection");
    return selected_;
  }
  /// alpha of each target.
  const std::vector<double>& alphas() const { return alphas_; }
  /// The worst certificate of the regressions.
  const Convergence& convergence() const { return convergence_; }
  Index n_components() const { return selected().size(); }
  Index n_features() const { return n_features_; }
  Workspace workspace() const { return {}; }

  /// The selected columns of X (m x p; dense or sparse, any storage order) as m x k compressed rows.
  template <class X>
  SparseRowMatrix<Scalar> transform(const Eigen::EigenBase<X>& input, CodingReport* report = nullptr) const {
    detail::check_fitted(is_fitted(), "LassoSelection");
    return detail::with_rows(input, [&](const auto& x) {
      using Rows = std::decay_t<decltype(x)>;
      detail::check_samples(x, n_features_);
      std::vector<detail::CodeRows<Scalar>> blocks(
          static_cast<std::size_t>(detail::block_count(x.rows(), detail::code_block)));
      detail::parallel_blocks(
          x.rows(), detail::code_block, options_.n_threads, [&](const detail::Block& block) {
            detail::CodeRows<Scalar>& sink = blocks[static_cast<std::size_t>(block.id)];
            for (Index i = block.begin; i < block.end; ++i) {
              if constexpr (detail::is_sparse<Rows>) {
                for (auto e = x.outerIndexPtr()[i]; e < x.outerIndexPtr()[i + 1]; ++e)
                  if (const int k = position_[static_cast<std::size_t>(x.innerIndexPtr()[e])]; k >= 0)
                    sink.push(k, x.valuePtr()[e]);
              } else {
                for (Index k = 0; k < selected_.size(); ++k)
                  if (const Scalar v = x(i, selected_[k]); v != Scalar(0)) sink.push(static_cast<int>(k), v);
              }
              sink.end_row();
            }
          });
      SparseRowMatrix<Scalar> codes =
          detail::assemble(blocks, x.rows(), selected_.size(), options_.n_threads);
      if (report) *report = detail::make_report({}, 0, codes.rows(), codes.cols(), codes.nonZeros());
      return codes;
    });
  }

  /// code = the selected entries of x, without allocation.
  template <class X, class Code>
  Convergence encode_into(const Eigen::MatrixBase<X>& x, Eigen::MatrixBase<Code>&& code,
                          Workspace& work) const {
    return encode_into(x, code, work);
  }
  template <class X, class Code>
  Convergence encode_into(const Eigen::MatrixBase<X>& x, Eigen::MatrixBase<Code>& code, Workspace&) const {
    detail::check_fitted(is_fitted(), "LassoSelection");
    detail::check_sample(x.derived(), n_features_);
    detail::check_size("code.size()", code.size(), selected_.size(), "selected columns");
    for (Index k = 0; k < selected_.size(); ++k) code.derived()[k] = x.derived()[selected_[k]];
    return {Status::converged, 0, 0, 0, 0};
  }

 private:
  /// Fold of each sample, dealt in a random order class by class; empty without cross-validation.
  std::vector<Index> folds(const LabelVector& labels, const std::vector<int>& classes) const {
    if (options_.n_folds == 0) return {};
    if (options_.n_folds > labels.size())
      detail::reject("n_folds", options_.n_folds, "at most X.rows() = " + std::to_string(labels.size()));
    const std::vector<Index> order = Random(options_.seed).permutation(labels.size());
    std::vector<Index> result(order.size());
    Index dealt = 0;
    for (const int c : classes)
      for (const Index i : order)
        if (labels[i] == c) result[static_cast<std::size_t>(i)] = dealt++ % options_.n_folds;
    return result;
  }

  template <class X>
  const Convergence& select(const Eigen::EigenBase<X>& x, const Matrix<Scalar>& targets,
                            const std::vector<Index>& folds) {
    std::vector<bool> keep(static_cast<std::size_t>(x.derived().cols()), false);
    std::vector<Convergence> certificates;
    std::vector<double> alphas;
    detail::with_columns(x, [&](const auto& design) {
      detail::check_finite(design.matrix(), "X");
      for (Index t = 0; t < targets.cols(); ++t) {
        const Vector<Scalar> y = targets.col(t);
        const Vector<Scalar> coef = regress(design, y, folds, alphas, certificates);
        for (Index j = 0; j < coef.size(); ++j)
          if (coef[j] != Scalar(0)) keep[static_cast<std::size_t>(j)] = true;
      }
    });
    if (std::find(keep.begin(), keep.end(), true) == keep.end()) keep.front() = true;
    selected_.resize(std::count(keep.begin(), keep.end(), true));
    position_.assign(keep.size(), -1);
    for (std::size_t j = 0, k = 0; j < keep.size(); ++j)
      if (keep[j]) {
        selected_[static_cast<Index>(k)] = static_cast<Index>(j);
        position_[j] = static_cast<int>(k++);
      }
    n_features_ = x.derived().cols();
    alphas_ = std::move(alphas);
    convergence_ = detail::worst_of(certificates);
    return convergence_;
  }

  /// Weights of one target; appends its alpha and certificate.
  template <class D>
  Vector<Scalar> regress(const D& design, const Vector<Scalar>& y, const std::vector<Index>& folds,
                         std::vector<double>& alphas, std::vector<Convergence>& certificates) const {
    const Vector<Scalar> centred = y.array() - y.mean();
    Vector<Scalar> correlations(design.cols());
    detail::correlations(design, centred, correlations, options_.n_threads);
    const double largest = static_cast<double>(correlations.cwiseAbs().maxCoeff()) /
                           (static_cast<double>(design.rows()) * options_.l1_ratio);
    double last = options_.alpha > 0 ? options_.alpha : options_.alpha_ratio * largest;
    if (!folds.empty() && largest > 0) last = cross_validated(design, y, folds);
    alphas.push_back(last);
    if (!(largest > 0) || !(last > 0)) {
      certificates.push_back({Status::converged, 0, options_.tol, 0, 0});
      return Vector<Scalar>::Zero(design.cols());
    }
    std::vector<double> path;
    if (options_.max_features > 0)
      for (double alpha = largest; alpha > last * (1 + 1e-9); alpha *= std::pow(10.0, -1.0 / 20))
        path.push_back(alpha);
    path.push_back(last);
    Vector<Scalar> coef = Vector<Scalar>::Zero(design.cols());
    bool first = true;
    for (const double alpha : path) {
      ElasticNet<Scalar> net({.alpha = alpha,
                              .l1_ratio = options_.l1_ratio,
                              .tol = options_.tol,
                              .max_iter = options_.max_iter,
                              .n_threads = options_.n_threads});
      const Convergence certificate = net.fit(design.matrix(), y);
      const Index size = (net.coef().array() != Scalar(0)).count();
      if (options_.max_features > 0 && size > options_.max_features && !first) break;
      coef = net.coef();
      alphas.back() = alpha;
      if (first)
        certificates.push_back(certificate);
      else
        certificates.back() = certificate;
      first = false;
    }
    return coef;
  }

  template <class D>
  double cross_validated(const D& design, const Vector<Scalar>& y, const std::vector<Index>& folds) const {
    ElasticNetCVOptions options;
    options.n_folds = options_.n_folds;
    options.n_alphas = options_.n_alphas;
    options.alpha_min_ratio = options_.alpha_ratio;
    options.tol = options_.tol;
    options.max_iter = options_.max_iter;
    options.n_threads = options_.n_threads;
    options.folds = folds;
    options.l1_ratio = options_.l1_ratio;
    ElasticNetCV<Scalar> search(std::move(options));
    search.fit(design.matrix(), y);
    return options_.one_se ? search.alpha_one_se() : search.alpha();
  }

  Options options_;
  Index n_features_ = 0;
  IndexVector selected_;
  std::vector<int> position_;  // of each feature among the selected, -1: not selected
  std::vector<double> alphas_;
  Convergence convergence_;
};

}  // namespace sparse_experts
