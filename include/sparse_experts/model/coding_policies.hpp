// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/dictionary_learning.hpp>
#include <sparse_experts/coding/selection.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/policies.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace sparse_experts {

struct DictionaryCodesOptions {
  Index n_components = 256;  ///< k atoms; with a given dictionary its number of rows
  double alpha = 0.1;        ///< weight of |s|_1
  double alpha2 = 0;         ///< weight of 1/2 |s|^2
  bool nonnegative = true;   ///< s >= 0
  double tol = 1e-4;         ///< relative duality gap of a code
  Index max_iter = 200;      ///< bound of the sweeps a code may take, in training and at prediction alike
  Index epochs = 5;          ///< passes over the samples while learning the atoms
  Matrix<double> dictionary = {};  ///< given atoms, k x p; empty: learned
};

/// Representation by exact sparse codes on a learned or given dictionary D (k x p):
///   s(x) = argmin_s 1/2 |x - D's|^2 + alpha |s|_1 + alpha2/2 |s|^2,  s >= 0 by default.
/// The certificate of its stage is the largest relative duality gap of the training codes. The encoder of the
/// training samples, with the same settings, encodes at prediction.
///     SparseExpertModel<float, DictionaryCodes<float>> model({.representation = {.n_components = 512}});
template <class Scalar>
class DictionaryCodes {
 public:
  using Options = DictionaryCodesOptions;

  struct Workspace {
    std::optional<typename SparseCoder<Scalar>::Workspace> coder;
    Vector<Scalar> code;
    std::vector<int> index;
    std::vector<Scalar> value;
  };

  explicit DictionaryCodes(DictionaryCodesOptions options = DictionaryCodesOptions())
      : options_(std::move(options)) {}

  template <class Rows>
  Convergence fit(const Rows& rows, const Targets<Scalar>&, const StageContext& context) {
    detail::check_at_least("representation.n_components", options_.n_components, 1);
    RowMatrix<Scalar> atoms;
    if (options_.dictionary.size() > 0) {
      detail::check_size("representation.dictionary.cols()", options_.dictionary.cols(), rows.cols(),
                         "X.cols()");
      atoms = options_.dictionary.template cast<Scalar>();
    } else {
      DictionaryLearningOptions learning;
      learning.n_components = std::min(options_.n_components, rows.rows());
      learning.alpha = options_.alpha;
      learning.alpha2 = options_.alpha2;
      learning.positive_code = options_.nonnegative;
      learning.max_iter = options_.epochs;
      learning.seed = context.seed;
      learning.n_threads = context.n_threads;
      learning.on_progress = context.on_progress;
      DictionaryLearning<Scalar> dictionary(learning);
      dictionary.fit(rows);
      atoms = dictionary.dictionary();
    }
    coder_.emplace(atoms, SparseCoderOptions{.alpha = options_.alpha,
                                             .alpha2 = options_.alpha2,
                                             .positive = options_.nonnegative,
                                             .tol = options_.tol,
                                             .max_iter = options_.max_iter,
                                             .n_threads = context.n_threads});
    CodingReport report;
    (void)coder_->transform(rows, &report);
    return report.convergence;
  }

  template <class Rows>
  SparseRowMatrix<Scalar> transform(const Rows& rows, int) const {
    return coder_->transform(rows);
  }

  Workspace workspace() const {
    Workspace ws;
    ws.coder.emplace(coder_->workspace());
    ws.code.resize(coder_->n_components());
    ws.index.reserve(static_cast<std::size_t>(coder_->n_components()));
    ws.value.reserve(static_cast<std::size_t>(coder_->n_components()));
    return ws;
  }

  /// Code of one dense scaled sample. No allocation.
  void encode(const Scalar* x, Workspace& ws) const {
    ws.index.clear();
    ws.value.clear();
    coder_->encode_into(Eigen::Map<const Vector<Scalar>>(x, coder_->n_features()), ws.code, *ws.coder);
    for (Index j = 0; j < ws.code.size(); ++j)
      if (ws.code[j] != Scalar(0)) {
        ws.index.push_back(static_cast<int>(j));
        ws.value.push_back(ws.code[j]);
      }
  }

  /// k x p.
  const RowMatrix<Scalar>& dictionary() const { return coder_->dictionary(); }
  Index bytes() const {
    const Index k = coder_->n_components();
    return static_cast<Index>(sizeof(Scalar)) * k * (k + coder_->n_features());
  }

 private:
  DictionaryCodesOptions options_;
  std::optional<SparseCoder<Scalar>> coder_;
};

/// Supervised selection: the columns of X that a Lasso or Elastic Net of the targets gives a weight.
///     SparseExpertModel<float, SelectedColumns<float>> model({.representation = {.alpha_ratio = 0.05}});
template <class Scalar>
class SelectedColumns {
 public:
  using Options = LassoSelectionOptions;

  explicit SelectedColumns(LassoSelectionOptions options = LassoSelectionOptions()) : selection_(options) {}

  template <class Rows>
  Convergence fit(const Rows& rows, const Targets<Scalar>& targets, const StageContext&) {
    if (targets.n_classes > 0) return selection_.fit(rows, targets.classes);
    return selection_.fit(rows, targets.values);
  }
  template <class Rows>
  SparseRowMatrix<Scalar> transform(const Rows& rows, int) const {
    return selection_.transform(rows);
  }

  struct Workspace {
    std::vector<int> index;
    std::vector<Scalar> value;
  };
  Workspace workspace() const {
    Workspace ws;
    ws.index.reserve(static_cast<std::size_t>(selection_.n_components()));
    ws.value.reserve(static_cast<std::size_t>(selection_.n_components()));
    return ws;
  }
  void encode(const Scalar* x, Workspace& ws) const {
    ws.index.clear();
    ws.value.clear();
    for (Index j = 0; j < selection_.n_components(); ++j)
      if (const Scalar v = x[selection_.selected()[j]]; v != Scalar(0)) {
        ws.index.push_back(static_cast<int>(j));
        ws.value.push_back(v);
      }
  }

  /// The choice of columns saw the targets.
  bool supervised() const { return true; }
  const LassoSelection<Scalar>& selection() const { return selection_; }
  Index bytes() const { return static_cast<Index>(sizeof(Index)) * selection_.n_components(); }

 private:
  LassoSelection<Scalar> selection_;
};

}  // namespace sparse_experts
