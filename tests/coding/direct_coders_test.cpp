// SPDX-License-Identifier: MIT
#include "coding/coding_problems.hpp"
#include <sparse_experts/coding/feed_forward.hpp>
#include <sparse_experts/coding/soft_threshold.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/coding/triangle.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

namespace se = sparse_experts;
using se::Index;

namespace {

template <class Scalar>
struct DirectCoders : testing::Test {
  static constexpr double tolerance = sizeof(Scalar) == 8 ? 1e-13 : 1e-5;
  se::Random random{2};
  se::RowMatrix<Scalar> D = test_support::unit_rows<Scalar>(70, 30, random);
  se::RowMatrix<Scalar> X =
      test_support::sparsified<Scalar>(test_support::unit_rows<Scalar>(400, 30, random), 0.5, random);

  /// Codes equal `expected` in every storage, at any number of threads and one by one.
  template <class Make>
  void check(Make make, const se::RowMatrix<Scalar>& expected) {
    const auto coder = make(1);
    se::CodingReport report;
    const se::SparseRowMatrix<Scalar> sparse_codes = coder.transform(X, &report);
    const se::RowMatrix<Scalar> codes = sparse_codes;
    EXPECT_LE((codes - expected).cwiseAbs().maxCoeff(), tolerance);
    EXPECT_TRUE(report.convergence);
    EXPECT_NEAR(report.density,
                static_cast<double>((codes.array() != 0).count()) / static_cast<double>(codes.size()), 1e-12);
    EXPECT_EQ(se::RowMatrix<Scalar>(coder.transform(se::Matrix<Scalar>(X))), codes);
    EXPECT_EQ(se::RowMatrix<Scalar>(coder.transform(se::SparseMatrix<Scalar>(X.sparseView()))), codes);
    EXPECT_EQ(se::RowMatrix<Scalar>(make(5).transform(X)), codes);
    auto workspace = coder.workspace();
    se::Vector<Scalar> code(coder.n_components());
    for (Index i = 0; i < X.rows(); ++i) {
      EXPECT_TRUE(coder.encode_into(X.row(i), code, workspace));
      EXPECT_EQ(code.transpose(), codes.row(i));
    }
    EXPECT_THROW(coder.transform(se::RowMatrix<Scalar>::Zero(2, 31)), std::invalid_argument);
    se::Vector<Scalar> bad = se::Vector<Scalar>::Zero(30);
    bad[4] = std::numeric_limits<Scalar>::quiet_NaN();
    EXPECT_THROW(coder.encode_into(bad, code, workspace), std::invalid_argument);
    EXPECT_THROW(coder.transform(bad.transpose()), std::invalid_argument);
  }
};
using Scalars = testing::Types<double, float>;
TYPED_TEST_SUITE(DirectCoders, Scalars);

}  // namespace

TYPED_TEST(DirectCoders, FeedForwardIsTheFormula) {
  const se::RowMatrix<TypeParam> correlations = this->X * this->D.transpose();
  const se::RowMatrix<TypeParam> expected =
      (correlations.array() - TypeParam(0.15)).max(TypeParam(0)).matrix();
  this->check(
      [&](int n_threads) {
        return se::FeedForwardCoder<TypeParam>(this->D, {.theta = 0.15, .n_threads = n_threads});
      },
      expected);
  EXPECT_THROW(se::FeedForwardCoder<TypeParam>(this->D, {.theta = -1}), std::invalid_argument);
}

TYPED_TEST(DirectCoders, TriangleIsTheFormula) {
  se::RowMatrix<TypeParam> expected(this->X.rows(), this->D.rows());
  for (Index i = 0; i < expected.rows(); ++i) {
    const se::Vector<TypeParam> distances = (this->D.rowwise() - this->X.row(i)).rowwise().norm();
    expected.row(i) = (TypeParam(0.9) * distances.mean() - distances.array()).max(TypeParam(0));
  }
  this->check(
      [&](int n_threads) {
        return se::TriangleCoder<TypeParam>(this->D, {.theta = 0.9, .n_threads = n_threads});
      },
      expected);
  EXPECT_THROW(se::TriangleCoder<TypeParam>(this->D, {.theta = 0}), std::invalid_argument);
}

TYPED_TEST(DirectCoders, SoftThresholdIsTheSparseCodeOfTheIdentity) {
  for (const bool positive : {false, true}) {
    const se::SparseCoder<TypeParam> iterative(
        se::RowMatrix<TypeParam>::Identity(30, 30),
        {.alpha = 0.1, .alpha2 = 0.5, .positive = positive, .tol = 1e-6});
    this->check(
        [&](int n_threads) {
          return se::SoftThresholdCoder<TypeParam>(
              30, {.alpha = 0.1, .alpha2 = 0.5, .positive = positive, .n_threads = n_threads});
        },
        iterative.transform(this->X));
  }
  EXPECT_THROW(se::SoftThresholdCoder<TypeParam>(0), std::invalid_argument);
  EXPECT_THROW(se::SoftThresholdCoder<TypeParam>(3, {.alpha = -1}), std::invalid_argument);
}
