// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sparse_experts {

/// Cholesky factor of a growing and shrinking symmetric positive definite matrix, G = R'R with R upper
/// triangular, stored by columns: appending columns costs one triangular solve, removing one a sweep of
/// Givens rotations. Columns that depend linearly on the earlier ones are refused. Ref: Golub, Van Loan,
/// Matrix Computations, 4th ed., sec. 6.5.
class UpdatableCholesky {
 public:
  Index size() const { return size_; }
  void clear() { size_ = 0; }
  /// Threads for blocks of columns that join; 0 = all.
  void set_threads(int n_threads) { n_threads_ = n_threads; }

  /// Appends b columns, in blocks: `cross` = G(existing, new) is size x b, `inner` = G(new, new) is b x b.
  /// Returns which were taken; a column whose pivot falls below `tolerance` times its diagonal is not.
  template <class = void>
  std::vector<bool> append(const Eigen::Ref<const Matrix<double>>& cross,
                           const Eigen::Ref<const Matrix<double>>& inner, double tolerance = 1e-11) {
    const Index old = size_, count = inner.cols();
    reserve(old + count);
    Matrix<double> top = cross;
    Matrix<double> schur = inner;
    if (old > 0) {
      constexpr Index block_size = 32;
      const int n_threads = old * old * count < 2000000 ? 1 : n_threads_;
      detail::parallel_blocks(count, block_size, n_threads, [&](const detail::Block& block) {
        auto columns = top.middleCols(block.begin, block.size());
        r_.topLeftCorner(old, old).template triangularView<Eigen::Upper>().transpose().solveInPlace(columns);
      });
      Matrix<double> square(count, count);
      detail::parallel_blocks(count, block_size, n_threads, [&](const detail::Block& block) {
        detail::inner_products(top.data(), old, count, top.col(block.begin).data(), old, block.size(), old,
                               square.col(block.begin).data(), count, false);
      });
      schur -= square;
    }
    std::vector<bool> taken(static_cast<std::size_t>(count), false);
    for (Index j = 0; j < count; ++j) {
      // Row by row of the Schur complement; refused columns leave no row.
      auto column = r_.col(size_);
      column.head(old) = top.col(j);
      Index row = old;
      for (Index i = 0; i < j; ++i) {
        if (!taken[static_cast<std::size_t>(i)]) continue;
        column[row] = schur(i, j);
        ++row;
      }
      double pivot = schur(j, j);
      for (Index i = old; i < size_; ++i) {
        column[i] =
            (column[i] - r_.col(i).segment(old, i - old).dot(column.segment(old, i - old))) / r_(i, i);
        pivot -= column[i] * column[i];
      }
      if (!(pivot > tolerance * inner(j, j))) continue;
      column[size_] = std::sqrt(pivot);
      taken[static_cast<std::size_t>(j)] = true;
      ++size_;
    }
    return taken;
  }

  /// One column.
  template <class = void>
  bool append(const Vector<double>& cross, double diagonal, double tolerance = 1e-11) {
    return append(Matrix<double>(cross), Matrix<double>::Constant(1, 1, diagonal), tolerance)[0];
  }

  /// Removes row and column k.
  template <class = void>
  void remove(Index k) {
    --size_;
    rotations_.clear();
    Index j = k;
    for (; j + lanes <= size_; j += lanes) remove_from_lanes(k, j);
    for (; j < size_; ++j) {
      // Column j + 1 moves to j; the rotations of the earlier rows, then one more to clear its last entry.
      double* to = r_.col(j).data();
      const double* from = r_.col(j + 1).data();
      std::copy(from, from + k + 1, to);
      double carried = from[k];
      for (Index i = k; i < j; ++i) {
        const Rotation& q = rotations_[static_cast<std::size_t>(i - k)];
        to[i] = q.c * carried + q.s * from[i + 1];
        carried = q.c * from[i + 1] - q.s * carried;
      }
      rotate(carried, from[j + 1], to[j]);
    }
  }

  /// x <- G^-1 x.
  template <class = void>
  void solve(Eigen::Ref<Vector<double>> x) const {
    if (size_ == 0) return;
    const auto r = r_.topLeftCorner(size_, size_).template triangularView<Eigen::Upper>();
    r.transpose().solveInPlace(x);
    r.solveInPlace(x);
  }

 private:
  struct Rotation {
    double c, s;
  };

  static constexpr Index lanes = 4;

  /// The rotation that takes (carried, next) to (length, 0) joins the list.
  void rotate(double carried, double next, double& length) {
    length = std::hypot(carried, next);
    rotations_.push_back({carried / length, next / length});
  }

  /// Columns j + 1 … j + lanes move one to the left. The rotations of the rows above j run over all of them
  /// at once, since each column is a chain of dependent products.
  template <class = void>
  void remove_from_lanes(Index k, Index j) {
    double* to[lanes];
    double carried[lanes];
    for (Index l = 0; l < lanes; ++l) {
      to[l] = r_.col(j + l).data();
      carried[l] = r_(k, j + l + 1);
    }
    for (Index l = 0; l < lanes; ++l) {
      const double* from = r_.col(j + l + 1).data();
      std::copy(from, from + k + 1, to[l]);
    }
    const double* from[lanes] = {to[1], to[2], to[3], r_.col(j + lanes).data()};
    for (Index i = k; i < j; ++i) {
      const Rotation q = rotations_[static_cast<std::size_t>(i - k)];
      for (Index l = 0; l < lanes; ++l) {
        // Row i + 1 of a column is read here and overwritten in the next round.
        const double next = from[l][i + 1];
        to[l][i] = q.c * carried[l] + q.s * next;
        carried[l] = q.c * next - q.s * carried[l];
      }
    }
    for (Index l = 0; l < lanes; ++l) {
      for (Index i = j; i < j + l; ++i) {
        const Rotation& q = rotations_[static_cast<std::size_t>(i - k)];
        const double next = from[l][i + 1];
        to[l][i] = q.c * carried[l] + q.s * next;
        carried[l] = q.c * next - q.s * carried[l];
      }
      rotate(carried[l], from[l][j + l + 1], to[l][j + l]);
    }
  }

  template <class = void>
  void reserve(Index wanted) {
    if (wanted <= r_.rows()) return;
    const Index capacity = std::max<Index>(r_.rows() + r_.rows() / 4, wanted + 16);
    Matrix<double> grown(capacity, capacity);
    grown.topLeftCorner(size_, size_) = r_.topLeftCorner(size_, size_);
    r_.swap(grown);
  }

  Matrix<double> r_;
  Index size_ = 0;
  int n_threads_ = 1;
  std::vector<Rotation> rotations_;
};

}  // namespace sparse_experts
