// SPDX-License-Identifier: MIT
#include <sparse_experts/model_selection/split.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <algorithm>
#include <vector>

namespace se = sparse_experts;
using se::Index;

namespace {

void expect_partition(const se::Split& split, Index n) {
  std::vector<Index> all = split.train;
  all.insert(all.end(), split.test.begin(), split.test.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, se::detail::all_rows(n));
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
  EXPECT_TRUE(std::is_sorted(split.test.begin(), split.test.end()));
}

Index count(const se::LabelVector& labels, const std::vector<Index>& rows, int label) {
  return std::count_if(rows.begin(), rows.end(), [&](Index i) { return labels[i] == label; });
}

se::LabelVector uneven_labels(Index n) {
  se::LabelVector labels(n);
  for (Index i = 0; i < n; ++i) labels[i] = i % 10 < 6 ? -1 : (i % 10 < 9 ? 4 : 7);
  return labels;
}

TEST(Split, HoldsTheRightShareOut) {
  const se::Split split = se::train_test_split(101, {.test_size = 0.4, .seed = 3});
  expect_partition(split, 101);
  EXPECT_EQ(split.test.size(), 40u);
  EXPECT_EQ(se::train_test_split(101, {.test_size = 0.4, .seed = 3}).test, split.test);
  EXPECT_NE(se::train_test_split(101, {.test_size = 0.4, .seed = 4}).test, split.test);
}

TEST(Split, StratifiedHoldOutKeepsTheSharesOfLabels) {
  const se::LabelVector labels = uneven_labels(1000);
  const se::Split split = se::train_test_split(labels, {.test_size = 0.3, .seed = 1});
  expect_partition(split, 1000);
  EXPECT_EQ(count(labels, split.test, -1), 180);
  EXPECT_EQ(count(labels, split.test, 4), 90);
  EXPECT_EQ(count(labels, split.test, 7), 30);
}

TEST(Split, ALabelThatOccursOnceStaysInTheTrainingPart) {
  se::LabelVector labels = se::LabelVector::Zero(20);
  labels[7] = 1;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const se::Split split = se::train_test_split(labels, {.test_size = 0.9, .seed = seed});
    expect_partition(split, 20);
    EXPECT_EQ(count(labels, split.train, 1), 1);
    EXPECT_EQ(split.test.size(), 18u);
  }
}

TEST(Split, FoldsTestEachSampleOnce) {
  for (const bool shuffle : {true, false}) {
    const auto folds = se::KFold({.n_folds = 4, .shuffle = shuffle, .seed = 9}).split(22);
    ASSERT_EQ(folds.size(), 4u);
    std::vector<Index> tested;
    for (const se::Split& fold : folds) {
      expect_partition(fold, 22);
      EXPECT_TRUE(fold.test.size() == 5 || fold.test.size() == 6);
      tested.insert(tested.end(), fold.test.begin(), fold.test.end());
    }
    std::sort(tested.begin(), tested.end());
    EXPECT_EQ(tested, se::detail::all_rows(22));
  }
}

TEST(Split, StratifiedFoldsSpreadEachLabelEvenly) {
  const se::LabelVector labels = uneven_labels(217);
  const auto folds = se::StratifiedKFold({.n_folds = 5, .seed = 2}).split(labels);
  for (const int label : {-1, 4, 7}) {
    const Index total = (labels.array() == label).count();
    for (const se::Split& fold : folds) {
      expect_partition(fold, 217);
      const Index here = count(labels, fold.test, label);
      EXPECT_TRUE(here == total / 5 || here == total / 5 + 1) << here << " of " << total;
    }
  }
  for (const se::Split& fold : folds) EXPECT_TRUE(fold.test.size() == 43 || fold.test.size() == 44);
}

TEST(Split, BadOptionsAreRejected) {
  EXPECT_THROW(se::train_test_split(10, {.test_size = 0}), std::invalid_argument);
  EXPECT_THROW(se::train_test_split(10, {.test_size = 1}), std::invalid_argument);
  EXPECT_THROW(se::train_test_split(1), std::invalid_argument);
  EXPECT_THROW(se::KFold({.n_folds = 1}).split(10), std::invalid_argument);
  EXPECT_THROW(se::KFold({.n_folds = 11}).split(10), std::invalid_argument);
  EXPECT_THROW(se::take_rows(se::Matrix<double>(se::Matrix<double>::Zero(3, 2)), {0, 3}),
               std::invalid_argument);
}

TEST(Split, RowsAreTakenFromEveryStorage) {
  se::Random random(5);
  const se::Matrix<double> x =
      test_support::sparsified(test_support::random_matrix<double>(12, 7, random), 0.4, random);
  const std::vector<Index> rows{11, 0, 3, 3, 8};
  se::Matrix<double> expected(5, 7);
  for (Index i = 0; i < 5; ++i) expected.row(i) = x.row(rows[static_cast<std::size_t>(i)]);
  EXPECT_EQ(se::take_rows(x, rows), expected);
  EXPECT_EQ(se::take_rows(se::RowMatrix<double>(x), rows), expected);
  EXPECT_EQ(se::Matrix<double>(se::take_rows(se::SparseMatrix<double>(x.sparseView()), rows)), expected);
  EXPECT_EQ(se::Matrix<double>(se::take_rows(se::SparseRowMatrix<double>(x.sparseView()), rows)), expected);
  const se::Vector<double> y = x.col(2);
  EXPECT_EQ(se::take_rows(y, rows), expected.col(2));
}

}  // namespace
