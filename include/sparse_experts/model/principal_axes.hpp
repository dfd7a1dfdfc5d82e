// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/model/row_product.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

// Rows of v orthonormal by Gram-Schmidt, twice for the accuracy; rows that depend on the others become zero.
template <class Scalar>
void orthonormalize_rows(RowMatrix<Scalar>& v) {
  for (Index j = 0; j < v.rows(); ++j) {
    const Scalar before = v.row(j).norm();
    for (int pass = 0; pass < 2; ++pass)
      for (Index i = 0; i < j; ++i) v.row(j) -= v.row(i).dot(v.row(j)) * v.row(i);
    const Scalar norm = v.row(j).norm();
    if (norm > Scalar(1e-5) * before)
      v.row(j) /= norm;
    else
      v.row(j).setZero();
  }
}

/// An orthonormal basis of the span of the n_axes leading principal axes of the rows (second moments about
/// zero, of at most 10,000 rows at random), as columns: p x padded n_axes, the padding zero. Subspace
/// iteration from a random start; what matters is the span, not each axis. Cost O(p^2 (rows + 10 n_axes)).
/// Same bits at any number of threads.
/// Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 53(2), 2011, algorithm 4.4.
template <class Scalar>
RowMatrix<Scalar> principal_axes(const DenseRows<Scalar>& rows, Index n_axes, std::uint64_t seed,
                                 int n_threads) {
  const Index p = rows.cols(), width = padded_width<Scalar>(p), n = std::min<Index>(rows.rows(), 10000);
  const std::vector<Index> order = Random(seed, 105).permutation(rows.rows());
  RowMatrix<Scalar> sample = RowMatrix<Scalar>::Zero(n, width);
  for (Index i = 0; i < n; ++i) sample.row(i).head(p) = rows.row(order[static_cast<std::size_t>(i)]);
  RowMatrix<Scalar> moments(p, width);
  row_product<Scalar>(p, width, n, {sample.data(), 1, width}, sample.data(), width, moments.data(), width,
                      n_threads);
  const Index r = std::min(n_axes, p);
  RowMatrix<Scalar> v = RowMatrix<Scalar>::Zero(r, width), product(r, width);
  Random random(seed, 106);
  for (Index j = 0; j < r; ++j)
    for (Index f = 0; f < p; ++f) v(j, f) = static_cast<Scalar>(random.uniform(-1, 1));
  for (int step = 0; step < 10; ++step) {
    row_product<Scalar>(r, width, p, {v.data(), width, 1}, moments.data(), width, product.data(), width,
                        n_threads);
    v.swap(product);
    orthonormalize_rows(v);
  }
  RowMatrix<Scalar> axes = RowMatrix<Scalar>::Zero(p, padded_width<Scalar>(r));
  axes.leftCols(r) = v.leftCols(p).transpose();
  return axes;
}

}  // namespace sparse_experts::detail
