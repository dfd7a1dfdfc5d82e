// SPDX-License-Identifier: MIT
#include <sparse_experts/model/row_product.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;

// Sizes around the edges of tiles, blocks and the depth of a packed part.
template <class Scalar>
void expect_products(Index n_rows, Index n_cols, Index depth) {
  Random random(static_cast<std::uint64_t>(n_rows * 7 + n_cols * 3 + depth));
  const Index width = detail::padded_width<Scalar>(n_cols);
  const RowMatrix<Scalar> a = test_support::random_matrix<Scalar>(n_rows, depth, random),
                          b = test_support::random_matrix<Scalar>(depth, width, random);
  const Matrix<double> expected = a.template cast<double>() * b.template cast<double>();
  const RowMatrix<Scalar> transposed = a.transpose();
  RowMatrix<Scalar> c[3];
  for (int t = 0; t < 3; ++t) {
    c[t] = RowMatrix<Scalar>::Constant(n_rows, width, Scalar(7));
    const detail::Strided<Scalar> left = t == 2 ? detail::Strided<Scalar>{transposed.data(), 1, n_rows}
                                                : detail::Strided<Scalar>{a.data(), depth, 1};
    detail::row_product<Scalar>(n_rows, width, depth, left, b.data(), width, c[t].data(), width, t + 1);
  }
  const double tolerance = (sizeof(Scalar) == 4 ? 1e-5 : 1e-13) * static_cast<double>(depth + 1);
  EXPECT_LE((c[0].template cast<double>() - expected).cwiseAbs().maxCoeff(), tolerance)
      << n_rows << ' ' << n_cols << ' ' << depth;
  EXPECT_EQ(c[0], c[1]);
  EXPECT_EQ(c[0], c[2]) << "the same sums, read by columns";
}

TEST(RowProduct, EqualsTheProductWithTheSameBitsAtAnyNumberOfThreads) {
  for (const Index n_rows : {1, 5, 6, 7, 241, 259})
    for (const Index n_cols : {1, 8, 16, 129, 300})
      for (const Index depth : {1, 256, 257, 600}) {
        expect_products<float>(n_rows, n_cols, depth);
        expect_products<double>(n_rows, n_cols, depth);
      }
}

TEST(RowProduct, NoDepthIsZero) {
  RowMatrix<float> c = RowMatrix<float>::Constant(3, 16, 7.0F);
  detail::row_product<float>(3, 16, 0, {nullptr, 0, 1}, nullptr, 16, c.data(), 16, 1);
  EXPECT_EQ(c, (RowMatrix<float>::Zero(3, 16)));
}

}  // namespace
