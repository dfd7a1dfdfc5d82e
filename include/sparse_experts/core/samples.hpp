// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>

namespace sparse_experts {

/// Rows of a dense row-major matrix (n x p): what clustering, coding and prediction see. A view.
template <class Scalar>
using DenseRows = Eigen::Map<const RowMatrix<Scalar>, 0, Eigen::OuterStride<>>;

/// Rows of a compressed sparse row-major matrix (n x p). A view.
template <class Scalar, class StorageIndex = int>
using SparseRows = Eigen::Map<const SparseRowMatrix<Scalar, StorageIndex>>;

namespace detail {

/// Front door of the row kernels: calls f(rows) with DenseRows or SparseRows. Row-major dense and compressed
/// row-major sparse objects are bound, anything else is copied once into rows.
template <class X, class F>
decltype(auto) with_rows(const Eigen::EigenBase<X>& input, F&& f) {
  using Scalar = typename X::Scalar;
  const X& x = input.derived();
  if constexpr (is_sparse<X>) {
    using StorageIndex = typename X::StorageIndex;
    using View = SparseRows<Scalar, StorageIndex>;
    if constexpr (requires { x.valuePtr(); } && X::IsRowMajor) {
      if (x.isCompressed())
        return f(View(x.rows(), x.cols(), x.nonZeros(), x.outerIndexPtr(), x.innerIndexPtr(), x.valuePtr()));
    }
    SparseRowMatrix<Scalar, StorageIndex> copy = x;
    copy.makeCompressed();
    return f(View(copy.rows(), copy.cols(), copy.nonZeros(), copy.outerIndexPtr(), copy.innerIndexPtr(),
                  copy.valuePtr()));
  } else {
    using View = DenseRows<Scalar>;
    if constexpr (bool(X::Flags & Eigen::DirectAccessBit) && X::IsRowMajor) {
      if (x.innerStride() == 1)
        return f(View(x.data(), x.rows(), x.cols(), Eigen::OuterStride<>(x.outerStride())));
    }
    const RowMatrix<Scalar> copy = x;
    return f(View(copy.data(), copy.rows(), copy.cols(), Eigen::OuterStride<>(copy.cols())));
  }
}

/// Dense rows, or sparse ones with int indices, behind one type that is cheap to compile: one row at a time
/// as its stored entries.
template <class Scalar>
class RowReader {
 public:
  explicit RowReader(const DenseRows<Scalar>& x)
      : rows_(x.rows()), cols_(x.cols()), stride_(x.outerStride()), values_(x.data()) {}
  explicit RowReader(const SparseRows<Scalar>& x)
      : rows_(x.rows()),
        cols_(x.cols()),
        values_(x.valuePtr()),
        begin_(x.outerIndexPtr()),
        columns_(x.innerIndexPtr()) {}

  /// `columns` is null for a dense row: 0, 1, …
  struct Row {
    Index count;
    const int* columns;
    const Scalar* values;

    Index column(Index t) const { return columns ? static_cast<Index>(columns[t]) : t; }
  };
  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  bool is_dense() const { return begin_ == nullptr; }
  Row row(Index i) const {
    if (!begin_) return {cols_, nullptr, values_ + i * stride_};
    return {static_cast<Index>(begin_[i + 1] - begin_[i]), columns_ + begin_[i], values_ + begin_[i]};
  }

 private:
  Index rows_, cols_, stride_ = 0;
  const Scalar* values_;
  const int *begin_ = nullptr, *columns_ = nullptr;
};

/// Sparse rows with int indices, as the stages of the model have them; dense rows as they are.
template <class Scalar>
const DenseRows<Scalar>& with_int_index(const DenseRows<Scalar>& rows) {
  return rows;
}
template <class Scalar>
const SparseRows<Scalar>& with_int_index(const SparseRows<Scalar>& rows) {
  return rows;
}
template <class Scalar, class StorageIndex>
SparseRowMatrix<Scalar> with_int_index(const SparseRows<Scalar, StorageIndex>& rows) {
  return rows;
}

}  // namespace detail

}  // namespace sparse_experts
