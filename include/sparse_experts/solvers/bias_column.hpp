// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/column_reader.hpp>

namespace sparse_experts::detail {

/// A design with one more column, constant `value`: a penalised intercept is its weight.
template <Design Base>
class BiasColumn {
 public:
  using Scalar = typename Base::Scalar;

  BiasColumn(const Base& base, Scalar value) : base_(&base), value_(value) {}

  Index rows() const { return base_->rows(); }
  Index cols() const { return base_->cols() + 1; }
  Scalar dot(Index j, VectorIn<Scalar> r) const {
    return j < base_->cols() ? base_->dot(j, r) : value_ * r.sum();
  }
  void axpy(Index j, Scalar a, VectorOut<Scalar> r) const {
    if (j < base_->cols())
      base_->axpy(j, a, r);
    else
      r.array() += a * value_;
  }
  Scalar squared_norm(Index j) const {
    return j < base_->cols() ? base_->squared_norm(j) : value_ * value_ * static_cast<Scalar>(rows());
  }
  template <class F>
  void for_each(Index j, F&& f) const requires VisitableDesign<Base> {
    if (j < base_->cols()) {
      base_->for_each(j, f);
    } else {
      for (Index i = 0; i < rows(); ++i) f(i, value_);
    }
  }

 private:
  const Base* base_;
  Scalar value_;
};

}  // namespace sparse_experts::detail
