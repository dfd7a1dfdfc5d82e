// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/linear/l1_svm_cv.hpp>
#include <sparse_experts/linear/l1_svm_path.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

// Columns in groups that say nearly the same: the guess of the screening is often wrong.
TEST(L1SVMPath, ScreeningChangesTheWorkAndNotTheSolution) {
  Index screened = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    se::Random random(seed);
    const Index n = 40 + random.below(60), p = 60 + random.below(200);
    se::Matrix<double> x = test_support::random_matrix<double>(n, p, random);
    for (Index j = 1; j < p; ++j)
      if (random.uniform() < 0.5) x.col(j) = 0.9 * x.col(j - 1) + 0.3 * x.col(j);
    if (seed % 3 == 0) x = (x.array().abs() < 1.2).select(0, x);
    se::LabelVector labels(n);
    for (Index i = 0; i < n; ++i)
      labels[i] = (x(i, 0) - x(i, p / 2) + 0.5 * random.normal() > 0) + (seed % 4 == 3 && x(i, 3) > 1);
    se::L1SVMPathOptions options{
        .n_Cs = 20,
        .C_max = 3,
        .tol = 1e-8,
        .loss = seed % 5 == 4 ? se::L1SVMLoss::logistic : se::L1SVMLoss::squared_hinge,
        .fit_intercept = seed % 2 == 0,
        .solver = seed % 3 == 0 ? se::L1SVMSolver::working_set : se::L1SVMSolver::proximal_newton};
    const auto fit = [&] {
      return seed % 3 == 0 ? se::l1_svm_path(se::SparseMatrix<double>(x.sparseView()), labels, options)
                           : se::l1_svm_path(x, labels, options);
    };
    const auto with = fit();
    options.screening = false;
    const auto without = fit();
    for (std::size_t k = 0; k < with.Cs.size(); ++k) {
      EXPECT_TRUE(with.convergence[k]);
      EXPECT_TRUE(without.convergence[k]);
      EXPECT_EQ(without.n_screened[k], 0);
      screened += with.n_screened[k];
      for (std::size_t c = 0; c < with.coefs.size(); ++c) {
        // The objective of either from scratch, and the optimality conditions of all columns.
        const int positive = with.classes[with.coefs.size() == 1 ? 1 : c];
        const se::Vector<double> y = (labels.array() == positive).select(se::Vector<double>::Ones(n), -1.0);
        const auto objective = [&](const auto& path) {
          const auto column = static_cast<Index>(k);
          const se::Vector<double> w = path.coefs[c].col(column);
          const se::Vector<double> z =
              y.array() * ((x * w).array() + path.intercepts(static_cast<Index>(c), column));
          double sum = w.cwiseAbs().sum();
          for (Index i = 0; i < n; ++i)
            sum +=
                path.Cs[k] * (options.loss == se::L1SVMLoss::logistic ? std::log1p(std::exp(-z[i]))
                                                                      : std::pow(std::max(0.0, 1 - z[i]), 2));
          return sum;
        };
        const double a = objective(with), b = objective(without);
        EXPECT_NEAR(a, b, 2e-8 * b) << "seed " << seed << " point " << k;
      }
    }
  }
  EXPECT_GT(screened, 0);
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
