// SPDX-License-Identifier: MIT
#include <sparse_experts/model/scaler.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;
using test_support::random_matrix;

Matrix<double> sample() {
  Random random(3);
  Matrix<double> x = random_matrix<double>(40, 5, random);
  x.col(1).array() += 7;
  x.col(2) *= 100;
  x.col(3).setConstant(4);
  return x;
}

TEST(Scaler, StandardizedColumnsHaveMeanZeroAndDeviationOne) {
  const Matrix<double> x = sample();
  Scaler<double> scaler(Scaling::standardize);
  const RowMatrix<double> z = scaler.fit(x).transform(x);
  for (Index j = 0; j < 5; ++j) {
    EXPECT_NEAR(z.col(j).mean(), 0, 1e-12);
    EXPECT_NEAR(z.col(j).squaredNorm() / 40, j == 3 ? 0 : 1, 1e-12) << "a constant column becomes 0";
  }
}

TEST(Scaler, UnitNormLeavesZeroSamplesAlone) {
  Matrix<double> x = sample();
  x.row(2).setZero();
  const RowMatrix<double> z = Scaler<double>(Scaling::unit_norm).fit(x).transform(x);
  EXPECT_EQ(z.row(2).norm(), 0);
  EXPECT_NEAR(z.row(3).norm(), 1, 1e-14);
  EXPECT_NEAR(z(3, 2) / z(3, 1), x(3, 2) / x(3, 1), 1e-12);
}

TEST(Scaler, CentredUnitNorm) {
  const Matrix<double> x = sample();
  const RowMatrix<double> z = Scaler<double>(Scaling::center_unit_norm).fit(x).transform(x);
  const RowVector<double> expected = (x.row(5) - x.colwise().mean()).normalized();
  EXPECT_NEAR((z.row(5) - expected).norm(), 0, 1e-12);
}

TEST(Scaler, SparseSamplesAreScaledButNeverCentred) {
  Random random(5);
  const Matrix<double> x = test_support::sparsified(random_matrix<double>(60, 4, random), 0.3, random);
  const SparseMatrix<double> s = x.sparseView();
  Scaler<double> scaler(Scaling::standardize);
  const SparseRowMatrix<double> z = scaler.fit(s).transform(s);
  EXPECT_EQ(z.nonZeros(), s.nonZeros());
  for (Index j = 0; j < 4; ++j) {
    const double mean = x.col(j).mean(), deviation = std::sqrt((x.col(j).array() - mean).square().mean());
    EXPECT_NEAR((Matrix<double>(z).col(j) - x.col(j) / deviation).norm(), 0, 1e-12);
  }
  const SparseRowMatrix<double> unit = Scaler<double>(Scaling::center_unit_norm).fit(s).transform(s);
  EXPECT_EQ(unit.nonZeros(), s.nonZeros());
  EXPECT_NEAR(unit.row(7).norm(), x.row(7).norm() > 0 ? 1 : 0, 1e-14);
}

TEST(Scaler, OneSampleAtATimeAndEveryStorageOrderAgree) {
  const Matrix<float> x = sample().cast<float>();
  for (const Scaling kind :
       {Scaling::none, Scaling::standardize, Scaling::unit_norm, Scaling::center_unit_norm}) {
    Scaler<float> scaler(kind);
    const RowMatrix<float> z = scaler.fit(x).transform(x);
    EXPECT_EQ(z, scaler.transform(RowMatrix<float>(x)));
    Vector<float> one = x.row(9);
    scaler.transform_into(one.data(), one.data());
    EXPECT_EQ(RowVector<float>(one.transpose()), RowVector<float>(z.row(9)));
  }
}

TEST(Scaler, RejectsBadInput) {
  Scaler<double> scaler;
  EXPECT_THROW(scaler.transform(Matrix<double>::Ones(2, 2)), std::logic_error);
  EXPECT_THROW(scaler.fit(Matrix<double>(0, 3)), std::invalid_argument);
  Matrix<double> x = sample();
  x(4, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(scaler.fit(x), std::invalid_argument);
  scaler.fit(sample());
  EXPECT_THROW(scaler.transform(Matrix<double>::Ones(2, 3)), std::invalid_argument);
}

}  // namespace
