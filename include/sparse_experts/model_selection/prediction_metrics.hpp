// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

/// How good predictions are. Every sum is taken in double.
namespace sparse_experts {

namespace detail {

template <class A, class B>
void check_same_size(const Eigen::MatrixBase<A>& truth, const Eigen::MatrixBase<B>& predicted) {
  check_at_least("truth.size()", truth.size(), 1);
  check_size("predicted.size()", predicted.size(), truth.size(), "truth.size()");
}

/// Column of each sample's label in `classes` (ascending, as classifiers report them).
template <class A>
std::vector<Index> class_columns(const Eigen::MatrixBase<A>& truth, const LabelVector& classes) {
  std::vector<Index> columns(static_cast<std::size_t>(truth.size()));
  for (Index i = 0; i < truth.size(); ++i) {
    const auto label = truth.derived().coeff(i);
    const int* found = std::lower_bound(classes.data(), classes.data() + classes.size(), label);
    if (found == classes.data() + classes.size() || *found != label)
      reject(entry_name("truth", i, 0, true), label, "one of the classes");
    columns[static_cast<std::size_t>(i)] = found - classes.data();
  }
  return columns;
}

template <class P>
void check_probabilities(Index n_samples, const Eigen::MatrixBase<P>& proba, const LabelVector& classes) {
  check_at_least("truth.size()", n_samples, 1);
  check_size("proba.rows()", proba.rows(), n_samples, "truth.size()");
  check_size("proba.cols()", proba.cols(), classes.size(), "classes.size()");
  for (Index c = 1; c < classes.size(); ++c)
    if (classes[c] <= classes[c - 1])
      reject(entry_name("classes", c, 0, true), classes[c], "ascending classes");
  for (Index j = 0; j < proba.cols(); ++j)
    for (Index i = 0; i < proba.rows(); ++i) {
      const auto value = static_cast<double>(proba.derived().coeff(i, j));
      if (!is_finite(value) || !(value >= 0 && value <= 1 + 1e-5))
        reject(entry_name("proba", i, j, false), value, "a probability in [0, 1]");
    }
}

}  // namespace detail

/// Share of samples with predicted = truth.
template <class A, class B>
double accuracy(const Eigen::MatrixBase<A>& truth, const Eigen::MatrixBase<B>& predicted) {
  detail::check_same_size(truth, predicted);
  Index hits = 0;
  for (Index i = 0; i < truth.size(); ++i) hits += truth.derived().coeff(i) == predicted.derived().coeff(i);
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

/// Counts: row = true label, column = predicted label.
struct ConfusionMatrix {
  LabelVector classes;  ///< labels of rows and columns, ascending
  Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> counts;
};

/// Over all labels that occur in truth or predicted.
template <class A, class B>
ConfusionMatrix confusion_matrix(const Eigen::MatrixBase<A>& truth, const Eigen::MatrixBase<B>& predicted) {
  detail::check_same_size(truth, predicted);
  std::vector<int> labels;
  for (Index i = 0; i < truth.size(); ++i) {
    labels.push_back(static_cast<int>(truth.derived().coeff(i)));
    labels.push_back(static_cast<int>(predicted.derived().coeff(i)));
  }
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  ConfusionMatrix result;
  result.classes = Eigen::Map<const LabelVector>(labels.data(), static_cast<Index>(labels.size()));
  result.counts.setZero(result.classes.size(), result.classes.size());
  const std::vector<Index> rows = detail::class_columns(truth, result.classes);
  const std::vector<Index> columns = detail::class_columns(predicted, result.classes);
  for (std::size_t i = 0; i < rows.size(); ++i) ++result.counts(rows[i], columns[i]);
  return result;
}

/// Mean of (truth - predicted)^2.
template <class A, class B>
double mean_squared_error(const Eigen::MatrixBase<A>& truth, const Eigen::MatrixBase<B>& predicted) {
  detail::check_same_size(truth, predicted);
  double sum = 0;
  for (Index i = 0; i < truth.size(); ++i) {
    const double difference =
        static_cast<double>(truth.derived().coeff(i)) - static_cast<double>(predicted.derived().coeff(i));
    sum += difference * difference;
  }
  return sum / static_cast<double>(truth.size());
}

/// 1 - sum (truth - predicted)^2 / sum (truth - mean)^2. A constant truth gives 1 when met exactly, else 0.
template <class A, class B>
double r2(const Eigen::MatrixBase<A>& truth, const Eigen::MatrixBase<B>& predicted) {
  const double error = mean_squared_error(truth, predicted);
  double mean = 0, variance = 0;
  for (Index i = 0; i < truth.size(); ++i) mean += static_cast<double>(truth.derived().coeff(i));
  mean /= static_cast<double>(truth.size());
  for (Index i = 0; i < truth.size(); ++i) {
    const double difference = static_cast<double>(truth.derived().coeff(i)) - mean;
    variance += difference * difference;
  }
  variance /= static_cast<double>(truth.size());
  if (!(variance > 0)) return error > 0 ? 0 : 1;
  return 1 - error / variance;
}

/// Mean of -ln proba(i, truth_i), probabilities below 1e-15 counted as that. proba is n x q, its columns
/// belong to `classes` (ascending).
template <class A, class P>
double log_loss(const Eigen::MatrixBase<A>& truth, const Eigen::MatrixBase<P>& proba,
                const LabelVector& classes) {
  detail::check_probabilities(truth.size(), proba, classes);
  const std::vector<Index> columns = detail::class_columns(truth, classes);
  double sum = 0;
  for (Index i = 0; i < truth.size(); ++i) {
    const auto p = static_cast<double>(proba.derived().coeff(i, columns[static_cast<std::size_t>(i)]));
    sum -= std::log(std::clamp(p, 1e-15, 1.0));
  }
  return sum / static_cast<double>(truth.size());
}

/// Expected calibration error: samples are put in n_bins equal bins of their largest probability; the sum
/// over bins of (share of samples in it) |accuracy in it - mean largest probability in it|. Ref: Guo, Pleiss,
/// Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.
template <class A, class P>
double expected_calibration_error(const Eigen::MatrixBase<A>& truth, const Eigen::MatrixBase<P>& proba,
                                  const LabelVector& classes, Index n_bins = 15) {
  detail::check_probabilities(truth.size(), proba, classes);
  detail::check_at_least("n_bins", n_bins, 1);
  const std::vector<Index> columns = detail::class_columns(truth, classes);
  // The terms of a bin come to |hits - sum of its confidences| / n.
  std::vector<double> excess(static_cast<std::size_t>(n_bins), 0.0);
  for (Index i = 0; i < truth.size(); ++i) {
    Index best = 0;
    for (Index c = 1; c < proba.cols(); ++c)
      if (proba.derived().coeff(i, c) > proba.derived().coeff(i, best)) best = c;
    const auto confidence = static_cast<double>(proba.derived().coeff(i, best));
    const auto bin =
        static_cast<Index>(std::ceil(confidence * static_cast<double>(n_bins))) - 1;  // (low, high]
    excess[static_cast<std::size_t>(std::clamp<Index>(bin, 0, n_bins - 1))] +=
        (best == columns[static_cast<std::size_t>(i)] ? 1.0 : 0.0) - confidence;
  }
  double sum = 0;
  for (const double e : excess) sum += std::abs(e);
  return sum / static_cast<double>(truth.size());
}

}  // namespace sparse_experts
