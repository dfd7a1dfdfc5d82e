// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/l1_svm_options.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <map>
#include <string>
#include <vector>

/// What classifiers do with labels, class weights and one certificate a class.
namespace sparse_experts::detail {

/// A vector of labels from any Eigen vector of int.
template <class Derived>
LabelVector as_labels(const Eigen::MatrixBase<Derived>& labels) {
  static_assert(std::same_as<typename Derived::Scalar, int>, "labels must be a vector of int");
  return labels;
}
template <class = void>
LabelVector as_labels(const std::vector<int>& labels) {
  return Eigen::Map<const LabelVector>(labels.data(), static_cast<Index>(labels.size()));
}

/// Ascending, each once.
template <class = void>
std::vector<int> distinct_labels(const LabelVector& labels) {
  std::vector<int> classes(labels.data(), labels.data() + labels.size());
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  return classes;
}

inline std::size_t class_of(const std::vector<int>& classes, int label) {
  return static_cast<std::size_t>(std::lower_bound(classes.begin(), classes.end(), label) - classes.begin());
}

/// Sample weight times class weight; each class must keep a positive total.
template <class = void>
Vector<double> combined_weights(const LabelVector& labels, const std::vector<int>& classes,
                                const ClassWeights& class_weight, const Vector<double>& sample_weight) {
  Vector<double> weights = sample_weight;
  if (weights.size() == 0) fill(weights, labels.size(), 1.0);
  std::vector<double> totals(classes.size(), 0.0), factors(classes.size(), 1.0);
  for (Index i = 0; i < labels.size(); ++i) totals[class_of(classes, labels[i])] += weights[i];
  for (const auto& [label, weight] : class_weight.given) {
    const std::size_t c = class_of(classes, label);
    if (c == classes.size() || classes[c] != label)
      reject("label in class_weight.given", label, "a label that occurs");
    factors[c] = weight;
  }
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (class_weight.balanced && totals[c] > 0)
      factors[c] = total(weights) / (static_cast<double>(classes.size()) * totals[c]);
    if (!(totals[c] * factors[c] > 0))
      reject("total weight of class " + std::to_string(classes[c]), totals[c] * factors[c], "a value > 0");
  }
  for (Index i = 0; i < labels.size(); ++i) weights[i] *= factors[class_of(classes, labels[i])];
  return weights;
}

/// C times the weights: the cost of each sample, whose sum must be a positive number in double.
inline Vector<double> sample_costs(double C, Vector<double> weights) {
  multiply(weights.data(), weights.size(), C);
  const double sum = total(weights);
  if (!(sum > 0) || !std::isfinite(sum)) reject("C times the sum of the weights", sum, "a finite value > 0");
  return weights;
}

/// The label with the largest score of each row (one column: positive means the larger label).
template <class Scores>
LabelVector labels_of_scores(const Eigen::MatrixBase<Scores>& scores, const std::vector<int>& classes) {
  LabelVector labels(scores.rows());
  for (Index i = 0; i < scores.rows(); ++i) {
    Index best = 0;
    if (scores.cols() == 1)
      best = scores(i, 0) > 0 ? 1 : 0;
    else
      for (Index c = 1; c < scores.cols(); ++c)
        if (scores(i, c) > scores(i, best)) best = c;
    labels[i] = classes[static_cast<std::size_t>(best)];
  }
  return labels;
}

/// The certificate of several problems: the worst one (not converged before converged, then the larger
/// value), with the objectives added up and the iterations of the longest.
inline Convergence worst_of(const std::vector<Convergence>& all) {
  Convergence worst = all.front();
  double objective = 0;
  Index n_iter = 0;
  for (const Convergence& one : all) {
    const bool less_converged = !one && worst, equal = bool(one) == bool(worst);
    if (less_converged || (equal && one.value > worst.value)) worst = one;
    objective += one.objective;
    n_iter = std::max(n_iter, one.n_iter);
  }
  worst.objective = objective;
  worst.n_iter = n_iter;
  return worst;
}

}  // namespace sparse_experts::detail
