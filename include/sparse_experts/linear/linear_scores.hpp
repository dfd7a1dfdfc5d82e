// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <vector>

/// XW + 1b' for weights that are mostly zeros. In loops: a product in Eigen's terms would compile its
/// general matrix kernels into every program that predicts.
namespace sparse_experts::detail {

template <Design D>
Matrix<typename D::Scalar> column_scores(const D& x, const Matrix<typename D::Scalar>& coef,
                                         const Vector<typename D::Scalar>& intercept) {
  using Scalar = typename D::Scalar;
  const Index n = x.rows(), q = coef.cols();
  Matrix<Scalar> scores(n, q);
  for (Index c = 0; c < q; ++c) std::fill_n(scores.data() + c * n, n, intercept[c]);
  // A piece of a dense column serves all outputs while it is in the cache.
  constexpr bool dense = requires { x.column(Index(0)); };
  const Index piece = dense ? 1024 : std::max<Index>(1, n);
  for (Index begin = 0; begin < n; begin += piece)
    for (Index j = 0; j < x.cols(); ++j)
      for (Index c = 0; c < q; ++c) {
        const Scalar w = coef(j, c);
        if (w == Scalar(0)) continue;
        Scalar* out = scores.data() + c * n;
        if constexpr (dense)
          add_multiple(w, x.column(j) + begin, out + begin, std::min(piece, n - begin));
        else
          x.for_each(j, [&](Index i, Scalar value) { out[i] += w * value; });
      }
  return scores;
}

template <class Rows>
Matrix<typename Rows::Scalar> row_scores(const Rows& x, const Matrix<typename Rows::Scalar>& coef,
                                         const Vector<typename Rows::Scalar>& intercept) {
  using Scalar = typename Rows::Scalar;
  const Index q = coef.cols();
  std::vector<Scalar> by_feature(static_cast<std::size_t>(coef.size())), sums(static_cast<std::size_t>(q));
  transpose(coef.data(), q, coef.rows(), by_feature.data(), q);
  Matrix<Scalar> scores(x.rows(), q);
  for (Index i = 0; i < x.rows(); ++i) {
    std::copy_n(intercept.data(), q, sums.data());
    const auto add = [&](Index j, Scalar value) {
      if (value != Scalar(0)) add_multiple(value, by_feature.data() + j * q, sums.data(), q);
    };
    if constexpr (is_sparse<Rows>) {
      for (typename Rows::InnerIterator it(x, i); it; ++it) add(it.col(), it.value());
    } else {
      const Scalar* row = x.data() + i * x.outerStride();
      for (Index j = 0; j < x.cols(); ++j) add(j, row[j]);
    }
    for (Index c = 0; c < q; ++c) scores(i, c) = sums[static_cast<std::size_t>(c)];
  }
  return scores;
}

/// X: any dense or sparse Eigen object, read in its own order.
template <class X>
Matrix<typename X::Scalar> linear_scores(const Eigen::EigenBase<X>& x, const Matrix<typename X::Scalar>& coef,
                                         const Vector<typename X::Scalar>& intercept) {
  if constexpr (X::IsRowMajor)
    return with_rows(x, [&](const auto& rows) { return row_scores(rows, coef, intercept); });
  else
    return with_columns(x, [&](const auto& design) { return column_scores(design, coef, intercept); });
}

}  // namespace sparse_experts::detail
