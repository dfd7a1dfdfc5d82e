// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace sparse_experts {

/// All that a column solver may know of X (n x p). One source of each solver serves every model of it: dense
/// and sparse columns, implicitly centred and scaled ones, the gated design, and whatever a user writes.
///   dot(j, r)       x_j' r
///   axpy(j, a, r)   r += a x_j
///   squared_norm(j) |x_j|^2
template <class D>
concept Design = requires(const D& design, Index j, typename D::Scalar a,
                          const Eigen::Ref<const Vector<typename D::Scalar>>& in,
                          Eigen::Ref<Vector<typename D::Scalar>> out) {
  { design.rows() } -> std::convertible_to<Index>;
  { design.cols() } -> std::convertible_to<Index>;
  { design.dot(j, in) } -> std::convertible_to<typename D::Scalar>;
  design.axpy(j, a, out);
  { design.squared_norm(j) } -> std::convertible_to<typename D::Scalar>;
};

/// Columns of a dense column-major matrix; a view, the matrix must outlive it.
template <class Scalar_>
class DenseColumns {
 public:
  using Scalar = Scalar_;
  using View = Eigen::Map<const Matrix<Scalar>, 0, Eigen::OuterStride<>>;

  DenseColumns(const Scalar* data, Index rows, Index cols, Index outer_stride)
      : x_(data, rows, cols, Eigen::OuterStride<>(outer_stride)) {}
  explicit DenseColumns(const Matrix<Scalar>& x) : DenseColumns(x.data(), x.rows(), x.cols(), x.rows()) {}

  Index rows() const { return x_.rows(); }
  Index cols() const { return x_.cols(); }
  Scalar dot(Index j, VectorIn<Scalar> r) const { return x_.col(j).dot(r); }
  void axpy(Index j, Scalar a, VectorOut<Scalar> r) const { r.noalias() += a * x_.col(j); }
  Scalar squared_norm(Index j) const { return x_.col(j).squaredNorm(); }

  /// f(i, x_ij) over the stored entries of column j.
  template <class F>
  void for_each(Index j, F&& f) const {
    const Scalar* column = x_.data() + j * x_.outerStride();
    for (Index i = 0; i < x_.rows(); ++i) f(i, column[i]);
  }
  Index stored(Index) const { return x_.rows(); }
  const Scalar* column(Index j) const { return x_.data() + j * x_.outerStride(); }
  const View& matrix() const { return x_; }

 private:
  View x_;
};

/// Columns of a compressed sparse column-major matrix; a view, the matrix must outlive it.
template <class Scalar_, class StorageIndex = int>
class SparseColumns {
 public:
  using Scalar = Scalar_;
  using View = Eigen::Map<const SparseMatrix<Scalar, StorageIndex>>;

  SparseColumns(Index rows, Index cols, Index nnz, const StorageIndex* outer, const StorageIndex* inner,
                const Scalar* values)
      : x_(rows, cols, nnz, outer, inner, values) {}
  explicit SparseColumns(const SparseMatrix<Scalar, StorageIndex>& x)
      : SparseColumns(x.rows(), x.cols(), x.nonZeros(), x.outerIndexPtr(), x.innerIndexPtr(), x.valuePtr()) {}

  Index rows() const { return x_.rows(); }
  Index cols() const { return x_.cols(); }

  Scalar dot(Index j, VectorIn<Scalar> r) const {
    // Two sums hide the latency of the additions.
    const StorageIndex* rows = x_.innerIndexPtr();
    const Scalar* values = x_.valuePtr();
    Index k = x_.outerIndexPtr()[j];
    const Index end = x_.outerIndexPtr()[j + 1];
    Scalar even = 0, odd = 0;
    for (; k + 1 < end; k += 2) {
      even += values[k] * r[rows[k]];
      odd += values[k + 1] * r[rows[k + 1]];
    }
    if (k < end) even += values[k] * r[rows[k]];
    return even + odd;
  }
  void axpy(Index j, Scalar a, VectorOut<Scalar> r) const {
    for_each(j, [&](Index i, Scalar value) { r[i] += a * value; });
  }
  Scalar squared_norm(Index j) const {
    Scalar sum = 0;
    for_each(j, [&](Index, Scalar value) { sum += value * value; });
    return sum;
  }

  template <class F>
  void for_each(Index j, F&& f) const {
    const StorageIndex* rows = x_.innerIndexPtr();
    const Scalar* values = x_.valuePtr();
    for (Index k = x_.outerIndexPtr()[j]; k < x_.outerIndexPtr()[j + 1]; ++k)
      f(static_cast<Index>(rows[k]), values[k]);
  }
  Index stored(Index j) const { return x_.outerIndexPtr()[j + 1] - x_.outerIndexPtr()[j]; }
  const StorageIndex* inner(Index j) const { return x_.innerIndexPtr() + x_.outerIndexPtr()[j]; }
  const Scalar* values(Index j) const { return x_.valuePtr() + x_.outerIndexPtr()[j]; }
  const View& matrix() const { return x_; }

 private:
  View x_;
};

/// Implicitly centred and scaled columns (x_j - center_j 1) scale_j of another design: sparse data stay
/// sparse.
template <Design Base>
class StandardizedColumns {
 public:
  using Scalar = typename Base::Scalar;

  StandardizedColumns(const Base& base, Vector<Scalar> center, Vector<Scalar> scale)
      : base_(&base), center_(std::move(center)), scale_(std::move(scale)) {
    ones_ = Vector<Scalar>::Ones(base.rows());
  }

  Index rows() const { return base_->rows(); }
  Index cols() const { return base_->cols(); }
  Scalar dot(Index j, VectorIn<Scalar> r) const {
    return scale_[j] * (base_->dot(j, r) - center_[j] * r.sum());
  }
  void axpy(Index j, Scalar a, VectorOut<Scalar> r) const {
    base_->axpy(j, a * scale_[j], r);
    r.array() -= a * scale_[j] * center_[j];
  }
  Scalar squared_norm(Index j) const {
    const auto n = static_cast<Scalar>(rows());
    const Scalar sum = base_->dot(j, ones_), c = center_[j];
    return scale_[j] * scale_[j] * (base_->squared_norm(j) - 2 * c * sum + n * c * c);
  }

  const Base& base() const { return *base_; }
  const Vector<Scalar>& center() const { return center_; }
  const Vector<Scalar>& scale() const { return scale_; }

 private:
  const Base* base_;
  Vector<Scalar> center_, scale_, ones_;
};

namespace detail {

template <class X>
inline constexpr bool is_sparse =
    std::is_base_of_v<Eigen::SparseMatrixBase<std::decay_t<X>>, std::decay_t<X>>;

/// out = X' r, blocks of columns in parallel.
template <Design D>
void correlations(const D& design, VectorIn<typename D::Scalar> r, VectorOut<typename D::Scalar> out,
                  int n_threads = 1) {
  parallel_blocks(design.cols(), 64, n_threads, [&](const Block& block) {
    if constexpr (requires { design.correlations(block.begin, block.size(), r, out); })
      design.correlations(block.begin, block.size(), r, out);
    else
      for (Index j = block.begin; j < block.end; ++j) out[j] = design.dot(j, r);
  });
}

/// Front door of the column solvers: calls f(design) with a view of X by columns. Column-major dense and
/// compressed column-major sparse objects are bound, anything else is copied once into the layout of the
/// columns.
template <class X, class F>
decltype(auto) with_columns(const Eigen::EigenBase<X>& input, F&& f) {
  using Scalar = typename X::Scalar;
  const X& x = input.derived();
  if constexpr (is_sparse<X>) {
    using StorageIndex = typename X::StorageIndex;
    if constexpr (requires { x.valuePtr(); } && !X::IsRowMajor) {
      if (x.isCompressed())
        return f(SparseColumns<Scalar, StorageIndex>(x.rows(), x.cols(), x.nonZeros(), x.outerIndexPtr(),
                                                     x.innerIndexPtr(), x.valuePtr()));
    }
    SparseMatrix<Scalar, StorageIndex> copy = x;
    copy.makeCompressed();
    return f(SparseColumns<Scalar, StorageIndex>(copy));
  } else {
    if constexpr (bool(X::Flags & Eigen::DirectAccessBit) && !X::IsRowMajor) {
      if (x.innerStride() == 1) return f(DenseColumns<Scalar>(x.data(), x.rows(), x.cols(), x.outerStride()));
    }
    const Matrix<Scalar> copy = x;
    return f(DenseColumns<Scalar>(copy));
  }
}

}  // namespace detail

}  // namespace sparse_experts
