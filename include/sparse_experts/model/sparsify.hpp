// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/out_of_fold.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>
#include <sparse_experts/model/targets.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sparse_experts {

/// One model on the way from large to small.
struct SizePoint {
  Index bytes = 0;            ///< as model.bytes()
  Index n_components = 0;     ///< k
  Index n_weights = 0;        ///< non-zeros of W
  double C = 0;               ///< weight of the loss
  double train_score = 0;     ///< accuracy on the samples of the refit
  double held_out_score = 0;  ///< accuracy on the held-out samples; 0 without any
  Convergence experts;        ///< certificate of the refitted experts
};

/// Trade of accuracy for size: the first point is the given model, the last one what is left of it.
struct SizeCurve {
  std::vector<SizePoint> points;
  bool reached = false;  ///< the last point has at most max_bytes
};

struct SparsifyOptions {
  Index max_bytes = 300000;  ///< size to reach
  double keep = 0.7;         ///< share of the atoms, and of C, that a step keeps at least, in (0, 1)
  Index epochs = 4;          ///< passes of refinement after a step, where the atoms were refined
};

namespace detail {

struct ModelAccess {
  template <class Scalar, class C, class E>
  using Model = SparseExpertModel<Scalar, Encoder<Scalar>, C, E>;

  // Root of the mean squared contribution of each atom to the scores, directly and through the read-out.
  template <class Stages, class Scalar>
  static std::vector<double> importance(const Stages& stages, const SparseRowMatrix<Scalar>& codes) {
    const Index k = stages.representation.n_atoms(), width = codes.cols(), q = stages.weights.n_outputs();
    const Matrix<double> W = Matrix<Scalar>(stages.weights.coef()).template cast<double>();
    const RowMatrix<Scalar>& R = stages.representation.readout();
    Vector<double> mean_square = Vector<double>::Zero(width);
    for (Index t = 0; t < codes.nonZeros(); ++t)
      mean_square[codes.innerIndexPtr()[t]] +=
          static_cast<double>(codes.valuePtr()[t]) * static_cast<double>(codes.valuePtr()[t]);
    std::vector<double> out(static_cast<std::size_t>(k), 0.0);
    for (Index j = 0; j < k; ++j) {
      double sum = 0;
      for (Index block = 0; block <= stages.weights.n_experts(); ++block) {
        RowVector<double> w = W.row(block * width + j);
        for (Index r = 0; r < width - k; ++r)
          w += static_cast<double>(R(j, r)) * W.row(block * width + k + r);
        sum += w.head(q).squaredNorm();
      }
      out[static_cast<std::size_t>(j)] = std::sqrt(sum * mean_square[j]);
    }
    return out;
  }

  // The `count` most important atoms, ascending; the first of equals.
  static std::vector<Index> most_important(const std::vector<double>& importance, Index count) {
    std::vector<Index> order(importance.size());
    for (std::size_t j = 0; j < order.size(); ++j) order[j] = static_cast<Index>(j);
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
      return importance[static_cast<std::size_t>(a)] > importance[static_cast<std::size_t>(b)];
    });
    order.resize(static_cast<std::size_t>(count));
    std::sort(order.begin(), order.end());
    return order;
  }

  template <class Scalar, class C, class E, class Rows, class Score>
  static SizeCurve shrink(Model<Scalar, C, E>& model, const Rows& rows, const Targets<Scalar>& targets,
                          const SparsifyOptions& options, const Score& score) {
    Model<Scalar, C, E> small = model;
    auto& stages = small.pipeline_;
    const auto& settings = model.options_;
    const StageContext context{settings.seed, settings.n_threads, {}};
    typename E::Options expert = settings.expert;
    SparseRowMatrix<Scalar> codes = stages.representation.transform(rows, context.n_threads);
    SparseRowMatrix<Scalar> gates = stages.gate_weights(rows, codes, context.n_threads);
    Convergence certificate = model.report_.stage("experts"), atoms = model.report_.stage("representation");
    SizeCurve curve;
    const auto add_point = [&] {
      SizePoint point{
          small.bytes(), stages.representation.n_components(), stages.weights.non_zeros(), expert.C, 0, 0,
          certificate};
      score(small, point);
      curve.points.push_back(point);
    };
    add_point();
    while (small.bytes() > options.max_bytes) {
      const Index k = stages.representation.n_atoms(), bytes = small.bytes();
      const Index of_atoms = stages.representation.bytes();
      if (k > 1 && 2 * of_atoms >= bytes) {
        // No further than needed.
        const Index per_atom = std::max<Index>(1, stages.representation.bytes_per_atom());
        const Index wanted = k - (bytes - options.max_bytes + per_atom - 1) / per_atom;
        const Index count = std::clamp<Index>(
            wanted, std::max<Index>(1, static_cast<Index>(options.keep * static_cast<double>(k))), k - 1);
        stages.representation.keep_atoms(most_important(importance(stages, codes), count));
        if (stages.representation.supervised() && options.epochs > 0)
          atoms = stages.representation.refine(rows, targets, options.epochs, context);
        codes = stages.representation.transform(rows, context.n_threads);
        if (!stages.cluster_input && gates.cols() > 0) {
          C clustering(settings.clustering);
          const SparseRows<Scalar> view = sparse_view(codes);
          clustering.fit(view, context);
          stages.gate.fit(clustering.anchors(), view, settings.gate, context.n_threads);
          gates = stages.gate.weights(view, context.n_threads);
        }
      } else {
        if (stages.weights.non_zeros() == 0) break;
        expert.C *= options.keep;
      }
      certificate = stages.fit_experts(codes, gates, targets, expert, context);
      add_point();
    }
    curve.reached = small.bytes() <= options.max_bytes;
    if (curve.points.size() > 1) {
      small.options_.expert = expert;
      auto& representation = small.options_.representation;
      representation.n_components = std::max<Index>(1, stages.representation.n_atoms());
      if (representation.dictionary.size() > 0)
        representation.dictionary = stages.representation.dictionary().template cast<double>();
      finish(small, rows, targets, codes, gates, atoms, certificate, context);
      model = std::move(small);
    }
    return curve;
  }

  // Output layer and report of the shrunken model. Out-of-fold scores come from models of the new size.
  template <class M, class Rows, class Scalar>
  static void finish(M& model, const Rows& rows, const Targets<Scalar>& targets,
                     const SparseRowMatrix<Scalar>& codes, const SparseRowMatrix<Scalar>& gates,
                     const Convergence& atoms, const Convergence& experts, const StageContext& context) {
    const auto& settings = model.options_;
    auto& stages = model.pipeline_;
    const typename M::Stages::Options options{settings.representation, settings.clustering, settings.gate,
                                              stages.cluster_input,    settings.rho,        settings.expert};
    const Convergence output = fit_output_layer(rows, targets, options, settings.output, context, stages,
                                                codes, gates, model.output_);
    Report& report = model.report_;
    for (StageReport& stage : report.stages) {
      if (stage.name == "representation") stage.convergence = atoms;
      if (stage.name == "experts") stage.convergence = experts;
      if (stage.name == "output layer") stage.convergence = output;
    }
    report.n_components = codes.cols();
    report.code_density =
        static_cast<double>(codes.nonZeros()) / static_cast<double>(codes.rows() * codes.cols());
    report.n_weights = stages.weights.non_zeros();
    report.zero_weights = 1 - static_cast<double>(report.n_weights) /
                                  static_cast<double>(stages.weights.n_rows() * report.n_outputs);
  }

  template <class Scalar, class C, class E, class X, class Labels, class Score>
  static SizeCurve run(Model<Scalar, C, E>& model, const Eigen::EigenBase<X>& x, const Labels& labels,
                       const SparsifyOptions& options, const Score& score) {
    static_assert(E::is_classifier, "sparsify is for classifiers");
    check_fitted(model.is_fitted(), "SparseExpertModel");
    check_at_least("max_bytes", options.max_bytes, 1);
    check_at_least("epochs", options.epochs, 0);
    if (!(options.keep > 0 && options.keep < 1)) reject("keep", options.keep, "a value in (0, 1)");
    std::vector<int> classes;
    const Targets<Scalar> targets = make_targets<Scalar, true>(labels, x.rows(), classes);
    if (classes != model.classes())
      reject("number of classes in labels", classes.size(), "the very classes of the model");
    return model.with_scaled(x,
                             [&](const auto& rows) { return shrink(model, rows, targets, options, score); });
  }
};

}  // namespace detail

/// Makes a fitted classifier smaller until model.bytes() <= max_bytes, and lists what each step costs. A step
/// drops the atoms that contribute least to the scores (root mean square, through W and the read-out), lets
/// the others adapt for some passes, and solves the experts again to their certificate; where W takes more
/// room than the atoms (identity codes), C is lowered instead, the L1 path to fewer weights. X, labels: the
/// training samples. The output layer is fitted again at the end. Deterministic. If max_bytes cannot be
/// reached the smallest model is left, and `reached` is false.
///     SizeCurve curve = sparsify(model, X, labels, {.max_bytes = 300000});
template <class Scalar, class C, class E, class X, class Labels>
SizeCurve sparsify(SparseExpertModel<Scalar, Encoder<Scalar>, C, E>& model, const Eigen::EigenBase<X>& x,
                   const Labels& labels, const SparsifyOptions& options = {}) {
  return detail::ModelAccess::run(model, x, labels, options, [&](const auto& small, SizePoint& point) {
    point.train_score = small.score(x, labels);
  });
}

/// With samples that no fit has seen, whose scores then stand in the curve. They choose nothing.
template <class Scalar, class C, class E, class X, class Labels, class Z, class ZLabels>
SizeCurve sparsify(SparseExpertModel<Scalar, Encoder<Scalar>, C, E>& model, const Eigen::EigenBase<X>& x,
                   const Labels& labels, const Eigen::EigenBase<Z>& held_out, const ZLabels& held_out_labels,
                   const SparsifyOptions& options = {}) {
  return detail::ModelAccess::run(model, x, labels, options, [&](const auto& small, SizePoint& point) {
    point.train_score = small.score(x, labels);
    point.held_out_score = small.score(held_out, held_out_labels);
  });
}

}  // namespace sparse_experts
