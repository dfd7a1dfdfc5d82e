// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/lbfgs.hpp>

#include <algorithm>
#include <cmath>

namespace sparse_experts {

/// Shape of A in P = softmax(A z + a).
enum class Calibration {
  none,         ///< A = I, a = 0: probabilities are not calibrated
  temperature,  ///< A = I / T, a = 0
  diagonal,     ///< A diagonal, a free
  full          ///< A and a free
};

struct OutputLayerOptions {
  Calibration kind = Calibration::diagonal;  ///< shape of A
  double ridge = 1e-4;                       ///< pull of A to I / T and of a to 0
  Index n_folds = 5;                         ///< folds that make the out-of-fold scores
  Index max_samples = 4000;                  ///< no further fold once there are as many scores
  double tol = 1e-6;                         ///< largest absolute gradient entry
  Index max_iter = 500;                      ///< L-BFGS iterations
};

/// The fully connected output layer P = softmax(A z + a) on the scores z in R^q, q >= 2:
///   min_{A, a}  1/n sum_i [log sum_c exp(u_ic) - u_{i, y_i}] + ridge/2 (|A - I/T|_F^2 + |a|^2),  u_i = A z_i
///   + a,
/// 1/T from the same problem with A = I/T alone. Convex; L-BFGS, certified by the largest gradient entry.
/// Fit it on out-of-fold scores: scores of samples that the experts were trained on are too good.
/// Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.
class OutputLayer {
 public:
  /// scores: n x q; labels: class 0 … q-1 of each sample.
  Convergence fit(const Matrix<double>& scores, const LabelVector& labels,
                  const OutputLayerOptions& options) {
    const Index n = scores.rows(), q = scores.cols();
    detail::check_not_empty(n, q, "scores");
    detail::check_at_least("scores.cols()", q, 2);
    detail::check_size("labels.size()", labels.size(), n, "one per row of scores");
    detail::check_finite(scores, "scores");
    detail::check_non_negative("output.ridge", options.ridge);
    detail::check_positive("output.tol", options.tol);
    for (Index i = 0; i < n; ++i)
      if (labels[i] < 0 || labels[i] >= q)
        detail::reject(detail::entry_name("labels", i, 0, true), labels[i], "a class in 0 … q-1");
    weight_ = Matrix<double>::Identity(q, q);
    bias_ = Vector<double>::Zero(q);
    Convergence certificate{Status::converged, 0, options.tol, loss(scores, labels, nullptr, nullptr), 0};
    if (options.kind == Calibration::none) return certificate;
    certificate = fit_temperature(scores, labels, options);
    if (options.kind != Calibration::temperature) certificate = fit_matrix(scores, labels, options);
    return certificate;
  }

  /// Rows of probabilities for rows of scores.
  Matrix<double> predict_proba(const Matrix<double>& scores) const {
    detail::check_fitted(n_classes() > 0, "OutputLayer");
    detail::check_size("scores.cols()", scores.cols(), n_classes(), "one per class");
    Matrix<double> u = scores * weight_.transpose();
    u.rowwise() += bias_.transpose();
    for (Index i = 0; i < u.rows(); ++i) softmax(u.row(i));
    return u;
  }

  Index n_classes() const { return bias_.size(); }
  const Matrix<double>& weight() const { return weight_; }  ///< A, q x q
  const Vector<double>& bias() const { return bias_; }      ///< a, q

 private:
  template <class Row>
  static double softmax(Row&& u) {
    const double largest = u.maxCoeff();
    u.array() = (u.array() - largest).exp();
    const double sum = u.sum();
    u /= sum;
    return largest + std::log(sum);
  }

  // Mean negative log likelihood and, where asked for, its gradient in A and a.
  double loss(const Matrix<double>& z, const LabelVector& labels, Matrix<double>* grad_weight,
              Vector<double>* grad_bias) const {
    const Index n = z.rows();
    Matrix<double> u(n, n_classes());
    u.noalias() = z.lazyProduct(weight_.transpose());
    u.rowwise() += bias_.transpose();
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const double target = u(i, labels[i]);
      sum += softmax(u.row(i)) - target;
      u(i, labels[i]) -= 1;
    }
    const double scale = 1 / static_cast<double>(n);
    if (grad_weight) grad_weight->noalias() = scale * u.transpose().lazyProduct(z);
    if (grad_bias) *grad_bias = scale * u.colwise().sum().transpose();
    return scale * sum;
  }

  // A = t I.
  Convergence fit_temperature(const Matrix<double>& z, const LabelVector& labels,
                              const OutputLayerOptions& options) {
    const Index q = z.cols();
    Vector<double> t = Vector<double>::Ones(1);
    const auto objective = [&](const Vector<double>& at, Vector<double>& gradient) {
      weight_ = at[0] * Matrix<double>::Identity(q, q);
      Matrix<double> grad;
      const double value = loss(z, labels, &grad, nullptr);
      // A whisper of a penalty keeps t finite where the scores separate the classes.
      gradient[0] = grad.trace() + 1e-8 * at[0];
      return value + 0.5e-8 * at[0] * at[0];
    };
    const Convergence certificate = detail::minimize_lbfgs(objective, t, options.tol, options.max_iter);
    weight_ = t[0] * Matrix<double>::Identity(q, q);
    return certificate;
  }

  Convergence fit_matrix(const Matrix<double>& z, const LabelVector& labels,
                         const OutputLayerOptions& options) {
    const Index q = z.cols();
    const bool diagonal = options.kind == Calibration::diagonal;
    const Index n_weights = diagonal ? q : q * q;
    const Matrix<double> start = weight_;
    Vector<double> x(n_weights + q);
    x << (diagonal ? Vector<double>(start.diagonal()) : Vector<double>(start.reshaped())), bias_;
    const Vector<double> x0 = x;
    const auto unpack = [&](const Vector<double>& at) {
      if (diagonal)
        weight_ = at.head(q).asDiagonal();
      else
        weight_ = at.head(n_weights).reshaped(q, q);
      bias_ = at.tail(q);
    };
    const auto objective = [&](const Vector<double>& at, Vector<double>& gradient) {
      unpack(at);
      Matrix<double> grad;
      Vector<double> grad_bias;
      double value = loss(z, labels, &grad, &grad_bias);
      if (diagonal)
        gradient.head(q) = grad.diagonal();
      else
        gradient.head(n_weights) = grad.reshaped();
      gradient.tail(q) = grad_bias;
      gradient += options.ridge * (at - x0);
      value += 0.5 * options.ridge * (at - x0).squaredNorm();
      return value;
    };
    const Convergence certificate = detail::minimize_lbfgs(objective, x, options.tol, options.max_iter);
    unpack(x);
    return certificate;
  }

  Matrix<double> weight_;
  Vector<double> bias_;
};

}  // namespace sparse_experts
