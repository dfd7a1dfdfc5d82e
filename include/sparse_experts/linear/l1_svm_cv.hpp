// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/linear/l1_svm_path.hpp>
#include <sparse_experts/model_selection/split.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Options of L1SVMCV.
struct L1SVMCVOptions {
  Index n_folds = 5;           ///< stratified folds, at least 2
  L1SVMPathOptions path = {};  ///< values of C and how each is solved
  std::uint64_t seed = 0;      ///< of the folds
};

/// The L1-SVM with C chosen by stratified cross-validation: a path per fold, then one fit on all samples at
/// the C of the best mean accuracy (the smallest of them on a tie, the sparsest model). Each class needs at
/// least 2 samples.
template <class Scalar>
class L1SVMCV {
 public:
  explicit L1SVMCV(L1SVMCVOptions options = L1SVMCVOptions()) : options_(std::move(options)) {
    detail::check_at_least("n_folds", options_.n_folds, 2);
    Cs_ = detail::path_values(options_.path);
  }

  template <class X, class Labels>
  const Convergence& fit(const X& x, const Labels& labels) {
    const LabelVector checked = detail::as_labels(labels);
    detail::check_size("labels.size()", checked.size(), x.rows(), "X.rows()");
    // So that every fold is trained on every class.
    const std::vector<int> classes = detail::distinct_labels(checked);
    for (const int label : classes)
      if (const Index count = (checked.array() == label).count(); count < 2)
        detail::reject("samples of class " + std::to_string(label), count, "at least 2");
    Matrix<double> scores(static_cast<Index>(Cs_.size()), options_.n_folds);
    KFoldOptions folds;
    folds.n_folds = options_.n_folds;
    folds.seed = options_.seed;
    Index fold = 0;
    for (const Split& split : StratifiedKFold(folds).split(checked)) {
      const auto x_train = take_rows(x, split.train);
      const auto x_test = take_rows(x, split.test);
      const LabelVector truth = take_rows(checked, split.test);
      const auto path = l1_svm_path(x_train, LabelVector(take_rows(checked, split.train)), options_.path);
      for (Index k = 0; k < scores.rows(); ++k)
        scores(k, fold) = static_cast<double>((path.predict(x_test, k).array() == truth.array()).count()) /
                          static_cast<double>(truth.size());
      ++fold;
    }
    Index best = 0;
    scores.rowwise().mean().maxCoeff(&best);
    L1SVMOptions options = detail::fit_options(options_.path);
    options.C = Cs_[static_cast<std::size_t>(best)];
    L1SVM<Scalar> model(options);
    model.fit(x, checked);
    model_ = std::move(model);
    scores_ = std::move(scores);
    return model_.convergence();
  }

  const L1SVM<Scalar>& model() const { return model_; }     ///< fitted on all samples at C()
  double C() const { return model_.options().C; }           ///< the chosen value
  const std::vector<double>& Cs() const { return Cs_; }     ///< the values tried
  const Matrix<double>& scores() const { return scores_; }  ///< accuracy, n_Cs x n_folds
  template <class X>
  LabelVector predict(const Eigen::EigenBase<X>& x) const {
    return model_.predict(x);
  }

 private:
  L1SVMCVOptions options_;
  std::vector<double> Cs_;
  L1SVM<Scalar> model_;
  Matrix<double> scores_;
};

}  // namespace sparse_experts
