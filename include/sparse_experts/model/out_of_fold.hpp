// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/model/output_layer.hpp>
#include <sparse_experts/model/pipeline.hpp>
#include <sparse_experts/model/policies.hpp>
#include <sparse_experts/model_selection/split.hpp>

#include <algorithm>
#include <vector>

namespace sparse_experts::detail {

/// One score per class: two classes share one score z, as (-z/2, z/2).
template <class Scores>
Matrix<double> class_scores(const Scores& scores) {
  const bool shared = scores.cols() == 1;
  Matrix<double> all(scores.rows(), shared ? 2 : scores.cols());
  for (Index c = 0; c < all.cols(); ++c)
    for (Index i = 0; i < all.rows(); ++i) {
      const auto z = static_cast<double>(scores(i, shared ? 0 : c));
      all(i, c) = shared ? (c == 0 ? -0.5 : 0.5) * z : z;
    }
  return all;
}

template <class R>
bool is_supervised(const R& representation) {
  if constexpr (requires { representation.supervised(); })
    return representation.supervised();
  else
    return false;
}

/// Out-of-fold scores until there are enough of them, then the output layer on them. A representation that
/// has seen the targets is fitted anew in each fold, any other keeps its codes and gates.
template <class Rows, class Scalar, class R, class C, class E>
Convergence fit_output_layer(const Rows& rows, const Targets<Scalar>& targets,
                             const PipelineOptions<R, C, E>& options, OutputLayerOptions settings,
                             const StageContext& context, const Pipeline<Scalar, R, C, E>& stages,
                             const SparseRowMatrix<Scalar>& codes, const SparseRowMatrix<Scalar>& gates,
                             OutputLayer& output) {
  std::vector<Matrix<double>> parts;  // out-of-fold scores, labels beside them
  std::vector<int> seen;
  if (settings.kind != Calibration::none) {
    const std::vector<Split> splits =
        StratifiedKFold({.n_folds = std::min(settings.n_folds, rows.rows()), .seed = context.seed})
            .split(targets.classes);
    for (const Split& split : splits) {
      if (static_cast<Index>(seen.size()) >= settings.max_samples) break;
      const Targets<Scalar> train = select_targets(targets, split.train);
      if (static_cast<Index>(distinct_labels(train.classes).size()) < targets.n_classes)
        continue;  // a class with one sample
      Pipeline<Scalar, R, C, E> fold;
      fold.rho = stages.rho;
      if (is_supervised(stages.representation)) {
        SparseRowMatrix<Scalar> fold_codes, fold_gates;
        const auto part = select_rows<Scalar>(rows, split.train),
                   held_out = select_rows<Scalar>(rows, split.test);
        with_rows(part, [&](const auto& view) {
          fold.fit(view, train, options, context, nullptr, fold_codes, fold_gates);
        });
        with_rows(held_out, [&](const auto& view) {
          parts.push_back(class_scores(fold.score(view, context.n_threads)));
        });
      } else {
        fold.fit_experts(select_rows<Scalar>(codes, split.train), select_rows<Scalar>(gates, split.train),
                         train, options.expert, context);
        parts.push_back(class_scores(fold.score(select_rows<Scalar>(codes, split.test),
                                                select_rows<Scalar>(gates, split.test), context.n_threads)));
      }
      for (const Index i : split.test) seen.push_back(targets.classes[i]);
    }
  }
  if (seen.empty()) {
    settings.kind = Calibration::none;
    parts.emplace_back();
    fill(parts.back(), 1, targets.n_classes, 0.0);
    seen.push_back(0);
  }
  Matrix<double> scores(static_cast<Index>(seen.size()), targets.n_classes);
  LabelVector labels(scores.rows());
  Index row = 0;
  for (const Matrix<double>& part : parts)
    for (Index i = 0; i < part.rows(); ++i, ++row) {
      labels[row] = seen[static_cast<std::size_t>(row)];
      for (Index c = 0; c < scores.cols(); ++c) scores(row, c) = part(i, c);
    }
  return output.fit(scores, labels, settings);
}

}  // namespace sparse_experts::detail
