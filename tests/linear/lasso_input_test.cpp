// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/linear/lasso.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace se = sparse_experts;
using se::Index;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

template <class F>
void expect_rejected(F&& f, const std::string& fragment) {
  try {
    f();
    FAIL() << "accepted, expected a message with '" << fragment << "'";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
  }
}

class LassoInput : public ::testing::Test {
 protected:
  test_support::Regression<double> made = test_support::make_regression<double>(20, 8, 3, 0.1, 0.3, 5);
};

}  // namespace

TEST_F(LassoInput, BadOptionsAreNamed) {
  const auto rejected = [&](const se::LassoOptions& options, const std::string& fragment) {
    expect_rejected([&] { se::Lasso<double>(options).fit(made.X, made.y); }, fragment);
  };
  rejected({.alpha = -1}, "alpha = -1");
  rejected({.alpha = not_a_number}, "alpha");
  rejected({.alpha = infinity}, "alpha");
  rejected({.tol = -1e-3}, "tol");
  rejected({.tol = not_a_number}, "tol");
  rejected({.max_iter = 0}, "max_iter = 0");
  rejected({.n_threads = -2}, "n_threads");
  rejected({.penalty_factors = {1, 2}}, "penalty_factors.size() = 2");
  rejected({.penalty_factors = {1, 1, 1, -1, 1, 1, 1, 1}}, "penalty_factors(3) = -1");
  rejected({.penalty_factors = {1, 1, 1, not_a_number, 1, 1, 1, 1}}, "penalty_factors(3)");
  expect_rejected([&] { se::ElasticNet<double>({.l1_ratio = 1.5}).fit(made.X, made.y); }, "l1_ratio = 1.5");
  expect_rejected([&] { se::ElasticNet<double>({.l1_ratio = not_a_number}).fit(made.X, made.y); },
                  "l1_ratio");
}

TEST_F(LassoInput, BadDataAreNamedAndTheOldFitStays) {
  se::Lasso<double> lasso({.alpha = 0.1});
  lasso.fit(made.X, made.y);
  const se::Vector<double> before = lasso.coef();
  expect_rejected([&] { lasso.fit(made.X, se::Vector<double>::Ones(19)); }, "y.rows() = 19");
  expect_rejected([&] { lasso.fit(se::Matrix<double>(0, 8), se::Vector<double>(0)); }, "X.shape = 0 x 8");
  expect_rejected([&] { lasso.fit(se::Matrix<double>(20, 0), made.y); }, "X.shape = 20 x 0");
  expect_rejected([&] { lasso.fit(made.X, se::Matrix<double>(20, 0)); }, "y.cols() = 0");
  se::Matrix<double> x = made.X;
  x(4, 5) = not_a_number;
  expect_rejected([&] { lasso.fit(x, made.y); }, "X(4, 5)");
  expect_rejected([&] { lasso.fit(se::RowMatrix<double>(x), made.y); }, "X(4, 5)");
  const se::SparseMatrix<double> sparse = x.sparseView();
  expect_rejected([&] { lasso.fit(sparse, made.y); }, "X(4, 5)");
  se::Vector<double> y = made.y;
  y[2] = infinity;
  expect_rejected([&] { lasso.fit(made.X, y); }, "y(2");
  se::Vector<double> weights = se::Vector<double>::Ones(20);
  expect_rejected([&] { lasso.fit(made.X, made.y, weights.head(3)); }, "sample_weight.size() = 3");
  weights[7] = not_a_number;
  expect_rejected([&] { lasso.fit(made.X, made.y, weights); }, "sample_weight(7)");
  weights[7] = -1;
  expect_rejected([&] { lasso.fit(made.X, made.y, weights); }, "sample_weight(7) = -1");
  expect_rejected([&] { lasso.fit(made.X, made.y, se::Vector<double>::Zero(20)); }, "sum of sample_weight");
  EXPECT_EQ(lasso.coef(), before);
  expect_rejected([&] { lasso.predict(made.X.leftCols(3)); }, "X.cols() = 3");
}

TEST_F(LassoInput, UnfittedModelSaysSo) {
  const se::Lasso<double> lasso;
  EXPECT_THROW(lasso.predict(made.X), std::logic_error);
  EXPECT_THROW(lasso.coef(), std::logic_error);
  EXPECT_THROW(lasso.intercept(), std::logic_error);
  EXPECT_THROW(lasso.convergence(), std::logic_error);
}

TEST_F(LassoInput, ConstantTargetGivesZeroWeights) {
  for (const double value : {0.0, 0.1, -1e8}) {
    se::Lasso<double> lasso({.alpha = 1e-3});
    EXPECT_TRUE(lasso.fit(made.X, se::Vector<double>::Constant(20, value)));
    EXPECT_EQ((lasso.coef().array() != 0).count(), 0);
    EXPECT_NEAR(lasso.intercept(), value, 1e-9 * std::abs(value));
  }
}

TEST_F(LassoInput, OneSampleAndOneFeature) {
  se::Lasso<double> lasso({.alpha = 0.1});
  EXPECT_TRUE(lasso.fit(se::Matrix<double>::Constant(1, 1, 2), se::Vector<double>::Constant(1, 3)));
  EXPECT_EQ(lasso.coef()[0], 0);
  EXPECT_EQ(lasso.intercept(), 3);
  // min 1/2 (3 - 2w)² + 0.1 |w|: w = (6 - 0.1) / 4.
  se::Lasso<double> through_origin({.alpha = 0.1, .tol = 1e-12, .fit_intercept = false});
  EXPECT_TRUE(through_origin.fit(se::Matrix<double>::Constant(1, 1, 2), se::Vector<double>::Constant(1, 3)));
  EXPECT_NEAR(through_origin.coef()[0], 5.9 / 4, 1e-12);
}

TEST_F(LassoInput, DegenerateColumnsAreHandled) {
  se::Matrix<double> x(20, 5);
  x << made.X.col(0), made.X.col(0), se::Vector<double>::Zero(20), se::Vector<double>::Constant(20, 0.1),
      1e8 * made.X.col(1);
  se::Lasso<double> lasso({.alpha = 0.01, .tol = 1e-9});
  EXPECT_TRUE(lasso.fit(x, made.y)) << lasso.convergence().value;
  EXPECT_EQ(lasso.coef()[2], 0);
  EXPECT_EQ(lasso.coef()[3], 0);
  EXPECT_NE(lasso.coef()[4], 0);
}

TEST_F(LassoInput, LargeMeansDoNotHurt) {
  const se::Matrix<double> far = made.X.array() + 1e4;  // data keep 12 digits of their spread
  se::Lasso<double> near({.alpha = 0.05, .tol = 1e-10}), shifted({.alpha = 0.05, .tol = 1e-10});
  EXPECT_TRUE(near.fit(made.X, made.y));
  EXPECT_TRUE(shifted.fit(far, (made.y.array() + 1e4).matrix())) << shifted.convergence().value;
  EXPECT_LT((near.coef() - shifted.coef()).norm(), 1e-5);
}

TEST_F(LassoInput, CallbackSeesEveryIterationAndCanStop) {
  Index calls = 0;
  double last = 0;
  se::Lasso<double> lasso({.alpha = 0.001, .tol = 1e-12, .on_progress = [&](const se::Progress& progress) {
                             ++calls;
                             last = progress.value;
                             return calls < 3;
                           }});
  const se::Convergence& c = lasso.fit(made.X, made.y);
  EXPECT_EQ(calls, c ? calls : 3);
  if (!c) {
    EXPECT_EQ(c.status, se::Status::stopped);
  }
  EXPECT_LE(c.value, last * (1 + 1e-12));
}

TEST_F(LassoInput, UnreachableToleranceEndsAsStalled) {
  se::Lasso<double> lasso({.alpha = 0.01, .tol = 0});
  const se::Convergence& c = lasso.fit(made.X, made.y);
  EXPECT_EQ(c.status, se::Status::stalled);
  EXPECT_LT(c.value, 1e-12);
}

TEST_F(LassoInput, StandardizeEqualsScaledColumns) {
  se::Matrix<double> x = made.X;
  x.col(0) *= 100;
  x.col(3) *= 0.01;
  const se::RowVector<double> mean = x.colwise().mean();
  const se::RowVector<double> scale = ((x.rowwise() - mean).array().square().colwise().mean()).sqrt();
  const se::Matrix<double> scaled = x.array().rowwise() / scale.array();
  se::Lasso<double> standardized({.alpha = 0.1, .tol = 1e-12, .standardize = true}),
      plain({.alpha = 0.1, .tol = 1e-12});
  EXPECT_TRUE(standardized.fit(x, made.y));
  EXPECT_TRUE(plain.fit(scaled, made.y));
  const se::Vector<double> back = plain.coef().array() / scale.transpose().array();
  EXPECT_LT((standardized.coef() - back).norm(), 1e-5 * back.norm());
  EXPECT_NEAR(standardized.convergence().objective, plain.convergence().objective, 1e-10);
}

TEST_F(LassoInput, ValuesThatCannotBeSquaredAreNamed) {
  se::Lasso<double> lasso({.alpha = 0.1});
  expect_rejected([&] { lasso.fit(made.X, made.y * 1e160); }, "sum of squares of y");
  se::Matrix<double> x = made.X;
  x.col(3) *= 1e160;
  expect_rejected([&] { lasso.fit(x, made.y); }, "X.col(3)");
}
