// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/lbfgs.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

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
  template <class = void>
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
    Likelihood loss(scores, labels, options.ridge);
    Convergence certificate{Status::converged, 0, options.tol, 0, 0};
    std::vector<double> x(1, 1.0), gradient(1);
    if (options.kind == Calibration::none) {
      certificate.objective = loss.evaluate(x, gradient);
    } else {
      certificate = detail::LBFGS::minimize(loss, x, options.tol, options.max_iter);
      if (options.kind != Calibration::temperature) {
        loss.free_weights(x, options.kind == Calibration::diagonal);
        certificate = detail::LBFGS::minimize(loss, x, options.tol, options.max_iter);
      }
    }
    loss.unpack(x);
    weight_.resize(q, q);
    bias_.resize(q);
    for (Index c = 0; c < q; ++c) {
      bias_[c] = loss.bias[static_cast<std::size_t>(c)];
      for (Index d = 0; d < q; ++d) weight_(c, d) = loss.weight[static_cast<std::size_t>(c * q + d)];
    }
    return certificate;
  }

  /// Rows of probabilities for rows of scores.
  template <class = void>
  Matrix<double> predict_proba(const Matrix<double>& scores) const {
    detail::check_fitted(n_classes() > 0, "OutputLayer");
    detail::check_size("scores.cols()", scores.cols(), n_classes(), "one per class");
    const Index q = n_classes();
    Matrix<double> proba(scores.rows(), q);
    std::vector<double> u(static_cast<std::size_t>(q));
    for (Index i = 0; i < scores.rows(); ++i) {
      for (Index c = 0; c < q; ++c) {
        double sum = bias_[c];
        for (Index d = 0; d < q; ++d) sum += weight_(c, d) * scores(i, d);
        u[static_cast<std::size_t>(c)] = sum;
      }
      softmax(u.data(), u.size());
      for (Index c = 0; c < q; ++c) proba(i, c) = u[static_cast<std::size_t>(c)];
    }
    return proba;
  }

  Index n_classes() const { return bias_.size(); }
  const Matrix<double>& weight() const { return weight_; }  ///< A, q x q
  const Vector<double>& bias() const { return bias_; }      ///< a, q

 private:
  // u <- softmax(u); returns log sum exp.
  static double softmax(double* u, std::size_t q) {
    const double largest = *std::max_element(u, u + q);
    double sum = 0;
    for (std::size_t c = 0; c < q; ++c) sum += u[c] = std::exp(u[c] - largest);
    for (std::size_t c = 0; c < q; ++c) u[c] /= sum;
    return largest + std::log(sum);
  }

  // The penalised mean negative log likelihood, in t alone (A = t I) or in A and a around a start.
  class Likelihood final : public detail::SmoothObjective {
   public:
    template <class Scores>
    Likelihood(const Scores& scores, const LabelVector& labels, double ridge)
        : q_(static_cast<std::size_t>(scores.cols())), ridge_(ridge), labels_(labels) {
      z_.resize(static_cast<std::size_t>(scores.rows()) * q_);
      for (Index i = 0; i < scores.rows(); ++i)
        for (Index c = 0; c < scores.cols(); ++c)
          z_[static_cast<std::size_t>(i) * q_ + static_cast<std::size_t>(c)] = scores(i, c);
      weight.assign(q_ * q_, 0);
      bias.assign(q_, 0);
    }

    // From x = (t) to x = (diagonal or all of A = t I, a = 0), with the ridge pulling there.
    void free_weights(std::vector<double>& x, bool diagonal) {
      unpack(x);
      diagonal_ = diagonal;
      x.assign(diagonal ? q_ : q_ * q_, 0);
      for (std::size_t c = 0; c < q_; ++c) x[diagonal ? c : c * q_ + c] = weight[c * q_ + c];
      x.resize(x.size() + q_, 0);
      start_ = x;
    }

    void unpack(const std::vector<double>& x) {
      std::fill(weight.begin(), weight.end(), 0);
      if (x.size() == 1) {
        for (std::size_t c = 0; c < q_; ++c) weight[c * q_ + c] = x[0];
        return;
      }
      if (diagonal_)
        for (std::size_t c = 0; c < q_; ++c) weight[c * q_ + c] = x[c];
      else
        std::copy(x.begin(), x.end() - static_cast<std::ptrdiff_t>(q_), weight.begin());
      std::copy(x.end() - static_cast<std::ptrdiff_t>(q_), x.end(), bias.begin());
    }

    double evaluate(const std::vector<double>& x, std::vector<double>& gradient) override {
      unpack(x);
      const bool full = x.size() > 1 && !diagonal_;
      std::fill(gradient.begin(), gradient.end(), 0);
      const std::size_t n = z_.size() / q_;
      std::vector<double> u(q_);
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double* z = z_.data() + i * q_;
        for (std::size_t c = 0; c < q_; ++c) {
          u[c] = bias[c] + weight[c * q_ + c] * z[c];
          if (full)
            for (std::size_t d = 0; d < q_; ++d)
              if (d != c) u[c] += weight[c * q_ + d] * z[d];
        }
        const auto label = static_cast<std::size_t>(labels_[static_cast<Index>(i)]);
        const double target = u[label];
        sum += softmax(u.data(), q_) - target;
        u[label] -= 1;
        if (x.size() == 1) {
          for (std::size_t c = 0; c < q_; ++c) gradient[0] += u[c] * z[c];
          continue;
        }
        double* by_bias = gradient.data() + (gradient.size() - q_);
        for (std::size_t c = 0; c < q_; ++c) {
          by_bias[c] += u[c];
          if (!full)
            gradient[c] += u[c] * z[c];
          else
            for (std::size_t d = 0; d < q_; ++d) gradient[c * q_ + d] += u[c] * z[d];
        }
      }
      const double scale = 1 / static_cast<double>(n);
      double value = scale * sum;
      for (std::size_t j = 0; j < x.size(); ++j) {
        // A whisper of a penalty keeps t finite where the scores separate the classes.
        const double ridge = x.size() == 1 ? 1e-8 : ridge_, move = x.size() == 1 ? x[0] : x[j] - start_[j];
        gradient[j] = scale * gradient[j] + ridge * move;
        value += 0.5 * ridge * move * move;
      }
      return value;
    }

    std::vector<double> weight, bias;  // A by rows (q x q), a

   private:
    std::size_t q_;
    double ridge_;
    const LabelVector& labels_;
    bool diagonal_ = false;
    std::vector<double> z_, start_;  // scores by rows; where the ridge pulls to
  };

  Matrix<double> weight_;
  Vector<double> bias_;
};

}  // namespace sparse_experts
