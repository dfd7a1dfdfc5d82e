// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

/// What every fitted linear regression offers: ŷ = Xw + b, for one target or for q of them at once.
/// The plain names (coef, intercept, predict, convergence) are those of a single target; the plural ones hold
/// always, one column or entry per target.
template <class Scalar_>
class LinearModel {
 public:
  using Scalar = Scalar_;

  bool is_fitted() const { return coefs_.size() > 0; }
  Index n_features() const { return coefs_.rows(); }
  Index n_targets() const { return coefs_.cols(); }

  /// p weights.
  const Vector<Scalar>& coef() const {
    check_single();
    return coef_;
  }
  Scalar intercept() const {
    check_single();
    return intercepts_[0];
  }
  /// p x q.
  const Matrix<Scalar>& coefs() const {
    check_fitted();
    return coefs_;
  }
  /// q.
  const RowVector<Scalar>& intercepts() const {
    check_fitted();
    return intercepts_;
  }
  /// Certificate of the fit; of several targets the worst one.
  const Convergence& convergence() const {
    check_fitted();
    return convergence_;
  }
  /// One certificate per target.
  const std::vector<Convergence>& convergences() const {
    check_fitted();
    return convergences_;
  }

  /// ŷ = Xw + b, n. X: m x p, dense or sparse.
  template <class X>
  Vector<Scalar> predict(const Eigen::EigenBase<X>& x) const {
    check_single();
    check_columns(x.derived());
    Vector<Scalar> out = x.derived() * coef_;
    out.array() += intercepts_[0];
    return out;
  }
  /// Ŷ = XW + b, n x q.
  template <class X>
  Matrix<Scalar> predict_targets(const Eigen::EigenBase<X>& x) const {
    check_fitted();
    check_columns(x.derived());
    Matrix<Scalar> out(x.rows(), coefs_.cols());
    for (Index k = 0; k < coefs_.cols(); ++k) out.col(k) = x.derived() * coefs_.col(k);
    out.rowwise() += intercepts_;
    return out;
  }

  /// R² = 1 - Σ (y - ŷ)² / Σ (y - ȳ)², at best 1; for a constant y 1 where it is met exactly, else 0.
  template <class X, class Y>
  double score(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<Y>& y) const {
    detail::check_size("y.size()", y.size(), x.derived().rows(), "X.rows()");
    const Vector<double> target = y.derived().template cast<double>();
    const Vector<double> error = target - predict(x).template cast<double>();
    const double total = (target.array() - target.mean()).square().sum();
    if (!(total > 0)) return error.squaredNorm() > 0 ? 0 : 1;
    return 1 - error.squaredNorm() / total;
  }

 protected:
  LinearModel(const char* name) : name_(name) {}

  void set(Matrix<Scalar> coefs, RowVector<Scalar> intercepts, std::vector<Convergence> convergences) {
    coefs_ = std::move(coefs);
    intercepts_ = std::move(intercepts);
    convergences_ = std::move(convergences);
    if (coefs_.cols() == 1) coef_ = coefs_.col(0);
    convergence_ = convergences_.front();
    for (const Convergence& c : convergences_)
      if ((!c && convergence_) || (bool(c) == bool(convergence_) && c.value > convergence_.value))
        convergence_ = c;
  }

 private:
  void check_fitted() const { detail::check_fitted(is_fitted(), name_); }
  void check_single() const {
    check_fitted();
    if (coefs_.cols() != 1)
      throw std::logic_error("sparse_experts: " + std::string(name_) + " has " +
                             std::to_string(coefs_.cols()) +
                             " targets, use coefs, intercepts and predict_targets");
  }
  template <class X>
  void check_columns(const X& x) const {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>, "X must have the scalar type of the model");
    detail::check_size("X.cols()", x.cols(), coefs_.rows(), "the number of features of fit");
  }

  const char* name_;
  Matrix<Scalar> coefs_;
  Vector<Scalar> coef_;
  RowVector<Scalar> intercepts_;
  Convergence convergence_;
  std::vector<Convergence> convergences_;
};

}  // namespace sparse_experts
