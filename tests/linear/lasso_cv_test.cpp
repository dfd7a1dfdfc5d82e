// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/linear/lasso.hpp>
#include <sparse_experts/linear/lasso_cv.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace se = sparse_experts;
using se::Index;

namespace {

test_support::Regression<double> make(Index n, Index p) {
  auto made = test_support::make_regression<double>(n, p, 4, 1.0, 0.5, 31);
  made.y.array() += 5;
  return made;
}

}  // namespace

TEST(LassoCV, ErrorsEqualExplicitFitsOfEveryFold) {
  for (const auto& [n, p] : {std::pair<Index, Index>{30, 45}, {120, 6}}) {  // working sets; moments
    const auto made = make(n, p);
    std::vector<Index> folds(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < folds.size(); ++i) folds[i] = static_cast<Index>((i * i + i / 3) % 3);
    se::LassoCV<double> cv(
        {.n_folds = 3, .n_alphas = 6, .alpha_min_ratio = 0.02, .tol = 1e-10, .folds = folds});
    EXPECT_TRUE(cv.fit(made.X, made.y));
    ASSERT_EQ(cv.mse_path().rows(), 6);
    ASSERT_EQ(cv.mse_path().cols(), 3);
    for (Index fold = 0; fold < 3; ++fold) {
      std::vector<Index> train, test;
      for (Index i = 0; i < n; ++i) (folds[static_cast<std::size_t>(i)] == fold ? test : train).push_back(i);
      const se::Matrix<double> x = made.X(train, Eigen::all), x_test = made.X(test, Eigen::all);
      const se::Vector<double> y = made.y(train), y_test = made.y(test);
      for (std::size_t k = 0; k < 6; ++k) {
        se::Lasso<double> lasso({.alpha = cv.alphas()[k], .tol = 1e-12});
        EXPECT_TRUE(lasso.fit(x, y));
        const double mse =
            (y_test - lasso.predict(x_test)).squaredNorm() / static_cast<double>(y_test.size());
        EXPECT_NEAR(cv.mse_path()(static_cast<Index>(k), fold), mse, 1e-3 * mse);
      }
    }
    se::Lasso<double> chosen({.alpha = cv.alpha(), .tol = 1e-12});
    EXPECT_TRUE(chosen.fit(made.X, made.y));
    EXPECT_LT((cv.coef() - chosen.coef()).norm(), 1e-3 * (1 + chosen.coef().norm()));
    EXPECT_GE(cv.alpha_one_se(), cv.alpha());
    EXPECT_GT(cv.score(made.X, made.y), 0.3);
    Index best = 0;
    cv.mean_mse().minCoeff(&best);
    EXPECT_EQ(cv.alphas()[static_cast<std::size_t>(best)], cv.alpha());
    // Mean, standard error and the largest alpha within one of them, from the errors of the folds.
    Index within = best;
    const se::Vector<double> mean = cv.mse_path().rowwise().mean();
    const double error = std::sqrt((cv.mse_path().row(best).array() - mean[best]).square().sum() / (3 * 2));
    EXPECT_NEAR(cv.standard_error()[best], error, 1e-12 * error);
    while (within > 0 && mean[within - 1] <= mean[best] + error) --within;
    EXPECT_EQ(cv.alphas()[static_cast<std::size_t>(within)], cv.alpha_one_se());
  }
}

TEST(LassoCV, MomentsEqualWeightedFits) {
  const auto made = make(150, 8);
  const se::Vector<double> weights = se::Vector<double>::LinSpaced(150, 0.5, 2);
  for (const bool standardize : {false, true})
    for (const bool fit_intercept : {false, true}) {
      se::LassoCVOptions options{.n_folds = 4, .n_alphas = 5, .alpha_min_ratio = 0.05, .tol = 1e-11};
      options.standardize = standardize;
      options.fit_intercept = fit_intercept;
      options.solver = se::LassoSolver::gram;
      se::LassoCV<double> moments(options);
      options.solver = se::LassoSolver::working_set;
      se::LassoCV<double> weighted(options);
      EXPECT_TRUE(moments.fit(made.X, made.y, weights));
      EXPECT_TRUE(weighted.fit(made.X, made.y, weights));
      EXPECT_LT((moments.mse_path() - weighted.mse_path()).norm(), 1e-4 * weighted.mse_path().norm());
    }
}

TEST(LassoCV, SparseFloatElasticNetAndThreads) {
  const auto made = make(60, 80);
  const se::SparseMatrix<float> x = made.X.cast<float>().sparseView();
  const se::Vector<float> y = made.y.cast<float>();
  se::ElasticNetCVOptions options{
      .n_folds = 4, .n_alphas = 8, .alpha_min_ratio = 0.05, .n_threads = 1, .l1_ratio = 0.8};
  se::ElasticNetCV<float> one(options);
  EXPECT_TRUE(one.fit(x, y));
  options.n_threads = 3;
  se::ElasticNetCV<float> many(options);
  EXPECT_TRUE(many.fit(x, y));
  EXPECT_EQ(one.coef(), many.coef());
  EXPECT_EQ(one.mse_path(), many.mse_path());
}

// Moments in single precision lost all that a fold of few large rows leaves to the others.
TEST(LassoCV, AFoldThatHoldsNearlyAllIsTakenAwayInDoubles) {
  constexpr Index n = 26000, p = 200;
  se::Random random(3);
  se::Matrix<double> x(n, p);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = random.normal();
  se::Vector<double> y = x.leftCols(10).rowwise().sum();
  for (Index i = 0; i < n; ++i) y[i] += 3 * random.normal();
  se::LassoCVOptions options{.n_folds = 3, .alphas = {1, 0.1, 0.01}};
  for (Index i = 0; i < n; ++i) options.folds.push_back(i % 3);
  for (Index i = 0; i < 3; ++i) x.row(3 * i) *= 1e5;  // all in fold 0
  se::LassoCV<double> automatic(options);
  automatic.fit(x, y);
  options.solver = se::LassoSolver::gram;
  se::LassoCV<double> doubles(options);
  doubles.fit(x, y);
  EXPECT_LT(
      ((automatic.mse_path() - doubles.mse_path()).array() / doubles.mse_path().array()).abs().maxCoeff(),
      1e-5);
}

TEST(LassoCV, BadInputIsNamed) {
  const auto made = make(12, 4);
  const auto rejects = [&](const se::LassoCVOptions& options) {
    EXPECT_THROW(se::LassoCV<double>(options).fit(made.X, made.y), std::invalid_argument);
  };
  rejects({.n_folds = 1});
  rejects({.n_folds = 13});
  rejects({.n_alphas = 0});
  rejects({.alphas = {1, 2}});
  rejects({.n_folds = 2, .folds = {0, 1}});
  rejects({.n_folds = 2, .folds = std::vector<Index>(12, 0)});
  rejects({.n_folds = 2, .folds = std::vector<Index>(12, 7)});
  se::LassoCV<double> cv;
  EXPECT_THROW(cv.alpha(), std::logic_error);
  EXPECT_THROW(cv.mse_path(), std::logic_error);
  se::Vector<double> weights = se::Vector<double>::Zero(12);
  weights[3] = 1;
  EXPECT_THROW(cv.fit(made.X, made.y, weights), std::invalid_argument);
}
