// SPDX-License-Identifier: MIT
#include "support/lasso_oracle.hpp"
#include "support/problems.hpp"
#include <sparse_experts/linear/path.hpp>
#include <sparse_experts/solvers/exact_products.hpp>
#include <sparse_experts/solvers/panel_gram.hpp>
#include <sparse_experts/solvers/rank_update.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace se = sparse_experts;
using se::Index;

namespace {

struct Weighted {
  se::Matrix<double> x;
  se::Vector<double> y, weights;
};

Weighted make(Index n, Index p, se::Random& random, bool weighted) {
  Weighted made{test_support::random_matrix<double>(n, p, random),
                test_support::random_matrix<double>(n, 1, random),
                {}};
  // Means, correlations and scales of many sizes; a sum of terms of one sign is the worst for rounding.
  for (Index j = 1; j < p; ++j) made.x.col(j) += 0.8 * made.x.col(j - 1);
  for (Index j = 0; j < p; ++j)
    made.x.col(j) = std::pow(10.0, random.uniform(-3, 3)) * (made.x.col(j).array() + random.uniform(-3, 3));
  made.x.col(0) = made.x.col(0).cwiseAbs();
  made.x.col(p - 1) = made.x.col(0);
  made.y += 2 * made.x.col(p / 2) / made.x.col(p / 2).norm() * std::sqrt(static_cast<double>(n));
  if (weighted) made.weights = test_support::random_matrix<double>(n, 1, random).cwiseAbs();
  return made;
}

/// X̃ with the square roots of the weights, in long double.
Eigen::Matrix<long double, -1, -1> whitened(const se::RegressionProblem<se::DenseColumns<double>>& problem,
                                            const Weighted& made) {
  const Index n = made.x.rows(), p = made.x.cols();
  Eigen::Matrix<long double, -1, -1> out(n, p);
  for (Index j = 0; j < p; ++j)
    for (Index i = 0; i < n; ++i) {
      const long double omega =
          problem.weights().size() > 0 ? problem.weights()[i] : 1 / static_cast<long double>(n);
      out(i, j) = (static_cast<long double>(made.x(i, j)) - problem.mean()[j]) * problem.scale()[j] *
                  std::sqrt(omega);
    }
  return out;
}

}  // namespace

TEST(PanelGram, EqualsTheProductAndFloatKeepsItsBound) {
  se::Random random(1);
  int trial = 0;
  for (const Index n : {1, 5, 64, 65, 300, 1100})
    for (const Index p : {1, 3, 8, 17, 47, 49, 97, 130}) {
      const Weighted made = make(n, p, random, ++trial % 2 == 0);
      const se::DenseColumns<double> design(made.x);
      const se::RegressionProblem<se::DenseColumns<double>> problem(
          design, made.y, made.weights, {trial % 3 != 0, trial % 5 == 0, 1 + trial % 2});
      const Eigen::Matrix<long double, -1, -1> rows = whitened(problem, made);
      const Eigen::Matrix<long double, -1, -1> exact = rows.transpose() * rows;
      const se::Vector<double> length = problem.squared_norm().cwiseSqrt();
      se::detail::LargeMatrix in_double, in_float;
      se::Vector<double> expected, unit(p);
      se::detail::Correlations correlations(problem);
      for (Index j = 0; j < p; ++j) unit[j] = length[j] > 0 ? 1 / length[j] : 0;
      se::detail::panel_gram<double>(problem, se::Vector<double>::Ones(p), in_double, &correlations);
      se::detail::panel_gram<float>(problem, unit, in_float);
      problem.correlations(problem.weighted(problem.target()), expected);
      for (Index j = 0; j < p; ++j)
        for (Index i = 0; i < p; ++i) {
          if (length[i] == 0 || length[j] == 0) continue;
          const double size = length[i] * length[j];
          EXPECT_LE(std::abs(in_double(i, j) - static_cast<double>(exact(i, j))), 1e-11 * size);
          EXPECT_LE(std::abs(in_float(i, j) - static_cast<double>(exact(i, j)) / size),
                    se::detail::float_sum_error);
          EXPECT_EQ(in_float(i, j), in_float(j, i));
        }
      EXPECT_LE((correlations.finish(problem) - expected).norm(),
                1e-10 * (1e-30 + length.norm() * problem.target().norm()));
      const se::Matrix<double> v = test_support::sparsified(
          test_support::random_matrix<double>(p, 1 + trial % 6, random), 0.5, random);
      const se::Matrix<double> q = se::detail::exact_products(problem, v);
      const se::Matrix<double> product = (exact * v.cast<long double>()).cast<double>();
      EXPECT_LE((q - product).norm(), 1e-10 * (1e-30 + length.squaredNorm() * v.norm())) << n << ' ' << p;
    }
}

/// The certificate of every point of a path bounds what another solver proves to be missing.
template <class Scalar>
void check_paths(int n_problems, std::uint64_t seed) {
  se::Random random(seed);
  int certified = 0;
  for (int problem = 0; problem < n_problems; ++problem) {
    const Index n = 20 + random.below(200), p = 4 + random.below(40);
    auto made = test_support::make_regression<Scalar>(n, p, 8, 0.5, random.uniform(0, 0.98),
                                                      seed + 1000u + static_cast<std::uint64_t>(problem));
    made.X.col(random.below(p)) *= static_cast<Scalar>(random.uniform(0, 100));
    if (random.uniform() < 0.3) made.X.col(random.below(p)) = made.X.col(random.below(p));
    if (random.uniform() < 0.2) made.X.col(random.below(p)).setConstant(3);
    if (random.uniform() < 0.2)  // dependent beyond what floats resolve
      made.X.col(0) = made.X.col(1) + made.X.col(p - 1);
    test_support::DenseElasticNet dense;
    dense.X = made.X.template cast<double>();
    dense.y = made.y.template cast<double>();
    dense.l1_ratio = random.uniform() < 0.5 ? 1 : random.uniform(0.1, 1);
    dense.fit_intercept = random.uniform() < 0.6;
    dense.positive = random.uniform() < 0.3;
    se::PathOptions options{.n_alphas = 1 + random.below(25),
                            .alpha_min_ratio = std::pow(10.0, random.uniform(-3, -1)),
                            .tol = std::pow(10.0, random.uniform(-8, -1)),
                            .fit_intercept = dense.fit_intercept,
                            .positive = dense.positive,
                            .solver = se::LassoSolver::refined_gram,
                            .l1_ratio = dense.l1_ratio};
    if (random.uniform() < 0.3) {
      dense.factors = test_support::random_matrix<double>(p, 1, random).cwiseAbs();
      if (random.uniform() < 0.3) dense.factors[random.below(p)] = std::numeric_limits<double>::infinity();
      options.penalty_factors = {dense.factors.begin(), dense.factors.end()};
    }
    const auto path = se::elastic_net_path(made.X, made.y, options);
    se::PathOptions tight = options;
    tight.alphas = path.alphas;
    tight.tol = 1e-15;
    tight.solver = se::LassoSolver::gram;
    const auto reference = se::elastic_net_path(dense.X, dense.y, tight);
    const se::Matrix<double> coefs = se::Matrix<Scalar>(path.coefs).template cast<double>();
    const se::Matrix<double> best(reference.coefs);
    for (Index k = 0; k < coefs.cols(); ++k) {
      const se::Convergence& c = path.convergence[static_cast<std::size_t>(k)];
      dense.alpha = path.alphas[static_cast<std::size_t>(k)];
      const long double excess = dense.objective(coefs.col(k), static_cast<double>(path.intercepts[k])) -
                                 dense.objective(best.col(k), reference.intercepts[k]);
      ASSERT_GE(c.value * dense.null_objective(), static_cast<double>(excess) - 1e-18)
          << "problem " << problem << " point " << k;
      if (options.tol > (std::is_same_v<Scalar, float> ? 1e-4 : 0)) {
        ASSERT_TRUE(c) << "problem " << problem << " point " << k << ' ' << c.value << ' ' << options.tol;
      }
      certified += static_cast<bool>(c);
    }
  }
  EXPECT_GT(certified, 5 * n_problems);
}

#ifdef SPARSE_EXPERTS_SANITIZER_BUILD
constexpr int n_problems = 60;
#else
constexpr int n_problems = 1500;
#endif

TEST(RefinedGram, GapBoundsTheTrueSuboptimalityInDouble) { check_paths<double>(n_problems, 1); }
TEST(RefinedGram, GapBoundsTheTrueSuboptimalityInFloat) { check_paths<float>(n_problems, 2); }

TEST(RefinedGram, WholePathTakesOneExactPassAndTheSameBitsOnTwoThreads) {
  const auto made = test_support::make_regression<double>(3000, 210, 40, 2, 0.9, 5);
  se::PathOptions options{
      .n_alphas = 60, .alpha_min_ratio = 1e-2, .solver = se::LassoSolver::refined_gram, .n_threads = 1};
  const auto path = se::lasso_path(made.X, made.y, options);
  EXPECT_TRUE(path.converged());
  EXPECT_EQ(path.n_passes, 2);  // the Gram, and the knots
  options.n_threads = 2;
  EXPECT_EQ(se::Matrix<double>(path.coefs),
            se::Matrix<double>(se::lasso_path(made.X, made.y, options).coefs));
}

TEST(RefinedGram, NearlyDependentColumnsConverge) {
  auto made = test_support::make_regression<double>(400, 30, 10, 0.1, 0.9, 6);
  se::Random random(7);
  for (Index j = 20; j < 30; ++j)
    made.X.col(j) =
        made.X.col(j - 20) - made.X.col(j - 19) + 1e-4 * test_support::random_matrix<double>(400, 1, random);
  for (const auto solver : {se::LassoSolver::gram, se::LassoSolver::refined_gram}) {
    const auto path = se::lasso_path(
        made.X, made.y, {.n_alphas = 12, .alpha_min_ratio = 1e-4, .tol = 1e-9, .solver = solver});
    EXPECT_TRUE(path.converged()) << static_cast<int>(solver);
  }
}
