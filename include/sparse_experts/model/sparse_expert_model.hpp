// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/fwd.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/model/cluster_policy.hpp>
#include <sparse_experts/model/encoder.hpp>
#include <sparse_experts/model/l1_svm_expert.hpp>
#include <sparse_experts/model/out_of_fold.hpp>
#include <sparse_experts/model/output_layer.hpp>
#include <sparse_experts/model/pipeline.hpp>
#include <sparse_experts/model/policies.hpp>
#include <sparse_experts/model/report.hpp>
#include <sparse_experts/model/scaler.hpp>
#include <sparse_experts/model/sparse_expert_options.hpp>
#include <sparse_experts/model/targets.hpp>

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Scale, represent, cluster, gate, one sparse linear expert per cluster and a shared one, output layer:
///   s(x) in R^k, g(x) in R^K, phi(x) = [rho s ; g_1 s ; … ; g_K s ; rho ; g],  Y = W'Phi(S) + b
/// with W the solution of one convex L1-SVM per class over phi (docs/model.md has all of it with shapes).
/// Every stage leaves its certificate in the Report. Same seed, same bits, at any number of threads.
///
///     SparseExpertModel<float> model({.clustering = {.n_clusters = 8}, .gate = {.top_k = 2}, .seed = 1});
///     Report report = model.fit(X, labels);   // X: n x p, dense or sparse; labels: n ints, 2 or more
///     classes model.predict(X_new);  model.predict_proba(X_new); auto ws = model.workspace();             //
///     one per thread model.predict_into(x, scores, ws);       // one sample, no allocation
template <class Scalar, class R, class C, class E>
class SparseExpertModel {
  static_assert(Representation<R, Scalar>, "the second argument of SparseExpertModel is no Representation");
  static_assert(Clustering<C, Scalar>, "the third argument of SparseExpertModel is no Clustering");
  static_assert(Expert<E, Scalar>, "the fourth argument of SparseExpertModel is no Expert");

 public:
  using Options = SparseExpertOptions<R, C, E>;
  static constexpr bool is_classifier = E::is_classifier;

  /// Buffers of predict_into; one per thread, valid until the next fit.
  struct Workspace {
    Vector<Scalar> sample;   // p, scaled
    RowMatrix<Scalar> row;   // fall-back of representations without encode()
    std::vector<int> index;  // fall-back: non-zeros of the code
    std::vector<Scalar> value;
    typename Gate<Scalar>::Workspace gate;
    typename detail::WorkspaceOf<R>::type code;
  };

  explicit SparseExpertModel(Options options = Options()) : options_(std::move(options)) {}

  /// Classification: labels are n ints; regression: n finite numbers of type Scalar.
  /// Throws std::invalid_argument on bad input; the model then stays as it was.
  template <class X, class Y>
  const Report& fit(const Eigen::EigenBase<X>& x, const Y& y) {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>, "X must have the scalar of the model");
    detail::check_not_empty(x.rows(), x.cols(), "X");
    check_options();
    std::vector<int> classes;
    const Targets<Scalar> targets = detail::make_targets<Scalar, is_classifier>(y, x.rows(), classes);
    detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      fit_rows(detail::with_int_index(rows), targets, std::move(classes));
    });
    return report_;
  }

  /// Codes, n x k.
  template <class X>
  SparseRowMatrix<Scalar> transform(const Eigen::EigenBase<X>& x) const {
    return with_scaled(
        x, [&](const auto& rows) { return pipeline_.representation.transform(rows, options_.n_threads); });
  }
  /// Gate weights, n x K.
  template <class X>
  SparseRowMatrix<Scalar> gate_weights(const Eigen::EigenBase<X>& x) const {
    return with_scaled(x, [&](const auto& rows) {
      if (pipeline_.cluster_input) return pipeline_.gate.weights(rows, options_.n_threads);
      return pipeline_.gate_weights(rows, pipeline_.representation.transform(rows, options_.n_threads),
                                    options_.n_threads);
    });
  }
  /// Scores Y = W'Phi(S) + b, n x q; q = 1 for two classes (positive: the larger label) and in regression.
  template <class X>
  Matrix<Scalar> decision_function(const Eigen::EigenBase<X>& x) const {
    return with_scaled(x, [&](const auto& rows) { return pipeline_.score(rows, options_.n_threads); });
  }
  /// Labels (the smallest of equal scores), or in regression values.
  template <class X>
  auto predict(const Eigen::EigenBase<X>& x) const {
    const Matrix<Scalar> scores = decision_function(x);
    if constexpr (is_classifier) {
      LabelVector labels(scores.rows());
      for (Index i = 0; i < scores.rows(); ++i) labels[i] = label_of(scores.row(i));
      return labels;
    } else {
      return Vector<Scalar>(scores.col(0));
    }
  }
  /// Calibrated probabilities, n x number of classes, columns in the order of classes().
  template <class X>
  Matrix<double> predict_proba(const Eigen::EigenBase<X>& x) const requires is_classifier {
    return output_.predict_proba(detail::class_scores(decision_function(x)));
  }
  /// Share of correct labels; in regression the coefficient of determination R^2.
  template <class X, class Y>
  double score(const Eigen::EigenBase<X>& x, const Y& y) const {
    const auto guess = predict(x);
    if constexpr (is_classifier) {
      const LabelVector labels = detail::as_labels(y);
      detail::check_size("labels.size()", labels.size(), guess.size(), "X.rows()");
      return static_cast<double>((guess.array() == labels.array()).count()) /
             static_cast<double>(guess.size());
    } else {
      detail::check_size("y.size()", y.size(), guess.size(), "X.rows()");
      const Vector<double> truth = y.template cast<double>();
      const double error = (truth - guess.template cast<double>()).squaredNorm();
      const double total = (truth.array() - truth.mean()).square().sum();
      return total > 0 ? 1 - error / total : 0;
    }
  }

  Workspace workspace() const {
    check_is_fitted();
    Workspace ws;
    ws.sample.resize(n_features());
    ws.gate = pipeline_.gate.workspace();
    if constexpr (has_encode) ws.code = pipeline_.representation.workspace();
    if constexpr (has_encode_centered)
      if (scaler_.kind() == Scaling::center_unit_norm && !pipeline_.cluster_input)
        pipeline_.representation.set_center(scaler_.center(), ws.code);
    return ws;
  }

  /// Scores of one sample x (p entries) into `scores` (q entries). Returns the label (the value in
  /// regression). Allocates nothing where the representation has encode().
  template <class V>
  auto predict_into(const Eigen::MatrixBase<V>& x, VectorOut<Scalar> scores, Workspace& ws) const {
    check_is_fitted();
    detail::check_size("x.size()", x.size(), n_features(), "the number of features in fit");
    detail::check_size("scores.size()", scores.size(), n_outputs(), "n_outputs()");
    detail::check_size("workspace.sample.size()", ws.sample.size(), n_features(), "from workspace()");
    for (Index j = 0; j < x.size(); ++j) ws.sample[j] = x.derived().coeff(j);
    detail::check_finite(ws.sample, "x");
    bool encoded = false;
    if constexpr (has_encode_centered)
      encoded = pipeline_.representation.encode_centered(ws.sample.data(), scaler_.center(), ws.code);
    if (!encoded) scaler_.transform_into(ws.sample.data(), ws.sample.data());
    if constexpr (has_encode) {
      if (!encoded) pipeline_.representation.encode(ws.sample.data(), ws.code);
      score_into(ws.code.index, ws.code.value, scores, ws);
    } else {
      const DenseRows<Scalar> row(ws.sample.data(), 1, ws.sample.size(),
                                  Eigen::OuterStride<>(ws.sample.size()));
      const SparseRowMatrix<Scalar> code = pipeline_.representation.transform(row, 1);
      ws.index.assign(code.innerIndexPtr(), code.innerIndexPtr() + code.nonZeros());
      ws.value.assign(code.valuePtr(), code.valuePtr() + code.nonZeros());
      score_into(ws.index, ws.value, scores, ws);
    }
    if constexpr (is_classifier)
      return label_of(scores);
    else
      return scores[0];
  }

  const Report& report() const { return fitted(report_); }
  const std::vector<int>& classes() const { return fitted(classes_); }            ///< ascending
  SparseMatrix<Scalar> coef() const { return fitted(pipeline_.weights).coef(); }  ///< W, (K+1)(k+1) x q
  const Vector<Scalar>& intercept() const { return fitted(pipeline_.weights).intercept(); }  ///< b, q
  const Scaler<Scalar>& scaler() const { return fitted(scaler_); }
  const R& representation() const { return fitted(pipeline_.representation); }
  const Gate<Scalar>& gate() const { return fitted(pipeline_.gate); }
  const OutputLayer& output_layer() const { return fitted(output_); }
  const Options& options() const { return options_; }
  Index n_features() const { return scaler_.n_features(); }
  Index n_outputs() const { return pipeline_.weights.n_outputs(); }
  /// Bytes of everything that predictions need.
  Index bytes() const {
    check_is_fitted();
    Index total = pipeline_.weights.bytes() + pipeline_.gate.bytes();
    if constexpr (requires(const R& r) { r.bytes(); }) total += pipeline_.representation.bytes();
    if (options_.scaling == Scaling::standardize || options_.scaling == Scaling::center_unit_norm)
      total += 2 * n_features() * static_cast<Index>(sizeof(Scalar));
    return total;
  }
  bool is_fitted() const { return scaler_.n_features() > 0; }

  friend struct detail::ModelAccess;  // sparsify

 private:
  using Stages = detail::Pipeline<Scalar, R, C, E>;
  static constexpr bool has_encode =
      requires(const R& r, const Scalar* x, typename detail::WorkspaceOf<R>::type& ws) {
    r.encode(x, ws);
  };

  static constexpr bool has_encode_centered = requires(const R& r, const Scalar* x, const Vector<Scalar>& m,
                                                       typename detail::WorkspaceOf<R>::type& ws) {
    r.set_center(m, ws);
    r.encode_centered(x, m, ws);
  };

  void check_is_fitted() const { detail::check_fitted(is_fitted(), "SparseExpertModel"); }
  template <class T>
  const T& fitted(const T& value) const {
    check_is_fitted();
    return value;
  }

  void check_options() const {
    detail::check_non_negative("rho", options_.rho);
    detail::check_at_least("gate.top_k", options_.gate.top_k, 1);
    detail::check_non_negative("gate.beta", options_.gate.beta);
    detail::check_at_least("n_threads", options_.n_threads, 0);
    detail::check_at_least("output.n_folds", options_.output.n_folds, 2);
  }

  // Defined below the class and not inline: a program may have it compiled elsewhere (extern_templates.hpp).
  template <class Rows>
  void fit_rows(const Rows& raw, const Targets<Scalar>& targets, std::vector<int> classes);

  template <class Rows>
  void fit_stages(const Rows& rows, const Targets<Scalar>& targets, Report report, Scaler<Scalar> scaler,
                  std::vector<int> classes) {
    const StageContext context{options_.seed, options_.n_threads, options_.on_progress};
    const typename Stages::Options options{options_.representation,
                                           options_.clustering,
                                           options_.gate,
                                           options_.cluster_on == ClusterOn::input,
                                           options_.rho,
                                           options_.expert};
    Stages stages;
    SparseRowMatrix<Scalar> codes, gates;
    stages.fit(rows, targets, options, context, &report.stages, codes, gates);
    OutputLayer output;
    if constexpr (is_classifier) {
      detail::StageClock clock(&report.stages, "output layer");
      clock.done(detail::fit_output_layer(rows, targets, options, options_.output, context, stages, codes,
                                          gates, output));
    }
    report.n_samples = rows.rows();
    report.n_features = rows.cols();
    report.n_components = codes.cols();
    report.n_experts = gates.cols();
    report.n_outputs = stages.weights.n_outputs();
    report.code_density =
        static_cast<double>(codes.nonZeros()) / static_cast<double>(codes.rows() * codes.cols());
    report.mean_active = static_cast<double>(gates.nonZeros()) / static_cast<double>(gates.rows());
    report.n_weights = stages.weights.non_zeros();
    report.zero_weights = 1 - static_cast<double>(report.n_weights) /
                                  static_cast<double>(stages.weights.n_rows() * report.n_outputs);
    pipeline_ = std::move(stages);
    output_ = std::move(output);
    scaler_ = std::move(scaler);
    classes_ = std::move(classes);
    report_ = std::move(report);
  }

  template <class Row>
  int label_of(const Row& scores) const {
    Index best = 0;
    if (scores.size() == 1)
      best = scores[0] > Scalar(0) ? 1 : 0;
    else
      for (Index c = 1; c < scores.size(); ++c)
        if (scores[c] > scores[best]) best = c;
    return classes_[static_cast<std::size_t>(best)];
  }

  void score_into(const std::vector<int>& index, const std::vector<Scalar>& value, VectorOut<Scalar> scores,
                  Workspace& ws) const {
    if (pipeline_.cluster_input)
      pipeline_.gate.evaluate(n_features(), nullptr, ws.sample.data(), ws.gate);
    else
      pipeline_.gate.evaluate(static_cast<Index>(index.size()), index.data(), value.data(), ws.gate);
    pipeline_.weights.score(static_cast<Index>(index.size()), index.data(), value.data(),
                            static_cast<Index>(ws.gate.expert.size()), ws.gate.expert.data(),
                            ws.gate.weight.data(), scores.data());
  }

  template <class X, class F>
  auto with_scaled(const Eigen::EigenBase<X>& x, F&& f) const {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>, "X must have the scalar of the model");
    check_is_fitted();
    detail::check_size("X.cols()", x.cols(), n_features(), "the number of features in fit");
    return detail::with_rows(x, [&](const auto& raw) {
      detail::check_finite(raw, "X");
      const auto scaled = scaler_.transform_rows(raw);
      using View = std::conditional_t<detail::is_sparse<X>, SparseRows<Scalar>, DenseRows<Scalar>>;
      if constexpr (!requires(const R& r, const View& view) { r.transform(view, 1); }) {
        throw std::invalid_argument("sparse_experts: X is sparse, expected dense X for this representation");
        return f(DenseRows<Scalar>(nullptr, 0, 0, Eigen::OuterStride<>(0)));
      } else if constexpr (detail::is_sparse<X>) {
        const SparseRowMatrix<Scalar> rows = scaled;
        return f(detail::sparse_view(rows));
      } else {
        return f(DenseRows<Scalar>(scaled.data(), scaled.rows(), scaled.cols(),
                                   Eigen::OuterStride<>(scaled.cols())));
      }
    });
  }

  Options options_;
  Scaler<Scalar> scaler_{Scaling::none};
  Stages pipeline_;
  OutputLayer output_;
  std::vector<int> classes_;
  Report report_;
};

template <class Scalar, class R, class C, class E>
template <class Rows>
void SparseExpertModel<Scalar, R, C, E>::fit_rows(const Rows& raw, const Targets<Scalar>& targets,
                                                  std::vector<int> classes) {
  if constexpr (requires { raw.isCompressed(); } && !std::is_same_v<Rows, SparseRows<Scalar>>) {
    fit_rows(detail::sparse_view(raw), targets, std::move(classes));
  } else {
    Report report;
    detail::StageClock clock(&report.stages, "scaling");
    Scaler<Scalar> scaler(options_.scaling);
    scaler.fit_rows(raw);
    const auto scaled = scaler.transform_rows(raw);
    clock.done({Status::converged, 0, 0, 0, 0});
    detail::with_rows(scaled, [&](const auto& rows) {
      if constexpr (requires(R r, StageContext c) { r.fit(rows, targets, c); })
        fit_stages(rows, targets, std::move(report), std::move(scaler), std::move(classes));
      else
        throw std::invalid_argument("sparse_experts: X is sparse, expected dense X for this representation");
    });
  }
}

}  // namespace sparse_experts

#if defined(SPARSE_EXPERTS_EXTERN_TEMPLATES)
#include <sparse_experts/model/extern_templates.hpp>
#endif
