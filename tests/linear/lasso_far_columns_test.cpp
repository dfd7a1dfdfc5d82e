// SPDX-License-Identifier: MIT
// Columns whose mean is many times their spread, and columns of very different lengths: neither may cost the
// solution or its certificate any digits.
#include "support/lasso_oracle.hpp"
#include "support/problems.hpp"
#include <sparse_experts/linear/lasso.hpp>
#include <sparse_experts/linear/lasso_cv.hpp>
#include <sparse_experts/linear/path.hpp>

#include <Eigen/Cholesky>

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace se = sparse_experts;
using se::Index;

namespace {

constexpr se::LassoSolver all_solvers[] = {se::LassoSolver::automatic,   se::LassoSolver::cyclic,
                                           se::LassoSolver::gram,        se::LassoSolver::refined_gram,
                                           se::LassoSolver::working_set, se::LassoSolver::fista,
                                           se::LassoSolver::lars};

template <class X>
void expect_same_path(const X& far, const se::Matrix<typename X::Scalar>& near,
                      const se::Vector<typename X::Scalar>& y, se::PathOptions options, double tolerance) {
  options.n_alphas = 5;
  options.alpha_min_ratio = 1e-2;
  const auto path = se::lasso_path(far, y, options);
  options.solver = se::LassoSolver::gram;
  options.alphas = path.alphas;
  const auto expected = se::lasso_path(near, y, options);
  ASSERT_TRUE(expected.converged());
  for (std::size_t k = 0; k < path.alphas.size(); ++k) {
    const se::Convergence& c = path.convergence[k];
    EXPECT_TRUE(c.value <= c.tolerance) << c.value;
    const se::Vector<double>
        a = se::Vector<typename X::Scalar>(path.coefs.col(static_cast<Index>(k))).template cast<double>(),
        b = se::Vector<typename X::Scalar>(expected.coefs.col(static_cast<Index>(k))).template cast<double>();
    EXPECT_LT((a - b).cwiseAbs().maxCoeff(), tolerance);
  }
}

}  // namespace

TEST(LassoFarColumns, TheSameSolutionAsAboutZero) {
  for (const double away : {1e4, 1e6, 1e8, 1e10})
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      auto made = test_support::make_regression<double>(120, 30, 4, 0.5, 0.3, seed);
      // Both ways exact, so that the data are the same but for the constant.
      for (Index j = 0; j < 30; j += 3) made.X.col(j).array() += away;
      se::Matrix<double> near = made.X;
      for (Index j = 0; j < 30; j += 3) near.col(j).array() -= away;
      for (const se::LassoSolver solver : all_solvers)
        for (const bool standardize : {false, true})
          expect_same_path(made.X, near, made.y, {.tol = 1e-9, .solver = solver, .standardize = standardize},
                           1e-7);
      expect_same_path(se::SparseMatrix<double>(made.X.sparseView()), near, made.y, {.tol = 1e-9}, 1e-7);
    }
}

TEST(LassoFarColumns, SinglePrecisionDataAreMovedOnlyWhereThatIsExact) {
  auto made = test_support::make_regression<float>(120, 30, 4, 0.5F, 0.3F, 1);
  for (Index j = 0; j < 30; j += 3) made.X.col(j).array() += 4096.0F;
  se::Matrix<float> near = made.X;
  for (Index j = 0; j < 30; j += 3) near.col(j).array() -= 4096.0F;
  for (const se::LassoSolver solver : all_solvers)
    expect_same_path(made.X, near, made.y, {.tol = 1e-4, .solver = solver}, 1e-2);
}

TEST(LassoFarColumns, CertificateAgainstTheDenseProblem) {
  for (const double away : {1e4, 1e7}) {
    auto made = test_support::make_regression<double>(60, 12, 3, 0.5, 0.3, 7);
    made.X.col(1).array() += away;
    made.X.col(5).array() -= away;
    const double alpha = 0.05 * se::alpha_max(made.X, made.y);
    se::Lasso<double> lasso({.alpha = alpha, .tol = 1e-10});
    const se::Convergence& c = lasso.fit(made.X, made.y);
    EXPECT_TRUE(c);
    const test_support::DenseElasticNet oracle{
        .X = made.X, .y = made.y, .alpha = alpha, .sample_weight = {}, .factors = {}};
    // b in the units of the data carries the rounding of x'w.
    EXPECT_NEAR(static_cast<double>(oracle.objective(lasso.coef(), lasso.intercept())), c.objective,
                1e-9 * oracle.null_objective());
  }
}

// A penalty below the rounding of its correlation leaves an honest gap, but the solution is the same.
TEST(LassoFarColumns, ColumnsOfVeryDifferentLengthsHaveTheirSolution) {
  for (const double factor : {1e5, 1e10, 1e15, 1e-15})
    for (const se::LassoSolver solver :
         {se::LassoSolver::automatic, se::LassoSolver::cyclic, se::LassoSolver::gram,
          se::LassoSolver::refined_gram, se::LassoSolver::working_set, se::LassoSolver::lars}) {
      auto made = test_support::make_regression<double>(300, 40, 4, 0.5, 0.3, 3);
      const double alpha = se::alpha_max(made.X, made.y) / 20;
      made.X.col(7) *= factor;
      se::Lasso<double> lasso({.alpha = alpha, .tol = 1e-9, .solver = solver}),
          sets({.alpha = alpha, .tol = 1e-9, .solver = se::LassoSolver::working_set});
      const se::Convergence& c = lasso.fit(made.X, made.y);
      ASSERT_TRUE(sets.fit(made.X, made.y));
      EXPECT_TRUE(c || c.status == se::Status::stalled) << factor << ' ' << static_cast<int>(solver);
      EXPECT_TRUE(c || factor >= 1e10) << factor << ' ' << static_cast<int>(solver);
      EXPECT_NEAR(c.objective, sets.convergence().objective, 2e-9 * sets.convergence().objective);
    }
}

// The running sum of equal numbers drifts: such a column looked like a spread of 1e-14, was moved, and took
// weights of 1e24.
TEST(LassoFarColumns, ConstantColumnsOfManyRowsStayOut) {
  se::Random random(3);
  for (const Index n : {1134, 20000})
    for (const bool weighted : {false, true})
      for (const bool standardize : {false, true}) {
        se::Matrix<double> x = test_support::random_matrix<double>(n, 3, random);
        const se::Vector<double> y = x.col(0) + test_support::random_matrix<double>(n, 1, random);
        x.col(1).setConstant(1);
        se::Vector<double> weights;
        if (weighted) {
          weights.resize(n);
          for (Index i = 0; i < n; ++i) weights[i] = 0.1 + static_cast<double>(random.below(4));
        }
        for (const se::LassoSolver solver : all_solvers) {
          se::ElasticNetOptions options{
              .alpha = 1e-3, .l1_ratio = 0.5, .tol = 1e-8, .standardize = standardize};
          options.penalty_factors = {1, solver == se::LassoSolver::cyclic ? 1.0 : 0.0, 1};
          options.solver = solver;
          se::ElasticNet<double> model(options);
          for (const bool sparse : {false, true}) {
            const se::Convergence& c = sparse
                                           ? model.fit(se::SparseMatrix<double>(x.sparseView()), y, weights)
                                           : model.fit(x, y, weights);
            EXPECT_TRUE(c) << n << ' ' << weighted << standardize << static_cast<int>(solver) << ' '
                           << c.value;
            EXPECT_EQ(model.coef()[1], 0);
          }
        }
      }
}

// Columns u and u + 1e-12 v without penalty: the best weights are 1e12 times those that sweeps find.
TEST(LassoFarColumns, NearlyEqualColumnsWithoutPenaltyGiveNoFalseCertificate) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    se::Random random(seed);
    se::Matrix<double> x = test_support::random_matrix<double>(40, 2, random);
    const se::Vector<double> v = x.col(1), y = v + 0.1 * test_support::random_matrix<double>(40, 1, random);
    x.col(1) = x.col(0) + 1e-12 * v;
    for (const se::LassoSolver solver :
         {se::LassoSolver::automatic, se::LassoSolver::cyclic, se::LassoSolver::working_set}) {
      se::LassoOptions options{.alpha = 0.1, .tol = 1e-9};
      options.penalty_factors = {0, 0};
      options.solver = solver;
      se::Lasso<double> lasso(options);
      const se::Convergence& c = lasso.fit(x, y);
      // The least squares fit, in columns that are apart.
      const se::Vector<double> difference = (x.col(1) - x.col(0)) * 1e12;
      se::Matrix<double> apart(40, 3);
      apart << x.col(0), difference, se::Vector<double>::Ones(40);
      const se::Vector<double> w = (apart.transpose() * apart).ldlt().solve(apart.transpose() * y);
      const double best = 0.5 * (y - apart * w).squaredNorm() / 40;
      const double unit = 0.5 * (y.array() - y.mean()).square().mean();
      EXPECT_GE(c.value * unit, 0.999 * (c.objective - best) - 1e-12) << seed;
    }
  }
}

TEST(LassoFarColumns, CrossValidationFindsTheSameAlpha) {
  auto made = test_support::make_regression<double>(150, 12, 3, 0.5, 0.3, 2);
  se::LassoCV<double> near({.n_folds = 5, .tol = 1e-9}), far({.n_folds = 5, .tol = 1e-9});
  near.fit(made.X, made.y);
  for (Index j = 0; j < 12; j += 2) made.X.col(j).array() += 1048576.0;
  far.fit(made.X, made.y);
  EXPECT_NEAR(far.alpha(), near.alpha(), 1e-6 * near.alpha());
  EXPECT_LT((far.mse_path() - near.mse_path()).cwiseAbs().maxCoeff(), 1e-5 * near.mse_path().maxCoeff());
}

TEST(LassoFarColumns, CrossValidationOfAColumnThatOneFoldHoldsAlone) {
  se::Random random(5);
  const Index n = 3000;
  se::Matrix<double> x = test_support::random_matrix<double>(n, 5, random);
  const se::Vector<double> y = x.col(0) + 0.5 * test_support::random_matrix<double>(n, 1, random);
  x.col(3).setZero();
  x(17, 3) = 100;
  se::LassoCVOptions options{
      .n_folds = 5, .alpha_min_ratio = 1e-2, .tol = 1e-9, .penalty_factors = {1, 1, 1, 0, 1}};
  se::LassoCV<double> moments(options);
  moments.fit(x, y);
  options.solver = se::LassoSolver::working_set;
  se::LassoCV<double> weighted(options);
  weighted.fit(x, y);
  EXPECT_LT((moments.mse_path() - weighted.mse_path()).cwiseAbs().maxCoeff(), 1e-4);
}

TEST(LassoFarColumns, CrossValidationStandardizesWithoutAnInterceptFarFromZero) {
  auto made = test_support::make_regression<double>(200, 6, 3, 0.5, 0.3, 2);
  made.X.col(1).array() += 1e7;
  se::LassoCVOptions options{.n_folds = 4, .tol = 1e-9, .fit_intercept = false, .standardize = true};
  se::LassoCV<double> automatic(options);
  automatic.fit(made.X, made.y);
  options.solver = se::LassoSolver::working_set;
  se::LassoCV<double> weighted(options);
  weighted.fit(made.X, made.y);
  EXPECT_LT((automatic.mse_path() - weighted.mse_path()).cwiseAbs().maxCoeff(),
            1e-4 * weighted.mse_path().maxCoeff());
}
