// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>

namespace sparse_experts::detail {

/// A design whose stored entries can be visited: for_each(j, f) calls f(i, x_ij).
template <class D>
concept VisitableDesign = Design<D> && requires(const D& design, void (*visit)(Index, typename D::Scalar)) {
  design.for_each(Index{}, visit);
};

/// A design that is one dense column-major array.
template <class D>
concept DenseDesign = Design<D> && requires(const D& design) {
  design.matrix().data();
  design.matrix().outerStride();
};

/// A design that is one compressed sparse column-major array.
template <class D>
concept SparseDesign = Design<D> && requires(const D& design) {
  design.matrix().innerIndexPtr();
  design.matrix().valuePtr();
};

/// sum_i x_i r_i in double. Eight running sums: they vectorise, and their order never changes.
template <class Scalar>
double dense_column_dot(const Scalar* x, const double* r, Index n) {
  double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (Index k = 0; k < 8; ++k) lane[k] += static_cast<double>(x[i + k]) * r[i + k];
  double tail = 0;
  for (; i < n; ++i) tail += static_cast<double>(x[i]) * r[i];
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7])) + tail;
}

/// sum_k x_k r[rows_k] in double; four running sums hide the latency of the gathers.
template <class Scalar, class StorageIndex>
double sparse_column_dot(const StorageIndex* rows, const Scalar* x, Index count, const double* r) {
  double lane[4] = {0, 0, 0, 0};
  Index k = 0;
  for (; k + 4 <= count; k += 4)
    for (Index l = 0; l < 4; ++l) lane[l] += static_cast<double>(x[k + l]) * r[rows[k + l]];
  for (; k < count; ++k) lane[0] += static_cast<double>(x[k]) * r[rows[k]];
  return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

/// Columns of any design read in double, whatever its scalar: the margin solvers keep all their state in
/// double, so that float data give the same certificates. A design that cannot be visited is read through
/// axpy on a scratch column (O(n) per column). One reader per thread.
template <Design D>
class ColumnReader {
 public:
  using Scalar = typename D::Scalar;

  explicit ColumnReader(const D& design) : design_(&design) {}

  const D& design() const { return *design_; }
  Index rows() const { return design_->rows(); }
  Index cols() const { return design_->cols(); }

  /// f(i, x_ij as double) over the stored entries of column j.
  template <class F>
  void for_each(Index j, F&& f) {
    if constexpr (VisitableDesign<D>) {
      design_->for_each(j, [&](Index i, Scalar value) { f(i, static_cast<double>(value)); });
    } else {
      scratch_.setZero(rows());
      design_->axpy(j, Scalar(1), scratch_);
      for (Index i = 0; i < scratch_.size(); ++i)
        if (scratch_[i] != Scalar(0)) f(i, static_cast<double>(scratch_[i]));
    }
  }

  /// x_j' r
  double dot(Index j, const Vector<double>& r) {
    if constexpr (DenseDesign<D>) {
      return dense_column_dot(design_->matrix().data() + j * design_->matrix().outerStride(), r.data(),
                              rows());
    } else if constexpr (SparseDesign<D>) {
      const auto& x = design_->matrix();
      const Index begin = x.outerIndexPtr()[j];
      return sparse_column_dot(x.innerIndexPtr() + begin, x.valuePtr() + begin, design_->stored(j), r.data());
    } else {
      double sum = 0;
      for_each(j, [&](Index i, double value) { sum += value * r[i]; });
      return sum;
    }
  }

  /// f += a x_j
  void axpy(Index j, double a, Vector<double>& f) {
    for_each(j, [&](Index i, double value) { f[i] += a * value; });
  }

 private:
  const D* design_;
  Vector<Scalar> scratch_;
};

}  // namespace sparse_experts::detail
