// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/linear/l1_svm_binary.hpp>
#include <sparse_experts/linear/l1_svm_options.hpp>
#include <sparse_experts/linear/linear_scores.hpp>
#include <sparse_experts/linear/one_vs_rest.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

namespace detail {

/// The entries of a dense matrix that are not zero, or nothing where a quarter of them or more are not.
/// Columns in parallel.
template <class Dense>
SparseMatrix<typename Dense::Scalar> compressed_copy(const Dense& x, int n_threads) {
  using Scalar = typename Dense::Scalar;
  SparseMatrix<Scalar> sparse(x.rows(), x.cols());
  std::vector<Index> counts(static_cast<std::size_t>(x.cols()));
  parallel_blocks(x.cols(), 16, n_threads, [&](const Block& block) {
    for (Index j = block.begin; j < block.end; ++j) {
      const Scalar* column = x.data() + j * x.outerStride();
      Index count = 0;
      for (Index i = 0; i < x.rows(); ++i) count += column[i] != Scalar(0) ? 1 : 0;
      counts[static_cast<std::size_t>(j)] = count;
    }
  });
  Index total = 0;
  for (const Index count : counts) total += count;
  if (4 * total >= x.size() || total > std::numeric_limits<int>::max()) return {};
  sparse.resizeNonZeros(total);
  prefer_large_pages(sparse.innerIndexPtr(), total);
  prefer_large_pages(sparse.valuePtr(), total);
  for (Index j = 0, at = 0; j < x.cols(); at += counts[static_cast<std::size_t>(j++)])
    sparse.outerIndexPtr()[j + 1] = static_cast<int>(at + counts[static_cast<std::size_t>(j)]);
  parallel_blocks(x.cols(), 16, n_threads, [&](const Block& block) {
    // Every entry is written and the next one written over it where it was a zero: no branch to guess wrong.
    std::vector<int> rows(static_cast<std::size_t>(x.rows()) + 1);
    std::vector<Scalar> values(rows.size());
    for (Index j = block.begin; j < block.end; ++j) {
      const Scalar* column = x.data() + j * x.outerStride();
      std::size_t count = 0;
      for (Index i = 0; i < x.rows(); ++i) {
        rows[count] = static_cast<int>(i);
        values[count] = column[i];
        count += column[i] != Scalar(0) ? 1u : 0u;
      }
      std::copy(rows.data(), rows.data() + count, sparse.innerIndexPtr() + sparse.outerIndexPtr()[j]);
      std::copy(values.data(), values.data() + count, sparse.valuePtr() + sparse.outerIndexPtr()[j]);
    }
  });
  return sparse;
}

/// The classes of checked targets.
template <class = void>
std::vector<int> checked_classes(const LabelVector& labels, const Vector<double>& sample_weight, Index rows) {
  check_size("labels.size()", labels.size(), rows, "X.rows()");
  check_sample_weights(sample_weight, rows);
  std::vector<int> classes = distinct_labels(labels);
  if (classes.size() < 2) reject("number of classes in labels", classes.size(), "at least 2");
  return classes;
}

}  // namespace detail

/// Linear classifier with L1 penalty and squared hinge (or logistic) loss, one-vs-rest for q > 2 classes:
///   min_{w, b} |w|_1 + C sum_i omega_i max(0, 1 - y_i (x_i'w + b))^2   for each class,  X: n x p
/// omega_i is the sample weight times the weight of the sample's class; b is not penalised by default.
/// tol and every certificate: duality gap / primal value. Two classes share one problem, whose positive side
/// is the larger label.
///   L1SVM<double> svm({.C = 1.0, .tol = 1e-4});
///   svm.fit(X, labels);              // X dense or sparse, any storage order; labels: n ints of any values
///   LabelVector guess = svm.predict(X_new);
template <class Scalar>
class L1SVM {
 public:
  explicit L1SVM(L1SVMOptions options = L1SVMOptions()) : options_(std::move(options)) {
    detail::check_l1_svm_options(options_);
  }

  /// Fits one problem per class (one in all for two classes) and returns the worst certificate.
  template <class X, class Labels>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Labels& labels) {
    return fit(x, labels, Vector<double>());
  }

  /// With sample weights: n finite values >= 0 (empty: all ones); each class needs a positive total.
  template <class X, class Labels, class Weights>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Labels& labels,
                         const Eigen::MatrixBase<Weights>& sample_weight) {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>, "X must have the scalar of the model");
    detail::check_not_empty(x.rows(), x.cols(), "X");
    return detail::with_columns(x, [&](const auto& design) -> const Convergence& {
      if constexpr (detail::DenseDesign<std::decay_t<decltype(design)>>) {
        // Mostly zeros: every pass is cheaper over the entries, the check that they are finite included.
        const SparseMatrix<Scalar> sparse = detail::compressed_copy(design.matrix(), options_.n_threads);
        if (sparse.cols() > 0) {
          const SparseColumns<Scalar> columns(sparse);
          detail::check_finite_columns(columns, options_.n_threads);
          return fit_design(columns, labels, sample_weight);
        }
      }
      detail::check_finite_columns(design, options_.n_threads);
      return fit_design(design, labels, sample_weight);
    });
  }

  /// On any design; its entries must be finite.
  template <Design D, class Labels>
  const Convergence& fit_design(const D& design, const Labels& labels) {
    return fit_design(design, labels, Vector<double>());
  }
  template <Design D, class Labels, class Weights>
  const Convergence& fit_design(const D& design, const Labels& labels,
                                const Eigen::MatrixBase<Weights>& sample_weight) {
    detail::check_not_empty(design.rows(), design.cols(), "X");
    const LabelVector checked = detail::as_labels(labels);
    const Vector<double> weights = sample_weight.template cast<double>();
    const std::vector<int> classes = detail::checked_classes(checked, weights, design.rows());
    fit_columns(detail::margin_columns(design, options_), design.cols(), checked, classes, weights);
    return convergence_;
  }

  /// X W + b: n x q (q = 1 for two classes; positive means the larger label).
  template <class X>
  Matrix<Scalar> decision_function(const Eigen::EigenBase<X>& x) const {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>, "X must have the scalar of the model");
    detail::check_fitted(!classes_.empty(), "L1SVM");
    detail::check_size("X.cols()", x.cols(), coef_.rows(), "features seen by fit");
    return detail::linear_scores(x, coef_, intercept_);
  }

  /// The label with the largest decision value; the smallest of them on a tie.
  template <class X>
  LabelVector predict(const Eigen::EigenBase<X>& x) const {
    return detail::labels_of_scores(decision_function(x), classes_);
  }

  /// Share of samples whose label is predicted.
  template <class X, class Labels>
  double score(const Eigen::EigenBase<X>& x, const Labels& labels) const {
    const LabelVector checked = detail::as_labels(labels);
    detail::check_size("labels.size()", checked.size(), x.rows(), "X.rows()");
    if (checked.size() == 0) return 0;
    return static_cast<double>((predict(x).array() == checked.array()).count()) /
           static_cast<double>(checked.size());
  }

  const Matrix<Scalar>& coef() const { return fitted(coef_); }             ///< p x q
  const Vector<Scalar>& intercept() const { return fitted(intercept_); }   ///< q
  const std::vector<int>& classes() const { return fitted(classes_); }     ///< ascending
  const Convergence& convergence() const { return fitted(convergence_); }  ///< the worst class
  /// One certificate a problem, in the order of the columns of coef().
  const std::vector<Convergence>& class_convergence() const { return fitted(class_convergence_); }
  const L1SVMOptions& options() const { return options_; }

 private:
  template <class T>
  const T& fitted(const T& value) const {
    detail::check_fitted(!classes_.empty(), "L1SVM");
    return value;
  }

  void fit_columns(const detail::MarginColumns& columns, Index n_features, const LabelVector& labels,
                   const std::vector<int>& classes, const Vector<double>& sample_weight);

  L1SVMOptions options_;
  Matrix<Scalar> coef_;
  Vector<Scalar> intercept_;
  std::vector<int> classes_;
  Convergence convergence_;
  std::vector<Convergence> class_convergence_;
};

// Outside of the class: inline it could not be an extern template.
template <class Scalar>
void L1SVM<Scalar>::fit_columns(const detail::MarginColumns& columns, Index n_features,
                                const LabelVector& labels, const std::vector<int>& classes,
                                const Vector<double>& sample_weight) {
  const Vector<double> weights =
      detail::combined_weights(labels, classes, options_.class_weight, sample_weight);
  const std::vector<L1SVMSolution> solutions = detail::solve_one_vs_rest(
      columns, labels, classes, detail::sample_costs(options_.C, weights), options_, "l1_svm");
  class_convergence_ = detail::take_solutions(solutions, n_features, coef_, intercept_);
  convergence_ = detail::worst_of(class_convergence_);
  classes_ = classes;
}

}  // namespace sparse_experts

#if defined(SPARSE_EXPERTS_EXTERN_TEMPLATES)
#include <sparse_experts/linear/extern_templates.hpp>
#endif
