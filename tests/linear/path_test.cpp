// SPDX-License-Identifier: MIT
#include "support/lasso_oracle.hpp"
#include "support/problems.hpp"
#include <sparse_experts/linear/lasso.hpp>
#include <sparse_experts/linear/path.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace se = sparse_experts;
using se::Index;

namespace {

test_support::Regression<double> make(Index n, Index p) {
  auto made = test_support::make_regression<double>(n, p, 5, 0.5, 0.7, 23);
  made.y.array() += 2;
  return made;
}

template <class Path>
void expect_certified(const Path& path, const se::Matrix<double>& x, const se::Vector<double>& y,
                      double l1_ratio, double tolerance) {
  for (std::size_t k = 0; k < path.alphas.size(); ++k) {
    test_support::DenseElasticNet dense;
    dense.X = x;
    dense.y = y;
    dense.alpha = path.alphas[k];
    dense.l1_ratio = l1_ratio;
    const se::Vector<double> w =
        se::Matrix<double>(path.coefs).col(static_cast<Index>(k)).template cast<double>();
    EXPECT_TRUE(path.convergence[k]) << k;
    EXPECT_LT(dense.kkt_violation(w, static_cast<double>(path.intercepts[static_cast<Index>(k)])),
              tolerance * path.alphas[0])
        << k;
    EXPECT_LE(path.convergence[k].value, path.convergence[k].tolerance);
  }
}

}  // namespace

TEST(Path, EveryPointIsCertifiedByEverySolver) {
  for (const auto solver : {se::LassoSolver::automatic, se::LassoSolver::cyclic, se::LassoSolver::gram,
                            se::LassoSolver::working_set, se::LassoSolver::fista, se::LassoSolver::lars,
                            se::LassoSolver::refined_gram}) {
    const bool slow = solver == se::LassoSolver::cyclic || solver == se::LassoSolver::fista;
    for (const auto& [n, p] : {std::pair<Index, Index>{30, 90}, {200, 12}}) {
      const auto made = make(n, p);
      const auto path = se::lasso_path(
          made.X, made.y,
          {.n_alphas = 15, .alpha_min_ratio = 0.02, .tol = slow ? 1e-8 : 1e-12, .solver = solver});
      ASSERT_EQ(path.alphas.size(), 15u);
      EXPECT_NEAR(path.alphas.back(), 0.02 * path.alphas.front(), 1e-12 * path.alphas.front());
      EXPECT_EQ(path.coefs.col(0).nonZeros(), 0) << static_cast<int>(solver);
      EXPECT_GE(path.coefs.col(1).nonZeros(), 1);
      expect_certified(path, made.X, made.y, 1, slow ? 1e-3 : 1e-5);
    }
  }
}

TEST(Path, ElasticNetSparseFloatAndSampleWeights) {
  const auto made = make(40, 60);
  const auto path = se::elastic_net_path(
      made.X, made.y, {.n_alphas = 10, .alpha_min_ratio = 0.01, .tol = 1e-11, .l1_ratio = 0.6});
  expect_certified(path, made.X, made.y, 0.6, 1e-5);
  const se::SparseMatrix<double> sparse = made.X.sparseView();
  const auto of_sparse = se::elastic_net_path(
      sparse, made.y, {.n_alphas = 10, .alpha_min_ratio = 0.01, .tol = 1e-11, .l1_ratio = 0.6},
      se::Vector<double>::Constant(40, 3));
  EXPECT_LT((se::Matrix<double>(path.coefs) - se::Matrix<double>(of_sparse.coefs)).norm(), 1e-4);
  const se::Matrix<float> x = made.X.cast<float>();
  const se::Vector<float> y = made.y.cast<float>();
  const auto of_float =
      se::elastic_net_path(x, y, {.n_alphas = 10, .alpha_min_ratio = 0.01, .tol = 1e-5, .l1_ratio = 0.6});
  EXPECT_TRUE(of_float.converged());
  EXPECT_LT((se::Matrix<double>(path.coefs) - se::Matrix<float>(of_float.coefs).cast<double>()).norm(), 0.1);
}

TEST(Path, SameBitsAtAnyNumberOfThreads) {
  for (const auto& [n, p] : {std::pair<Index, Index>{40, 300}, {700, 150}}) {
    const auto made = make(n, p);
    const se::PathOptions options{.n_alphas = 12, .alpha_min_ratio = 0.05, .n_threads = 1};
    const auto one = se::lasso_path(made.X, made.y, options);
    for (const int n_threads : {2, 5}) {
      se::PathOptions threaded = options;
      threaded.n_threads = n_threads;
      const auto many = se::lasso_path(made.X, made.y, threaded);
      EXPECT_EQ(se::Matrix<double>(one.coefs), se::Matrix<double>(many.coefs));
      EXPECT_EQ(one.intercepts, many.intercepts);
    }
  }
}

TEST(Path, GivenAlphasAndSingleFitsAgree) {
  const auto made = make(50, 40);
  const double top = se::alpha_max(made.X, made.y);
  const auto path = se::lasso_path(made.X, made.y, {.tol = 1e-12, .alphas = {top, 0.3 * top, 0.05 * top}});
  ASSERT_EQ(path.coefs.cols(), 3);
  for (Index k = 0; k < 3; ++k) {
    se::Lasso<double> lasso({.alpha = path.alphas[static_cast<std::size_t>(k)], .tol = 1e-12});
    EXPECT_TRUE(lasso.fit(made.X, made.y));
    EXPECT_LT((lasso.coef() - se::Matrix<double>(path.coefs).col(k)).norm(), 1e-6);
    EXPECT_NEAR(lasso.intercept(), path.intercepts[k], 1e-6);
  }
}

TEST(Path, PenaltyFactorsOfZeroAndInfinity) {
  const auto made = make(50, 8);
  const double infinity = std::numeric_limits<double>::infinity();
  const auto path = se::lasso_path(
      made.X, made.y, {.n_alphas = 8, .tol = 1e-10, .penalty_factors = {0, 1, infinity, 1, 1, 2, 1, 0.5}});
  EXPECT_TRUE(path.converged());
  const se::Matrix<double> coefs(path.coefs);
  for (Index k = 0; k < 8; ++k) {
    EXPECT_NE(coefs(0, k), 0);
    EXPECT_EQ(coefs(2, k), 0);
  }
  EXPECT_EQ((coefs.col(0).array() != 0).count(), 1);  // alpha_max is that of the penalised columns
  // All factors zero: least squares at every alpha.
  const auto free = se::lasso_path(
      made.X, made.y, {.n_alphas = 3, .tol = 1e-10, .penalty_factors = {0, 0, 0, 0, 0, 0, 0, 0}});
  EXPECT_TRUE(free.converged());
  test_support::DenseElasticNet dense;
  dense.X = made.X;
  dense.y = made.y;
  dense.alpha = 0;
  EXPECT_LT(dense.kkt_violation(se::Matrix<double>(free.coefs).col(2), free.intercepts[2]), 1e-9);
}

TEST(Path, BadInputIsNamed) {
  const auto made = make(20, 5);
  const auto rejects = [&](const se::PathOptions& options, const char* fragment) {
    try {
      se::elastic_net_path(made.X, made.y, options);
      ADD_FAILURE() << "accepted, expected a message with " << fragment;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
    }
  };
  rejects({.n_alphas = 0}, "n_alphas = 0");
  rejects({.alpha_min_ratio = 0}, "alpha_min_ratio");
  rejects({.alpha_min_ratio = 1}, "alpha_min_ratio");
  rejects({.alphas = {1, 2}}, "alphas(1) = 2");
  rejects({.alphas = {1, 1}}, "alphas(1) = 1");
  rejects({.alphas = {1, 0}}, "alphas(1) = 0");
  rejects({.alphas = {-1}}, "alphas(0) = -1");
  rejects({.alphas = {std::numeric_limits<double>::quiet_NaN()}}, "alphas(0)");
  rejects({.l1_ratio = 0}, "l1_ratio = 0");
  rejects({.penalty_factors = {1}}, "penalty_factors.size() = 1");
  EXPECT_THROW(se::lasso_path(made.X, se::Vector<double>(made.y.head(7))), std::invalid_argument);
}

TEST(Path, ConstantTargetAndStop) {
  const auto made = make(20, 5);
  const auto path = se::lasso_path(made.X, se::Vector<double>::Constant(20, 4), {.n_alphas = 5});
  EXPECT_TRUE(path.converged());
  EXPECT_EQ(path.coefs.nonZeros(), 0);
  EXPECT_EQ(path.alphas.front(), 1);
  EXPECT_EQ(se::alpha_max(made.X, se::Vector<double>::Zero(20)), 0);
  EXPECT_EQ(se::alpha_max(made.X, se::Vector<double>::Constant(20, 4)), 0);
  EXPECT_EQ(se::alpha_max(se::Matrix<double>::Zero(20, 5), made.y), 0);
  const auto stopped = se::lasso_path(
      made.X, made.y,
      {.n_alphas = 9, .on_progress = [](const se::Progress& progress) { return progress.iteration < 4; }});
  EXPECT_EQ(stopped.alphas.size(), 4u);
  EXPECT_EQ(stopped.coefs.cols(), 4);
  EXPECT_EQ(stopped.convergence.back().status, se::Status::stopped);
}
