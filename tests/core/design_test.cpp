// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/samples.hpp>

#include <gtest/gtest.h>

namespace se = sparse_experts;
using se::Index;

template <class Scalar>
class DesignContract : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DesignContract, Scalars);

template <se::Design D>
void expect_same(const D& design, const se::Matrix<typename D::Scalar>& x) {
  using Scalar = typename D::Scalar;
  const Scalar tol = std::is_same_v<Scalar, float> ? Scalar(2e-5) : Scalar(1e-12);
  se::Random random(5);
  const se::Vector<Scalar> r = test_support::random_matrix<Scalar>(x.rows(), 1, random);
  ASSERT_EQ(design.rows(), x.rows());
  ASSERT_EQ(design.cols(), x.cols());
  se::Vector<Scalar> all(x.cols());
  se::detail::correlations(design, r, all, 2);
  for (Index j = 0; j < x.cols(); ++j) {
    EXPECT_NEAR(design.dot(j, r), x.col(j).dot(r), tol * 10);
    EXPECT_NEAR(all[j], x.col(j).dot(r), tol * 10);
    EXPECT_NEAR(design.squared_norm(j), x.col(j).squaredNorm(), tol * (1 + x.col(j).squaredNorm()));
    se::Vector<Scalar> moved = r;
    design.axpy(j, Scalar(0.5), moved);
    EXPECT_LT((moved - r - Scalar(0.5) * x.col(j)).norm(), tol);
  }
}

TYPED_TEST(DesignContract, EveryStorageGivesTheSameColumns) {
  using Scalar = TypeParam;
  se::Random random(11);
  const se::Matrix<Scalar> x =
      test_support::sparsified(test_support::random_matrix<Scalar>(13, 7, random), 0.4, random);
  const se::RowMatrix<Scalar> rows = x;
  const se::SparseMatrix<Scalar> sparse = x.sparseView();
  const se::SparseRowMatrix<Scalar> sparse_rows = sparse;
  const se::SparseMatrix<Scalar, std::ptrdiff_t> wide_index = sparse;
  const auto check = [&](const auto& design) { expect_same(design, x); };
  se::detail::with_columns(x, check);
  se::detail::with_columns(rows, check);
  se::detail::with_columns(Scalar(0.5) * (x + x), check);
  se::detail::with_columns(sparse, check);
  se::detail::with_columns(sparse_rows, check);
  se::detail::with_columns(wide_index, check);
  const auto check_block = [&](const auto& design) { expect_same(design, x.middleCols(2, 3)); };
  se::detail::with_columns(x.middleCols(2, 3), check_block);
  se::detail::with_columns(sparse.middleCols(2, 3), check_block);
  const auto check_rows = [&](const auto& view) { EXPECT_EQ(se::Matrix<Scalar>(view), x); };
  se::detail::with_rows(x, check_rows);
  se::detail::with_rows(rows, check_rows);
  se::detail::with_rows(sparse, check_rows);
  se::detail::with_rows(sparse_rows, check_rows);
}

TYPED_TEST(DesignContract, StandardizedColumnsEqualTheExplicitOnes) {
  using Scalar = TypeParam;
  se::Random random(12);
  const se::Matrix<Scalar> x =
      test_support::sparsified(test_support::random_matrix<Scalar>(20, 6, random), 0.5, random);
  const se::SparseMatrix<Scalar> sparse = x.sparseView();
  const se::Vector<Scalar> center = test_support::random_matrix<Scalar>(6, 1, random);
  const se::Vector<Scalar> scale = test_support::random_matrix<Scalar>(6, 1, random).cwiseAbs();
  const se::Matrix<Scalar> expected = (x.rowwise() - center.transpose()) * scale.asDiagonal();
  se::detail::with_columns(
      sparse, [&](const auto& base) { expect_same(se::StandardizedColumns(base, center, scale), expected); });
}

TEST(Design, ContiguousColumnsAreBoundWithoutACopy) {
  const se::Matrix<double> x = se::Matrix<double>::Random(5, 4);
  se::detail::with_columns(x, [&](const auto& design) { EXPECT_EQ(design.matrix().data(), x.data()); });
  se::detail::with_columns(x.block(1, 1, 3, 2),
                           [&](const auto& design) { EXPECT_EQ(design.matrix().data(), &x(1, 1)); });
  const se::SparseMatrix<double> sparse = x.sparseView();
  se::detail::with_columns(
      sparse, [&](const auto& design) { EXPECT_EQ(design.matrix().valuePtr(), sparse.valuePtr()); });
}
