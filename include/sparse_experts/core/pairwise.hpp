// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <limits>

namespace sparse_experts::detail {

/// Squared distance of two rows in double, whatever their scalar: the reference that decides borderline
/// cases. The sum runs over features in ascending order.
template <class Scalar>
double squared_distance(const Scalar* a, const Scalar* b, Index p) {
  double sum = 0;
  for (Index j = 0; j < p; ++j) {
    const double difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += difference * difference;
  }
  return sum;
}

template <class Scalar>
double squared_distance(const DenseRows<Scalar>& a, Index i, const DenseRows<Scalar>& b, Index j) {
  return squared_distance(a.data() + i * a.outerStride(), b.data() + j * b.outerStride(), a.cols());
}

template <class Scalar, class StorageIndex>
double squared_distance(const SparseRows<Scalar, StorageIndex>& a, Index i,
                        const SparseRows<Scalar, StorageIndex>& b, Index j) {
  const auto square = [](double x) { return x * x; };
  Index k = a.outerIndexPtr()[i], l = b.outerIndexPtr()[j];
  const Index k_end = a.outerIndexPtr()[i + 1], l_end = b.outerIndexPtr()[j + 1];
  double sum = 0;
  while (k < k_end && l < l_end) {
    const StorageIndex column_a = a.innerIndexPtr()[k], column_b = b.innerIndexPtr()[l];
    const double value_a = column_a <= column_b ? static_cast<double>(a.valuePtr()[k]) : 0.0;
    const double value_b = column_b <= column_a ? static_cast<double>(b.valuePtr()[l]) : 0.0;
    sum += square(value_a - value_b);
    k += column_a <= column_b;
    l += column_b <= column_a;
  }
  for (; k < k_end; ++k) sum += square(static_cast<double>(a.valuePtr()[k]));
  for (; l < l_end; ++l) sum += square(static_cast<double>(b.valuePtr()[l]));
  return sum;
}

/// Mean row; empty for sparse rows, which are never centred.
template <class Rows>
RowVector<double> row_center(const Rows& x) {
  if constexpr (is_sparse<Rows>) {
    return RowVector<double>();
  } else {
    RowVector<double> sum = RowVector<double>::Zero(x.cols());
    for (Index i = 0; i < x.rows(); ++i) sum += x.row(i).template cast<double>();
    return sum / static_cast<double>(x.rows());
  }
}

/// Products of two lists of rows, tile by tile: the blocked path to all pairwise distances in O(tile (p +
/// tile)) memory. Dense rows are packed minus `center` (distances do not change, cancellation gets less) in
/// scalars `Work`. Of sparse rows the right tile is spread out once (p x tile); each left row then adds few
/// of its lines.
template <class Work, class Rows>
class TileProducts {
 public:
  /// Left tiles are rows of `left`, right ones of `right`; both have the same columns.
  TileProducts(const Rows& left, const Rows& right, const RowVector<double>& center)
      : left_x_(&left), right_x_(&right), center_(&center) {}

  void set_left(const Index* rows, Index size) {
    left_rows_ = rows;
    pack(*left_x_, rows, size, left_, left_norms_);
  }
  void set_right(const Index* rows, Index size) {
    pack(*right_x_, rows, size, right_, right_norms_);
    if constexpr (is_sparse<Rows>) {
      right_.setZero(right_x_->cols(), size);
      for (Index c = 0; c < size; ++c)
        for_each_stored(*right_x_, rows[c],
                        [&](Index column, double value) { right_(column, c) = static_cast<Work>(value); });
    }
  }

  /// left x right products.
  const RowMatrix<Work>& products() {
    if constexpr (is_sparse<Rows>) {
      products_.setZero(left_norms_.size(), right_norms_.size());
      for (Index r = 0; r < products_.rows(); ++r)
        for_each_stored(*left_x_, left_rows_[r], [&](Index column, double value) {
          products_.row(r) += static_cast<Work>(value) * right_.row(column);
        });
    } else {
      products_.noalias() = left_ * right_.transpose();
    }
    return products_;
  }
  /// The last products again.
  const RowMatrix<Work>& last() const { return products_; }
  /// Squared norms of the (centred) rows, in double.
  const Vector<double>& left_norms() const { return left_norms_; }
  const Vector<double>& right_norms() const { return right_norms_; }

  /// Bound on the error of |a|^2 + |b|^2 - 2 a'b made of these products: relative() (|a|^2 + |b|^2) +
  /// absolute(), for any order of summation, packing and denormal numbers included.
  double relative() const {
    return static_cast<double>(right_x_->cols() + 8) *
           static_cast<double>(std::numeric_limits<Work>::epsilon());
  }
  double absolute() const {
    return 4 * static_cast<double>(right_x_->cols()) * static_cast<double>(std::numeric_limits<Work>::min());
  }

 private:
  template <class F>
  static void for_each_stored(const Rows& x, Index row, F&& f) {
    for (Index k = x.outerIndexPtr()[row]; k < x.outerIndexPtr()[row + 1]; ++k)
      f(static_cast<Index>(x.innerIndexPtr()[k]), static_cast<double>(x.valuePtr()[k]));
  }

  void pack(const Rows& x, const Index* rows, Index size, RowMatrix<Work>& packed,
            Vector<double>& norms) const {
    norms.setZero(size);
    if constexpr (is_sparse<Rows>) {
      (void)packed;
      for (Index r = 0; r < size; ++r)
        for_each_stored(x, rows[r], [&](Index, double value) { norms[r] += value * value; });
    } else {
      const Index p = x.cols();
      packed.resize(size, p);
      for (Index r = 0; r < size; ++r) {
        const auto* source = x.data() + rows[r] * x.outerStride();
        Work* target = packed.data() + r * p;
        for (Index j = 0; j < p; ++j)
          target[j] = static_cast<Work>(static_cast<double>(source[j]) - (*center_)[j]);
        norms[r] = packed.row(r).template cast<double>().squaredNorm();
      }
    }
  }

  const Rows *left_x_, *right_x_;
  const RowVector<double>* center_;
  const Index* left_rows_ = nullptr;
  RowMatrix<Work> left_, right_, products_;
  Vector<double> left_norms_, right_norms_;
};

}  // namespace sparse_experts::detail
