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

TEST_F(LassoSelection, CrossValidationChoosesTheAlphaOfEachTarget) {
  // A strong signal in few columns for the first target, a weak one in many for the second.
  se::Matrix<double> Y(200, 2);
  Y.col(0) = 3 * X.col(4) - 2 * X.col(6);
  Y.col(1) = X.leftCols(25) * se::Vector<double>::LinSpaced(25, 0.2, 0.6);
  for (Index i = 0; i < 200; ++i) {
    Y(i, 0) += random.normal();
    Y(i, 1) += random.normal();
  }
  const auto support = [&](const se::LassoSelection<double>& one) {
    std::vector<Index> columns;
    for (Index k = 0; k < one.selected().size(); ++k) columns.push_back(one.selected()[k]);
    return columns;
  };
  std::vector<std::vector<Index>> supports;
  for (Index t = 0; t < 2; ++t) {
    const se::Vector<double> y = Y.col(t);
    se::LassoSelection<double> selection({.alpha_ratio = 1e-3, .tol = 1e-6, .n_folds = 5, .seed = 3});
    EXPECT_TRUE(selection.fit(X, y));
    // The folds of real targets are dealt in the order of the permutation.
    const std::vector<Index> order = se::Random(3).permutation(200);
    std::vector<Index> folds(200);
    for (std::size_t i = 0; i < 200; ++i)
      folds[static_cast<std::size_t>(order[i])] = static_cast<Index>(i) % 5;
    se::LassoCVOptions options;
    options.n_alphas = 30;
    options.alpha_min_ratio = 1e-3;
    options.tol = 1e-6;
    options.folds = folds;
    se::LassoCV<double> search(options);
    search.fit(X, y);
    EXPECT_DOUBLE_EQ(selection.alphas()[0], search.alpha());
    std::vector<Index> expected;
    for (Index j = 0; j < 30; ++j)
      if (search.coef()[j] != 0) expected.push_back(j);
    EXPECT_EQ(support(selection), expected);
    supports.push_back(expected);

    se::LassoSelection<double> fewer(
        {.alpha_ratio = 1e-3, .tol = 1e-6, .n_folds = 5, .one_se = true, .seed = 3});
    fewer.fit(X, y);
    EXPECT_DOUBLE_EQ(fewer.alphas()[0], search.alpha_one_se());
    EXPECT_LE(fewer.selected().size(), selection.selected().size());
    EXPECT_GT(fewer.alphas()[0], selection.alphas()[0]);
  }
  EXPECT_LT(supports[0].size(), supports[1].size());
  // Both targets together: the union, with an alpha of its own for each.
  se::LassoSelection<double> both({.alpha_ratio = 1e-3, .tol = 1e-6, .n_folds = 5, .seed = 3});
  both.fit(X, Y);
  for (const auto& columns : supports)
    for (const Index j : columns) EXPECT_TRUE((both.selected().array() == j).any());
  EXPECT_EQ(both.alphas().size(), 2u);
  EXPECT_NE(both.alphas()[0], both.alphas()[1]);
}

TEST_F(LassoSelection, CrossValidationOfClassesFindsTheColumnsThatTellThemApart) {
  se::LassoSelection<double> selection({.alpha_ratio = 0.01, .n_folds = 4, .one_se = true});
  EXPECT_TRUE(selection.fit(X, labels()));
  ASSERT_EQ(selection.alphas().size(), 3u);
  for (const Index j : {3, 11, 20}) EXPECT_TRUE((selection.selected().array() == j).any());
  EXPECT_LT(selection.selected().size(), 15);
  // Sparse columns, any storage, any number of threads: the same columns.
  const se::IndexVector chosen = selection.selected();
  for (const int n_threads : {1, 2}) {
    se::LassoSelection<double> other(
        {.alpha_ratio = 0.01, .n_threads = n_threads, .n_folds = 4, .one_se = true});
    other.fit(se::SparseMatrix<double>(X.sparseView()), labels());
    EXPECT_EQ(other.selected(), chosen);
    other.fit(se::RowMatrix<double>(X), labels());
    EXPECT_EQ(other.selected(), chosen);
  }
  EXPECT_THROW(se::LassoSelection<double>({.n_folds = 1}), std::invalid_argument);
  EXPECT_THROW(se::LassoSelection<double>({.alpha = 0.1, .n_folds = 3}), std::invalid_argument);
  EXPECT_THROW(se::LassoSelection<double>({.n_folds = 201}).fit(X, labels()), std::invalid_argument);
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
