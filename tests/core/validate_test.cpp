// SPDX-License-Identifier: MIT
#include <sparse_experts/core/validate.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace se = sparse_experts;

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no exception";
}

TEST(Validate, NamesTheFirstNonFiniteEntry) {
  se::Matrix<double> x = se::Matrix<double>::Zero(4, 3);
  EXPECT_NO_THROW(se::detail::check_finite(x, "X"));
  x(2, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message_of([&] { se::detail::check_finite(x, "X"); }),
            "sparse_experts: X(2, 1) = nan, expected a finite value");
  const se::RowMatrix<float> rows = x.cast<float>();
  EXPECT_NE(message_of([&] { se::detail::check_finite(rows, "X"); }).find("X(2, 1) = nan"),
            std::string::npos);
  se::Vector<float> y = se::Vector<float>::Zero(9000);
  y[8999] = -std::numeric_limits<float>::infinity();
  EXPECT_NE(message_of([&] { se::detail::check_finite(y, "y"); }).find("y(8999) = -inf"), std::string::npos);
  se::SparseMatrix<double> sparse = x.sparseView();
  EXPECT_NE(message_of([&] { se::detail::check_finite(sparse, "X"); }).find("X(2, 1) = nan"),
            std::string::npos);
}

TEST(Validate, HugeButFiniteValuesPass) {
  se::Vector<double> x(2);
  x << std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min();
  EXPECT_NO_THROW(se::detail::check_finite(x, "x"));
}

TEST(Validate, RangesAndSizes) {
  EXPECT_EQ(message_of([] { se::detail::check_positive("C", -1); }),
            "sparse_experts: C = -1, expected a finite value > 0");
  EXPECT_THROW(se::detail::check_positive("C", std::numeric_limits<double>::infinity()),
               std::invalid_argument);
  EXPECT_THROW(se::detail::check_non_negative("alpha", std::numeric_limits<double>::quiet_NaN()),
               std::invalid_argument);
  EXPECT_THROW(se::detail::check_in_unit_interval("l1_ratio", 1.5), std::invalid_argument);
  EXPECT_EQ(message_of([] { se::detail::check_size("y.size()", 3, 4, "X.rows()"); }),
            "sparse_experts: y.size() = 3, expected 4 (X.rows())");
  EXPECT_THROW(se::detail::check_not_empty(0, 3, "X"), std::invalid_argument);
  se::Vector<double> weights = se::Vector<double>::Zero(3);
  EXPECT_THROW(se::detail::check_sample_weights(weights, 3), std::invalid_argument);
  weights[1] = 1;
  EXPECT_NO_THROW(se::detail::check_sample_weights(weights, 3));
  EXPECT_THROW(se::detail::check_sample_weights(weights, 2), std::invalid_argument);
  EXPECT_THROW(se::detail::check_fitted(false, "Lasso"), std::logic_error);
}

TEST(Validate, SampleWeightsWhoseSumOverflowsAreRejected) {
  const Eigen::VectorXd weights = Eigen::VectorXd::Constant(3, 1e308);
  EXPECT_THROW(se::detail::check_sample_weights(weights, 3), std::invalid_argument);
}
