// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/gate.hpp>
#include <sparse_experts/model/gated_design.hpp>
#include <sparse_experts/model/lifted_weights.hpp>
#include <sparse_experts/model/policies.hpp>
#include <sparse_experts/model/report.hpp>
#include <sparse_experts/model/select_rows.hpp>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Adds a StageReport for the time from its construction to done().
class StageClock {
 public:
  StageClock(std::vector<StageReport>* stages, const char* name)
      : stages_(stages), name_(name), start_(std::chrono::steady_clock::now()) {}

  void done(const Convergence& convergence) {
    if (!stages_) return;
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    stages_->push_back({name_, convergence, spent.count()});
  }

 private:
  std::vector<StageReport>* stages_;
  const char* name_;
  std::chrono::steady_clock::time_point start_;
};

template <class Scalar>
Targets<Scalar> select_targets(const Targets<Scalar>& targets, const std::vector<Index>& picked) {
  Targets<Scalar> out;
  out.n_classes = targets.n_classes;
  out.labels = targets.labels;
  out.classes.resize(targets.classes.size() > 0 ? static_cast<Index>(picked.size()) : 0);
  out.values.resize(targets.values.size() > 0 ? static_cast<Index>(picked.size()) : 0);
  for (std::size_t r = 0; r < picked.size(); ++r) {
    if (out.classes.size() > 0) out.classes[static_cast<Index>(r)] = targets.classes[picked[r]];
    if (out.values.size() > 0) out.values[static_cast<Index>(r)] = targets.values[picked[r]];
  }
  return out;
}

/// What the stages between scaler and output layer need to know.
template <class R, class C, class E>
struct PipelineOptions {
  typename R::Options representation;
  typename C::Options clustering;
  GateOptions gate;
  bool cluster_input = false;
  double rho = 1;
  typename E::Options expert;
};

/// The fitted stages from scaled samples to scores: codes, gates, weights.
template <class Scalar, class R, class C, class E>
struct Pipeline {
  using Options = PipelineOptions<R, C, E>;

  R representation{typename R::Options()};
  Gate<Scalar> gate;
  bool cluster_input = false;
  double rho = 1;
  LiftedWeights<Scalar> weights;

  /// Fits every stage. rows: scaled samples. Training codes and gates are left in `codes`, `gates`.
  template <class Rows>
  void fit(const Rows& rows, const Targets<Scalar>& targets, const Options& options,
           const StageContext& context, std::vector<StageReport>* stages, SparseRowMatrix<Scalar>& codes,
           SparseRowMatrix<Scalar>& gates) {
    StageClock representation_clock(stages, "representation");
    representation = R(options.representation);
    const Convergence representation_certificate = representation.fit(rows, targets, context);
    // Swaps, not assignments: those of a sparse matrix copy, or compile the copy all the same.
    SparseRowMatrix<Scalar> made = representation.transform(rows, context.n_threads);
    codes.swap(made);
    representation_clock.done(representation_certificate);

    StageClock clustering_clock(stages, "clustering");
    cluster_input = options.cluster_input;
    C clustering(options.clustering);
    const SparseRows<Scalar> code_rows = sparse_view(codes);
    const Convergence clustering_certificate =
        cluster_input ? clustering.fit(rows, context) : clustering.fit(code_rows, context);
    const RowReader<Scalar> gated = cluster_input ? RowReader<Scalar>(rows) : RowReader<Scalar>(code_rows);
    gate.fit(clustering.anchors(), gated, options.gate, context.n_threads);
    SparseRowMatrix<Scalar> weights_of_rows = gate.weights(gated, context.n_threads);
    gates.swap(weights_of_rows);
    clustering_clock.done(clustering_certificate);
    rho = options.rho;
    StageClock expert_clock(stages, "experts");
    expert_clock.done(fit_experts(codes, gates, targets, options.expert, context));
  }

  /// The convex problem over the lifted features of given codes and gates.
  Convergence fit_experts(const SparseRowMatrix<Scalar>& codes, const SparseRowMatrix<Scalar>& gates,
                          const Targets<Scalar>& targets, const typename E::Options& options,
                          const StageContext& context) {
    const SparseMatrix<Scalar> by_column = codes;
    const SparseColumns<Scalar> columns(by_column);
    const GatedDesign<SparseColumns<Scalar>> design(columns, gates, rho, context.n_threads);
    E expert(options);
    const Convergence certificate = expert.fit(design, targets, context);
    weights = LiftedWeights<Scalar>(expert.coef(), expert.intercept(), codes.cols(), gates.cols(), rho);
    return certificate;
  }

  /// n x q scores of given codes and gates.
  RowMatrix<Scalar> score(const SparseRowMatrix<Scalar>& codes, const SparseRowMatrix<Scalar>& gates,
                          int n_threads) const {
    RowMatrix<Scalar> scores(codes.rows(), weights.n_outputs());
    parallel_blocks(codes.rows(), 128, n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) {
        const int begin = codes.outerIndexPtr()[i], gate_begin = gates.outerIndexPtr()[i];
        weights.score(codes.outerIndexPtr()[i + 1] - begin, codes.innerIndexPtr() + begin,
                      codes.valuePtr() + begin, gates.outerIndexPtr()[i + 1] - gate_begin,
                      gates.innerIndexPtr() + gate_begin, gates.valuePtr() + gate_begin,
                      scores.data() + i * scores.cols());
      }
    });
    return scores;
  }

  /// n x q scores of scaled samples, a few thousand at a time.
  template <class Rows>
  Matrix<Scalar> score(const Rows& rows, int n_threads) const;

  template <class Rows>
  SparseRowMatrix<Scalar> gate_weights(const Rows& rows, const SparseRowMatrix<Scalar>& codes,
                                       int n_threads) const {
    if (cluster_input) return gate.weights(rows, n_threads);
    return gate.weights(sparse_view(codes), n_threads);
  }
};

template <class Scalar, class R, class C, class E>
template <class Rows>
Matrix<Scalar> Pipeline<Scalar, R, C, E>::score(const Rows& rows, int n_threads) const {
  constexpr Index chunk = 4096;
  Matrix<Scalar> scores(rows.rows(), weights.n_outputs());
  for (Index begin = 0; begin < rows.rows(); begin += chunk) {
    const Rows part = row_range<Scalar>(rows, begin, std::min(rows.rows(), begin + chunk));
    const SparseRowMatrix<Scalar> codes = representation.transform(part, n_threads);
    const RowMatrix<Scalar> block = score(codes, gate_weights(part, codes, n_threads), n_threads);
    for (Index c = 0; c < scores.cols(); ++c)
      for (Index i = 0; i < block.rows(); ++i) scores(begin + i, c) = block(i, c);
  }
  return scores;
}

}  // namespace sparse_experts::detail
