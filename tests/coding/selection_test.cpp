// SPDX-License-Identifier: MIT
#include "coding/coding_problems.hpp"
#include <sparse_experts/coding/selection.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

namespace se = sparse_experts;
using se::Index;

namespace {

struct LassoSelection : testing::Test {
  se::Random random{5};
  se::Matrix<double> X = test_support::random_matrix<double>(200, 30, random);

  /// Class 0, 1 or 2 by which of the columns 3, 11 and 20 is the largest.
  se::LabelVector labels() const {
    se::LabelVector result(X.rows());
    for (Index i = 0; i < X.rows(); ++i) {
      const double a = X(i, 3), b = X(i, 11), c = X(i, 20);
      result[i] = a >= b && a >= c ? 7 : (b >= c ? 1 : -4);
    }
    return result;
  }
};

}  // namespace

TEST_F(LassoSelection, KeepsTheColumnsThatTellTheClassesApart) {
  se::LassoSelection<double> selection({.alpha_ratio = 0.5});
  EXPECT_TRUE(selection.fit(X, labels()));
  ASSERT_EQ(selection.selected().size(), 3);
  EXPECT_EQ(selection.selected()[0], 3);
  EXPECT_EQ(selection.selected()[1], 11);
  EXPECT_EQ(selection.selected()[2], 20);
  const se::RowMatrix<double> codes = selection.transform(X);
  EXPECT_EQ(codes.col(1), X.col(11));
  EXPECT_EQ(se::RowMatrix<double>(selection.transform(se::SparseMatrix<double>(X.sparseView()))), codes);
  auto workspace = selection.workspace();
  se::Vector<double> code(3);
  EXPECT_TRUE(selection.encode_into(X.row(9), code, workspace));
  EXPECT_EQ(code.transpose(), codes.row(9));
}

TEST_F(LassoSelection, IsTheUnionOfTheSupportsOfTheRegressions) {
  se::Matrix<double> Y(200, 2);
  Y.col(0) = 2 * X.col(4) - X.col(6);
  Y.col(1) = X.col(6) + 0.1 * X.col(8);
  for (const double l1_ratio : {1.0, 0.6}) {
    se::LassoSelection<double> selection({.alpha = 0.05, .l1_ratio = l1_ratio});
    selection.fit(X, Y);
    std::vector<Index> expected;
    se::ElasticNet<double> net({.alpha = 0.05, .l1_ratio = l1_ratio, .tol = 1e-4});
    net.fit(X, Y);
    for (Index j = 0; j < 30; ++j)
      if ((net.coefs().row(j).array() != 0).any()) expected.push_back(j);
    ASSERT_EQ(selection.selected().size(), static_cast<Index>(expected.size()));
    for (std::size_t k = 0; k < expected.size(); ++k)
      EXPECT_EQ(selection.selected()[static_cast<Index>(k)], expected[k]);
  }
}

TEST_F(LassoSelection, MaxFeaturesBoundsTheSupportOfATarget) {
  const se::Vector<double> y = X * se::Vector<double>::LinSpaced(30, 1, 2);
  for (const Index most : {1, 4, 12}) {
    se::LassoSelection<double> selection({.alpha_ratio = 1e-3, .max_features = most});
    selection.fit(X, y);
    EXPECT_LE(selection.selected().size(), most);
    EXPECT_GE(selection.selected().size(), 1);
  }
}

TEST_F(LassoSelection, BadInputIsNamedAndLeavesTheModelAsItWas) {
  se::LassoSelection<double> selection({.alpha_ratio = 0.5});
  EXPECT_THROW(selection.transform(X), std::logic_error);
  selection.fit(X, labels());
  const se::IndexVector before = selection.selected();
  EXPECT_THROW(selection.fit(X, se::LabelVector::Zero(200)), std::invalid_argument);
  EXPECT_THROW(selection.fit(X, se::LabelVector::Zero(20)), std::invalid_argument);
  se::Vector<double> y = X.col(0);
  y[4] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(selection.fit(X, y), std::invalid_argument);
  EXPECT_THROW(selection.transform(X.leftCols(4)), std::invalid_argument);
  EXPECT_EQ(selection.selected(), before);
  selection.fit(X, se::Vector<double>::Ones(200));
  EXPECT_EQ(selection.selected().size(), 1);
  EXPECT_THROW(se::LassoSelection<double>({.alpha = -1}), std::invalid_argument);
  EXPECT_THROW(se::LassoSelection<double>({.alpha_ratio = 0}), std::invalid_argument);
}
