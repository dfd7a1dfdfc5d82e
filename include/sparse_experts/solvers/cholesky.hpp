// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
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
  /// Keeps the leading `size` rows and columns.
  void truncate(Index size) { size_ = size; }
  /// Threads for blocks of columns that join; 0 = all.
  void set_threads(int n_threads) { n_threads_ = n_threads; }

  /// Appends b columns, in blocks: `cross` = G(existing, new) is size x b, `inner` = G(new, new) is b x b.
  /// Returns which were taken; a column whose pivot falls below `tolerance` times its diagonal is not.
  template <class = void>
  std::vector<bool> append(const Matrix<double>& cross, const Matrix<double>& inner,
                           double tolerance = 1e-11) {
    return append(cross.data(), inner.data(), inner.cols(), tolerance);
  }

  /// One column.
  template <class = void>
  bool append(const Vector<double>& cross, double diagonal, double tolerance = 1e-11) {
    return append(cross.data(), &diagonal, 1, tolerance)[0];
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
      double* to = r_.data() + (j)*r_.rows();
      const double* from = r_.data() + (j + 1) * r_.rows();
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
  void solve(Vector<double>& x) const {
    solve_transposed(x.data(), size_, 1);
    const Index n = size_, ld = r_.rows();
    for (Index begin = (n - 1) / block * block; begin >= 0 && n > 0; begin -= block) {
      const Index end = std::min<Index>(n, begin + block);
      for (Index j = end - 1; j >= begin; --j) {
        const double* column = r_.data() + j * ld;
        x[j] /= column[j];
        for (Index i = begin; i < j; ++i) x[i] -= column[i] * x[j];
      }
      const double* columns = r_.data() + begin * ld;
      if (end - begin == block)
        detail::subtract_columns<block>(columns, ld, x.data() + begin, begin, x.data());
      else
        for (Index j = begin; j < end; ++j)
          detail::subtract_columns<1>(r_.data() + j * ld, ld, x.data() + j, begin, x.data());
    }
  }

 private:
  struct Rotation {
    double c, s;
  };

  static constexpr int lanes = 4, block = 8;

  /// X <- R'^-1 X, n = size(), `count` columns n apart. Eight rows at a time: the products with the rows
  /// above (those of 32 rows at once, if there are columns enough), then the triangle on the diagonal.
  template <class = void>
  void solve_transposed(double* x, Index n, Index count) const {
    const Index ld = r_.rows();
    constexpr Index wide = 32;
    std::vector<double> above(static_cast<std::size_t>(wide * count), 0.0);
    for (Index begin = 0; begin < n; begin += block) {
      const Index size = std::min<Index>(block, n - begin);
      const Index far = count > 1 ? begin / wide * wide : begin;  // rows above whose products are there
      const double* r = r_.data() + begin * ld;
      double* products = above.data() + (begin - far);
      if (count == 1 && size == block)
        detail::column_products<block>(r, ld, x, begin, products);
      else if (begin == far)
        detail::inner_products(r, ld, std::min(wide, n - begin), x, n, count, begin, products, wide, false);
      else
        detail::inner_products(r + far, ld, size, x + far, n, count, begin - far, products, wide, true);
      // The triangle by rows, with the inverse of its diagonal; what is missing to eight rows is the
      // identity.
      double triangle[block][block] = {}, inverse[block];
      for (Index i = 0; i < block; ++i) {
        for (Index l = 0; l < i && i < size; ++l) triangle[l][i] = r[i * ld + begin + l];
        inverse[i] = i < size ? 1 / r[i * ld + begin + i] : 1;
      }
      for (Index c = 0; c < count; ++c) {
        double* column = x + c * n + begin;
        double part[block] = {};
        for (Index i = 0; i < size; ++i) part[i] = column[i] - products[c * wide + i];
        for (Index l = 0; l < block; ++l) {
          part[l] *= inverse[l];
          for (Index i = l + 1; i < block; ++i) part[i] -= triangle[l][i] * part[l];
        }
        std::copy(part, part + size, column);
      }
    }
  }

  template <class = void>
  std::vector<bool> append(const double* cross, const double* inner, Index count, double tolerance) {
    const Index old = size_;
    reserve(old + count);
    std::vector<double> top(cross, cross + old * count), schur(inner, inner + count * count),
        square(schur.size(), 0.0);
    if (old > 0) {
      const int n_threads = old * old * count < 2000000 ? 1 : n_threads_;
      detail::parallel_blocks(count, 32, n_threads, [&](const detail::Block& some) {
        solve_transposed(top.data() + some.begin * old, old, some.size());
      });
      detail::parallel_blocks(count, 32, n_threads, [&](const detail::Block& some) {
        detail::inner_products(top.data(), old, count, top.data() + some.begin * old, old, some.size(), old,
                               square.data() + some.begin * count, count, false);
      });
      for (std::size_t i = 0; i < schur.size(); ++i) schur[i] -= square[i];
    }
    std::vector<bool> taken(static_cast<std::size_t>(count), false);
    const Index ld = r_.rows();
    for (Index j = 0; j < count; ++j) {
      // Row by row of the Schur complement; refused columns leave no row.
      double* column = r_.data() + size_ * ld;
      std::copy(top.data() + j * old, top.data() + (j + 1) * old, column);
      Index row = old;
      for (Index i = 0; i < j; ++i)
        if (taken[static_cast<std::size_t>(i)])
          column[row++] = schur[static_cast<std::size_t>(i + j * count)];
      double pivot = schur[static_cast<std::size_t>(j * (count + 1))];
      for (Index i = old; i < size_; ++i) {
        const double* earlier = r_.data() + i * ld;
        double product = 0;
        detail::product_tile<1, 1>(earlier + old, 0, column + old, 0, i - old, &product, 0, false);
        column[i] = (column[i] - product) / earlier[i];
        pivot -= column[i] * column[i];
      }
      if (!(pivot > tolerance * inner[j * (count + 1)])) continue;
      column[size_] = std::sqrt(pivot);
      taken[static_cast<std::size_t>(j)] = true;
      ++size_;
    }
    return taken;
  }

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
      to[l] = r_.data() + (j + l) * r_.rows();
      carried[l] = r_(k, j + l + 1);
    }
    for (Index l = 0; l < lanes; ++l) {
      const double* from = r_.data() + (j + l + 1) * r_.rows();
      std::copy(from, from + k + 1, to[l]);
    }
    const double* from[lanes];
    for (Index l = 0; l < lanes; ++l) from[l] = r_.data() + (j + l + 1) * r_.rows();
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
    // Room is not touched before it is used, a copy is; 24 more keep columns off the same sets of the caches.
    constexpr Index large = 1024;
    const Index capacity =
        std::max(2 * r_.rows(), (wanted > large / 4 && wanted <= large ? large : wanted) + 24);
    detail::LargeMatrix grown(capacity, capacity);
    for (Index j = 0; j < size_; ++j)
      std::copy(r_.data() + j * r_.rows(), r_.data() + j * r_.rows() + size_, grown.data() + j * capacity);
    r_ = std::move(grown);
  }

  detail::LargeMatrix r_;
  Index size_ = 0;
  int n_threads_ = 1;
  std::vector<Rotation> rotations_;
};

}  // namespace sparse_experts
