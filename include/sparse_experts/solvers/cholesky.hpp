// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>

namespace sparse_experts {

/// Cholesky factor of a growing and shrinking symmetric positive definite matrix, G = R'R with R upper
/// triangular, stored by columns: appending a row and column costs one triangular solve, removing one a sweep
/// of Givens rotations. Rows that depend linearly on the earlier ones are refused. Ref: Golub, Van Loan,
/// Matrix Computations, 4th ed., sec. 6.5.
class UpdatableCholesky {
 public:
  explicit UpdatableCholesky(Index capacity = 0) : r_(capacity, capacity) {}

  Index size() const { return size_; }
  void clear() { size_ = 0; }
  const Matrix<double>& storage() const { return r_; }

  /// Appends a column: `cross` = G(existing, new), `diagonal` = G(new, new). False, and nothing changes,
  /// where the new pivot is below `tolerance` times the diagonal.
  bool append(const Eigen::Ref<const Vector<double>>& cross, double diagonal, double tolerance = 1e-12) {
    reserve(size_ + 1);
    auto column = r_.col(size_).head(size_);
    column = cross;
    r_.topLeftCorner(size_, size_).template triangularView<Eigen::Upper>().transpose().solveInPlace(column);
    const double pivot = diagonal - column.squaredNorm();
    if (!(pivot > tolerance * diagonal)) return false;
    r_(size_, size_) = std::sqrt(pivot);
    ++size_;
    return true;
  }

  /// Removes row and column k.
  void remove(Index k) {
    for (Index j = k + 1; j < size_; ++j) r_.col(j - 1).head(j + 1) = r_.col(j).head(j + 1);
    --size_;
    for (Index i = k; i < size_; ++i) {
      const double a = r_(i, i), b = r_(i + 1, i);
      const double length = std::hypot(a, b), c = a / length, s = b / length;
      for (Index j = i; j < size_; ++j) {
        const double upper = r_(i, j), lower = r_(i + 1, j);
        r_(i, j) = c * upper + s * lower;
        r_(i + 1, j) = c * lower - s * upper;
      }
    }
  }

  /// x <- G^-1 x.
  void solve(Eigen::Ref<Vector<double>> x) const {
    const auto r = r_.topLeftCorner(size_, size_).template triangularView<Eigen::Upper>();
    r.transpose().solveInPlace(x);
    r.solveInPlace(x);
  }

 private:
  void reserve(Index wanted) {
    if (wanted <= r_.rows()) return;
    const Index capacity = std::max<Index>(2 * r_.rows(), wanted + 16);
    r_.conservativeResize(capacity, capacity);
  }

  Matrix<double> r_;
  Index size_ = 0;
};

}  // namespace sparse_experts
