// SPDX-License-Identifier: MIT
#include "support/lasso_oracle.hpp"
#include "support/problems.hpp"
#include <sparse_experts/linear/elastic_net.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace se = sparse_experts;
using se::Index;
using test_support::DenseElasticNet;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A problem with every option that changes the objective drawn at random.
struct Drawn {
  DenseElasticNet dense;
  se::ElasticNetOptions options;
};

Drawn draw(se::Random& random, Index n, Index p, bool sparse) {
  Drawn drawn;
  DenseElasticNet& d = drawn.dense;
  d.X = test_support::random_matrix<double>(n, p, random);
  if (sparse) d.X = test_support::sparsified(d.X, 0.5, random);
  d.X.col(random.below(p)) *= random.uniform(0, 20);
  if (random.uniform() < 0.2) d.X.col(random.below(p)) = d.X.col(random.below(p));  // duplicates
  if (random.uniform() < 0.1) d.X.col(random.below(p)).setConstant(1);
  if (random.uniform() < 0.1) d.X.col(random.below(p)).setZero();
  d.y = d.X * test_support::random_matrix<double>(p, 1, random) +
        2 * test_support::random_matrix<double>(n, 1, random);
  d.y.array() += random.normal();
  d.alpha = std::exp(random.uniform(-5, 2));
  d.l1_ratio = random.uniform() < 0.5 ? 1 : random.uniform() < 0.2 ? 0 : random.uniform();
  d.fit_intercept = random.uniform() < 0.7;
  d.positive = random.uniform() < 0.3;
  if (random.uniform() < 0.4) d.sample_weight = test_support::random_matrix<double>(n, 1, random).cwiseAbs();
  if (random.uniform() < 0.4) {
    d.factors = test_support::random_matrix<double>(p, 1, random).cwiseAbs();
    if (random.uniform() < 0.3) d.factors[random.below(p)] = 0;
    if (random.uniform() < 0.3) d.factors[random.below(p)] = infinity;
  }
  drawn.options = {.alpha = d.alpha,
                   .l1_ratio = d.l1_ratio,
                   .fit_intercept = d.fit_intercept,
                   .positive = d.positive,
                   .penalty_factors = {d.factors.begin(), d.factors.end()}};
  return drawn;
}

/// Certificate >= true suboptimality, wherever the solver was stopped and however the data are stored.
template <class Scalar>
void check_gap_bounds_suboptimality(int n_problems, std::uint64_t seed) {
  se::Random random(seed);
  for (int problem = 0; problem < n_problems; ++problem) {
    const bool sparse = random.uniform() < 0.5;
    Drawn drawn = draw(random, 1 + random.below(8), 1 + random.below(4), sparse);
    DenseElasticNet& d = drawn.dense;
    const se::Matrix<Scalar> x = d.X.template cast<Scalar>();
    const se::Vector<Scalar> y = d.y.template cast<Scalar>();
    const se::Vector<Scalar> weights = d.sample_weight.template cast<Scalar>();
    d.X = x.template cast<double>();
    d.y = y.template cast<double>();
    d.sample_weight = weights.template cast<double>();
    drawn.options.tol = std::pow(10.0, random.uniform(-14, 0));

    // The oracle sees standardised columns as they are.
    se::Vector<double> deviation = se::Vector<double>::Ones(d.X.cols());
    if (random.uniform() < 0.2) {
      drawn.options.standardize = true;
      const se::Vector<double> omega = d.omega();
      for (Index j = 0; j < d.X.cols(); ++j) {
        const double mean = omega.dot(d.X.col(j));
        const double variance = omega.dot((d.X.col(j).array() - mean).square().matrix());
        if (variance > 1e-20 * mean * mean) deviation[j] = std::sqrt(variance);
      }
      d.X = d.X * deviation.cwiseInverse().asDiagonal();
    }
    drawn.options.screening = random.uniform() < 0.7;
    drawn.options.anderson = random.uniform() < 0.7;
    drawn.options.dual_extrapolation = random.uniform() < 0.7;
    drawn.options.warm_start = random.uniform() < 0.2;

    const int solver = static_cast<int>(random.below(7));
    drawn.options.solver = static_cast<se::LassoSolver>(solver);
    const bool first_order =
        drawn.options.solver == se::LassoSolver::cyclic || drawn.options.solver == se::LassoSolver::fista;
    const Index most = first_order ? 300 : 3000;
    drawn.options.max_iter = random.uniform() < 0.3 ? 1 + random.below(5) : most;
    se::ElasticNet<Scalar> model(drawn.options);
    if (drawn.options.warm_start) model.fit(x, (Scalar(2) * y).eval());  // starts from another solution
    if (sparse) {
      const se::SparseMatrix<Scalar> stored = x.sparseView();
      model.fit(stored, y, weights);
    } else {
      model.fit(x, y, weights);
    }
    const se::Convergence& c = model.convergence();
    const auto at =
        static_cast<double>(d.objective(model.coef().template cast<double>().cwiseProduct(deviation),
                                        static_cast<double>(model.intercept())) -
                            d.optimum());
    const double unit = d.null_objective();
    ASSERT_GE(c.value * unit, at - 1e-18) << "problem " << problem << " solver " << solver << " status "
                                          << se::to_string(c.status) << " n_iter " << c.n_iter;
    if (c) {
      ASSERT_LE(c.value, c.tolerance);
    }
    const bool slow = first_order && c.n_iter == most;
    if (!slow && drawn.options.max_iter == most &&
        drawn.options.tol > (std::is_same_v<Scalar, float> ? 1e-4 : 1e-11)) {
      ASSERT_TRUE(c) << "problem " << problem << " solver " << solver << " gap " << c.value << " tol "
                     << c.tolerance << " status " << se::to_string(c.status) << " n_iter " << c.n_iter;
    }
  }
}

#ifdef SPARSE_EXPERTS_SANITIZER_BUILD
constexpr int n_problems = 300;
#else
constexpr int n_problems = 5000;
#endif

TEST(ElasticNet, GapBoundsTheTrueSuboptimalityInDouble) {
  check_gap_bounds_suboptimality<double>(n_problems, 1);
}
TEST(ElasticNet, GapBoundsTheTrueSuboptimalityInFloat) {
  check_gap_bounds_suboptimality<float>(n_problems, 2);
}

TEST(ElasticNet, RidgeEqualsItsClosedFormAndItsGapBoundsTheExcess) {
  se::Random random(6);
  for (const auto& [n, p] : {std::pair<Index, Index>{30, 5}, {40, 90}, {12, 200}}) {
    DenseElasticNet d;
    d.X = test_support::random_matrix<double>(n, p, random);
    d.y = (test_support::random_matrix<double>(n, 1, random).array() + 3).matrix();
    d.alpha = 0.3;
    d.l1_ratio = 0;
    const se::RowVector<double> mean = d.X.colwise().mean();
    const se::Matrix<double> centered = d.X.rowwise() - mean;
    const double y_mean = d.y.mean();
    const auto rows = static_cast<double>(n);
    const se::Matrix<double> system =
        centered.transpose() * centered + rows * d.alpha * se::Matrix<double>::Identity(p, p);
    const se::Vector<double> exact = system.householderQr().solve(centered.transpose() * d.y);
    const auto least = static_cast<double>(d.objective(exact, y_mean - mean.dot(exact)));
    for (int solver = 0; solver < 5; ++solver) {
      se::ElasticNet<double> model(
          {.alpha = d.alpha, .l1_ratio = 0, .tol = 1e-9, .solver = static_cast<se::LassoSolver>(solver)});
      ASSERT_TRUE(model.fit(d.X, d.y)) << solver << ' ' << model.convergence().value;
      EXPECT_LT((model.coef() - exact).norm(), 1e-3 * exact.norm()) << solver;
      EXPECT_GE(model.convergence().value * d.null_objective(),
                static_cast<double>(d.objective(model.coef(), model.intercept())) - least - 1e-15);
    }
  }
}

// Once a rounding error decided which weight of such columns had to leave, and fits ended far from the
// optimum.
TEST(ElasticNetDependent, ColumnsWithoutPenaltyMayDepend) {
  for (int trial = 0; trial < 300; ++trial) {
    se::Random random(static_cast<std::uint64_t>(trial));
    const Index n = 8 + random.below(20), p = 6 + random.below(6);
    se::Matrix<double> x = test_support::random_matrix<double>(n, p, random);
    const se::Vector<double> y = test_support::random_matrix<double>(n, 1, random);
    x.col(3).setZero();
    x(2, 3) = 1;
    if (trial % 2 == 1) x.col(3) = 2 * x.col(0) + x.col(1);
    x.col(5) = x.col(3);
    std::vector<double> factors(static_cast<std::size_t>(p), 1.0);
    factors[0] = factors[3] = factors[5] = 0;
    if (trial % 3 == 0) factors[1] = 0;
    se::ElasticNetOptions options{.alpha = 0.01,
                                  .l1_ratio = trial % 4 == 0 ? 1 : 0.5,
                                  .tol = 1e-10,
                                  .fit_intercept = trial % 5 != 0,
                                  .n_threads = 1,
                                  .penalty_factors = factors};
    // Without the copy nothing is lost.
    options.penalty_factors[5] = infinity;
    se::ElasticNet<double> expected(options);
    ASSERT_TRUE(expected.fit(x, y));
    options.penalty_factors = factors;
    for (const se::LassoSolver solver :
         {se::LassoSolver::automatic, se::LassoSolver::cyclic, se::LassoSolver::gram,
          se::LassoSolver::working_set, se::LassoSolver::lars, se::LassoSolver::refined_gram}) {
      options.solver = solver;
      se::ElasticNet<double> model(options);
      EXPECT_TRUE(model.fit(x, y)) << "trial " << trial << ", solver " << static_cast<int>(solver);
      EXPECT_NEAR(model.convergence().objective, expected.convergence().objective,
                  1e-9 * (1 + expected.convergence().objective));
    }
  }
}
