// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/linear/elastic_net_fit.hpp>
#include <sparse_experts/solvers/anderson.hpp>
#include <sparse_experts/solvers/evaluation.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace se = sparse_experts;
using se::Index;

namespace {

struct Setting {
  bool screening, anderson, dual_extrapolation;
};
constexpr Setting settings[] = {{true, true, true},   {true, false, false}, {false, true, false},
                                {false, false, true}, {true, true, false},  {true, false, true}};

se::ElasticNetOptions with(se::ElasticNetOptions options, const Setting& use) {
  options.screening = use.screening;
  options.anderson = use.anderson;
  options.dual_extrapolation = use.dual_extrapolation;
  return options;
}

/// Fits under every setting and compares with the plain solver; returns what the components did in all.
template <class D>
se::AccelerationCounts compare(const D& design, const se::Vector<double>& y, se::ElasticNetOptions options,
                               const se::Vector<double>& sample_weight = {}) {
  options.tol = 1e-12;
  options.max_iter = 100000;
  const se::RegressionFit plain =
      se::fit_elastic_net(design, y, with(options, {false, false, false}), sample_weight);
  EXPECT_TRUE(plain.convergence) << plain.convergence.value;
  EXPECT_EQ(plain.counts.n_screened, 0);
  EXPECT_EQ(plain.counts.n_extrapolations, 0);
  EXPECT_EQ(plain.counts.n_dual_extrapolations, 0);
  se::AccelerationCounts total;
  for (const Setting& use : settings) {
    const se::RegressionFit fit = se::fit_elastic_net(design, y, with(options, use), sample_weight);
    EXPECT_TRUE(fit.convergence) << fit.convergence.value;
    EXPECT_LE(fit.convergence.value, options.tol);
    EXPECT_LT((fit.coef - plain.coef).norm(), 1e-4 * (1 + plain.coef.norm()));
    EXPECT_NEAR(fit.convergence.objective, plain.convergence.objective,
                3e-12 * std::max(1.0, y.squaredNorm()));
    EXPECT_TRUE(use.screening || fit.counts.n_screened == 0);
    EXPECT_TRUE(use.anderson || fit.counts.n_extrapolations == 0);
    EXPECT_TRUE(use.dual_extrapolation || fit.counts.n_dual_extrapolations == 0);
    total.n_screened += fit.counts.n_screened;
    total.n_extrapolations += fit.counts.n_extrapolations;
    total.n_dual_extrapolations += fit.counts.n_dual_extrapolations;
  }
  return total;
}

}  // namespace

TEST(Acceleration, AndersonComesNearTheLimitOfALinearSequence) {
  se::Random random(4);
  se::Matrix<double> map = test_support::random_matrix<double>(5, 5, random);
  map *= 0.9 / map.norm();
  const se::Vector<double> limit = test_support::random_matrix<double>(5, 1, random);
  se::Vector<double> x = se::Vector<double>::Zero(5);
  se::AndersonExtrapolation sequence;
  sequence.restart(x);
  bool ready = false;
  while (!ready) {
    x = limit + map * (x - limit);
    ready = sequence.push(x);
  }
  const double last = (x - limit).norm();
  // Five differences are not exact in five dimensions, but worth many steps of the sequence.
  EXPECT_LT((sequence.extrapolate() - limit).norm(), 0.2 * last);
  // A sequence that stands still has no direction.
  sequence.restart(limit);
  while (!sequence.push(limit)) {
  }
  EXPECT_EQ(sequence.extrapolate().size(), 0);
}

TEST(Acceleration, NeverChangesTheResultAndIsActive) {
  const auto made = test_support::make_regression<double>(60, 150, 8, 0.5, 0.8, 11);
  const double top = 0.5 * (made.X.transpose() * made.y).cwiseAbs().maxCoeff() / 60;
  const se::DenseColumns<double> dense(made.X);
  se::Random random(5);
  const se::Matrix<double> thinned = test_support::sparsified(made.X, 0.3, random);
  const se::SparseMatrix<double> stored = thinned.sparseView();
  const se::SparseColumns<double> sparse(stored);
  const se::Vector<double> weights = se::Vector<double>::LinSpaced(60, 0, 2);
  std::vector<double> factors(150, 1);
  factors[3] = 0;
  factors[4] = std::numeric_limits<double>::infinity();
  factors[5] = 2.5;
  for (const double ratio : {5.0, 20.0})
    for (const double l1_ratio : {1.0, 0.7}) {
      se::ElasticNetOptions options{
          .alpha = top / ratio, .l1_ratio = l1_ratio, .solver = se::LassoSolver::cyclic};
      const se::AccelerationCounts plain = compare(dense, made.y, options);
      EXPECT_GT(plain.n_screened, 100);
      EXPECT_GT(plain.n_extrapolations, 0);
      EXPECT_GT(plain.n_dual_extrapolations, 0);
      const se::AccelerationCounts of_sparse = compare(sparse, made.y, options, weights);
      EXPECT_GT(of_sparse.n_screened, 100);
      EXPECT_GT(of_sparse.n_extrapolations, 0);
      EXPECT_GT(of_sparse.n_dual_extrapolations, 0);
      options.penalty_factors = factors;
      compare(sparse, made.y, options);
      options.standardize = true;
      options.positive = true;
      compare(dense, made.y, options, weights);
      options.solver = se::LassoSolver::working_set;
      compare(dense, made.y, options, weights);
    }
  // The working set screens in single fits.
  const se::AccelerationCounts of_sets =
      compare(dense, made.y, {.alpha = top / 20, .l1_ratio = 1, .solver = se::LassoSolver::working_set});
  EXPECT_GT(of_sets.n_screened, 0);
}

TEST(Acceleration, ScreenedColumnsAreZeroAtTheOptimum) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const auto made = test_support::make_regression<double>(25, 60, 4, 0.5, 0.7, seed);
    const bool positive = seed % 3 == 0;
    const double l1_ratio = seed % 2 == 0 ? 1 : 0.8;
    const double alpha = 0.1 * (made.X.transpose() * made.y).cwiseAbs().maxCoeff() / 25;
    const se::DenseColumns<double> design(made.X);
    const se::RegressionFit exact = se::fit_elastic_net(
        design, made.y,
        {.alpha = alpha, .l1_ratio = l1_ratio, .tol = 1e-13, .positive = positive, .max_iter = 100000});
    ASSERT_LT(exact.convergence.value, 1e-11);
    const se::RegressionProblem<se::DenseColumns<double>> problem(design, made.y, {}, {});
    const se::ElasticNetPenalty penalty(alpha, l1_ratio, positive);
    se::Evaluation<se::DenseColumns<double>> evaluation(problem, penalty);
    evaluation.enable_screening();
    // Points that approach the optimum, with wrong weights on the way.
    se::Random random(seed);
    Index last = 60;
    for (const double away : {1.0, 0.1, 1e-2, 1e-3, 1e-5}) {
      se::Vector<double> w = exact.coef;
      for (Index j = 0; j < 60; ++j)
        if (w[j] != 0) w[j] *= 1 + away * random.uniform(-0.5, 0.5);
      evaluation.measure(w);
      const std::vector<Index>& alive = evaluation.screening().alive();
      EXPECT_LE(static_cast<Index>(alive.size()), last);
      last = static_cast<Index>(alive.size());
      EXPECT_EQ(last + evaluation.n_screened(), 60);
      std::vector<bool> is_alive(60, false);
      for (const Index j : alive) is_alive[static_cast<std::size_t>(j)] = true;
      for (Index j = 0; j < 60; ++j) EXPECT_TRUE(exact.coef[j] == 0 || is_alive[static_cast<std::size_t>(j)]);
    }
    EXPECT_LT(last, 40);
  }
}

TEST(Acceleration, FewerSweepsThanThePlainBaseline) {
  const auto made = test_support::make_regression<double>(100, 300, 10, 0.5, 0.9, 3);
  const double alpha = 0.02 * (made.X.transpose() * made.y).cwiseAbs().maxCoeff() / 100;
  const se::DenseColumns<double> design(made.X);
  const auto sweeps = [&](const Setting& use) {
    const se::RegressionFit fit = se::fit_elastic_net(
        design, made.y,
        with({.alpha = alpha, .l1_ratio = 1, .tol = 1e-8, .solver = se::LassoSolver::cyclic}, use));
    EXPECT_TRUE(fit.convergence);
    return fit.convergence.n_iter;
  };
  const Index plain = sweeps({false, false, false});
  EXPECT_LT(sweeps({false, true, false}), plain);
  EXPECT_LT(sweeps({true, true, true}), plain);
  EXPECT_LE(sweeps({false, false, true}), plain);
}

TEST(Acceleration, SparseColdStartsAreSweptAndAgreeWithTheGram) {
  se::Random random(8);
  const se::Matrix<double> x =
      test_support::sparsified(test_support::random_matrix<double>(2000, 500, random), 0.01, random);
  const se::SparseMatrix<double> stored = x.sparseView();
  const se::Vector<double> y = x * test_support::random_matrix<double>(500, 1, random);
  const double alpha = 0.01 * (x.transpose() * y).cwiseAbs().maxCoeff() / 2000;
  const se::SparseColumns<double> design(stored);
  const se::RegressionFit automatic =
      se::fit_elastic_net(design, y, {.alpha = alpha, .l1_ratio = 1, .tol = 1e-9});
  EXPECT_TRUE(automatic.convergence);
  EXPECT_EQ(automatic.working_set, 500);  // sweeps know no set
  const se::RegressionFit gram = se::fit_elastic_net(
      design, y, {.alpha = alpha, .l1_ratio = 1, .tol = 1e-12, .solver = se::LassoSolver::gram});
  EXPECT_LT((automatic.coef - gram.coef).norm(), 1e-3 * gram.coef.norm());
}

TEST(Acceleration, RidgeOfMoreColumnsThanASetHolds) {
  se::Random random(9);
  const se::Matrix<double> x = test_support::random_matrix<double>(20, 9000, random);
  const se::Vector<double> y = test_support::random_matrix<double>(20, 1, random);
  const double alpha = 50;
  const se::RegressionFit fit = se::fit_elastic_net(
      se::DenseColumns<double>(x), y,
      {.alpha = alpha, .l1_ratio = 0, .tol = 1e-8, .fit_intercept = false, .max_iter = 1000});
  EXPECT_TRUE(fit.convergence) << fit.convergence.value;
  // (X'X + n alpha I) w = X'y
  const se::Vector<double> left = x.transpose() * (x * fit.coef) + 20 * alpha * fit.coef;
  const se::Vector<double> right = x.transpose() * y;
  EXPECT_LT((left - right).norm(), 1e-3 * right.norm());
}
