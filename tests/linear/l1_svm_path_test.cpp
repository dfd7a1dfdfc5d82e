// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/linear/l1_svm_cv.hpp>
#include <sparse_experts/linear/l1_svm_path.hpp>

#include <gtest/gtest.h>

#include <string>

namespace {

namespace se = sparse_experts;
using se::Index;
using test_support::make_blobs;

TEST(L1SVMPath, EveryPointIsTheFitAtItsC) {
  for (const int n_classes : {2, 3}) {
    const auto problem = make_blobs<double>(90, 10, n_classes, 1, 1);
    const auto path = se::l1_svm_path(problem.X, problem.labels, {.n_Cs = 7, .C_max = 2, .tol = 1e-9});
    ASSERT_EQ(path.Cs.size(), 7u);
    EXPECT_NEAR(path.Cs.front(), 2e-3, 1e-15);
    EXPECT_EQ(path.Cs.back(), 2);
    for (Index k = 0; k < 7; ++k) {
      const auto at = static_cast<std::size_t>(k);
      EXPECT_TRUE(path.convergence[at]);
      se::L1SVM<double> cold({.C = path.Cs[at], .tol = 1e-9});
      cold.fit(problem.X, problem.labels);
      EXPECT_NEAR(path.convergence[at].objective / cold.convergence().objective, 1, 1e-8);
      EXPECT_EQ(path.predict(problem.X, k), cold.predict(problem.X));
    }
  }
}

TEST(L1SVMPath, BadValuesAreRejected) {
  const auto problem = make_blobs<double>(30, 4, 2, 1, 2);
  EXPECT_THROW(se::l1_svm_path(problem.X, problem.labels, {.C_max = 0}), std::invalid_argument);
  EXPECT_THROW(se::l1_svm_path(problem.X, problem.labels, {.C_min_ratio = 1}), std::invalid_argument);
  EXPECT_THROW(se::l1_svm_path(problem.X, problem.labels, {.Cs = {1, 1}}), std::invalid_argument);
  EXPECT_THROW(se::L1SVMCV<double>({.n_folds = 1}), std::invalid_argument);
}

TEST(L1SVMCV, AClassOfOneSampleIsRejectedBeforeAnyFold) {
  auto problem = make_blobs<double>(40, 4, 2, 1, 2);
  problem.labels.setZero();
  problem.labels[7] = 3;
  se::L1SVMCV<double> search({.n_folds = 4, .path = {.n_Cs = 3}});
  try {
    search.fit(problem.X, problem.labels);
    FAIL() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("samples of class 3 = 1"), std::string::npos) << error.what();
  }
  problem.labels[8] = 3;
  EXPECT_NO_THROW(search.fit(problem.X, problem.labels));
}

TEST(L1SVMCV, ChoosesTheBestMeanAccuracyAndRefits) {
  const auto problem = make_blobs<double>(150, 12, 3, 2.5, 3);
  se::L1SVMCV<double> search({.n_folds = 3, .path = {.n_Cs = 6}});
  EXPECT_TRUE(search.fit(problem.X, problem.labels));
  ASSERT_EQ(search.scores().rows(), 6);
  const se::Vector<double> mean = search.scores().rowwise().mean();
  Index best = 0;
  mean.maxCoeff(&best);
  EXPECT_EQ(search.C(), search.Cs()[static_cast<std::size_t>(best)]);
  EXPECT_GT(mean[best], mean[0]);
  se::L1SVM<double> direct({.C = search.C(), .tol = 1e-3});
  direct.fit(problem.X, problem.labels);
  EXPECT_EQ(search.predict(problem.X), direct.predict(problem.X));
  const se::SparseRowMatrix<double> sparse = problem.X.sparseView();
  se::L1SVMCV<double> from_sparse({.n_folds = 3, .path = {.n_Cs = 6}});
  from_sparse.fit(sparse, problem.labels);
  EXPECT_EQ(from_sparse.C(), search.C());
}

}  // namespace
