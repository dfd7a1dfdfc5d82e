// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/dense_dots.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/clustering/sparse_dots.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <cstddef>

namespace sparse_experts::detail {

/// Dense or sparse rows behind one type, told apart at run time once per row or chunk of rows: everything
/// above the kernels is compiled once. A view.
template <class Scalar_>
class AnyRows {
 public:
  using Scalar = Scalar_;

  explicit AnyRows(const DenseRows<Scalar>& x)
      : is_dense_(true), dense_(x), sparse_(0, 0, 0, nullptr, nullptr, nullptr) {}
  explicit AnyRows(const SparseRows<Scalar>& x)
      : is_dense_(false), dense_(nullptr, 0, 0, Eigen::OuterStride<>(0)), sparse_(x) {}

  Index rows() const { return is_dense_ ? dense_.rows() : sparse_.rows(); }
  Index cols() const { return is_dense_ ? dense_.cols() : sparse_.cols(); }
  bool is_dense() const { return is_dense_; }
  const DenseRows<Scalar>& dense() const { return dense_; }

  template <class F>
  decltype(auto) visit(F&& f) const {
    return is_dense_ ? f(dense_) : f(sparse_);
  }

 private:
  bool is_dense_;
  DenseRows<Scalar> dense_;
  SparseRows<Scalar> sparse_;
};

template <class Scalar>
Index row_terms(const AnyRows<Scalar>& x, Index i) {
  return x.visit([&](const auto& rows) { return row_terms(rows, i); });
}
template <class Scalar>
double row_squared_norm(const AnyRows<Scalar>& x, Index i) {
  return x.visit([&](const auto& rows) { return row_squared_norm(rows, i); });
}
template <class Scalar>
double row_squared_distance(const AnyRows<Scalar>& x, Index i, const Scalar* center, double center_square) {
  return x.visit([&](const auto& rows) { return row_squared_distance(rows, i, center, center_square); });
}
template <class Scalar>
void add_row(const AnyRows<Scalar>& x, Index i, double weight, double* sum) {
  x.visit([&](const auto& rows) { add_row(rows, i, weight, sum); });
}
template <class Scalar>
void copy_row(const AnyRows<Scalar>& x, Index i, Scalar* to) {
  x.visit([&](const auto& rows) { copy_row(rows, i, to); });
}
template <std::size_t n_vectors, class Scalar>
void chunk_dots(const AnyRows<Scalar>& x, Index count, const Index* rows, const Scalar* panel, Scalar* out) {
  x.visit([&](const auto& view) { chunk_dots<n_vectors>(view, count, rows, panel, out); });
}

}  // namespace sparse_experts::detail
