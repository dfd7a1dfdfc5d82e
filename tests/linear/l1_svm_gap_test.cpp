// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/linear/l1_svm.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

namespace se = sparse_experts;
using se::Index;

#ifdef SPARSE_EXPERTS_SANITIZER_BUILD
constexpr std::uint64_t n_problems = 100;
#else
constexpr std::uint64_t n_problems = 10000;
#endif

TEST(L1SVMGap, IsNeverBelowTheTrueSuboptimality) {
  Index problems = 0, solved = 0;
  for (std::uint64_t seed = 0; seed < n_problems; ++seed) {
    se::Random random(seed);
    const Index n = 10 + random.below(30), p = 1 + random.below(20);
    // Mostly few classes, up to 20 in every fifth problem.
    const int n_classes = 2 + static_cast<int>(random.below(seed % 5 == 0 ? 19 : 3));
    const auto problem =
        test_support::make_blobs<double>(std::max<Index>(n, 2 * n_classes), p, n_classes, 1, seed);
    const se::Matrix<double> X =
        test_support::sparsified<double>(problem.X, 0.1 + 0.9 * random.uniform(), random);
    const se::SparseRowMatrix<double> sparse = X.sparseView();
    se::Vector<double> weights(X.rows());
    for (Index i = 0; i < weights.size(); ++i) weights[i] = 0.1 + random.uniform();
    se::L1SVMOptions options;
    options.C = std::exp(random.uniform(-4, 3));
    options.loss = random.below(4) == 0 ? se::L1SVMLoss::logistic : se::L1SVMLoss::squared_hinge;
    options.fit_intercept = random.below(2) == 0;
    options.penalize_intercept = random.below(4) == 0;
    options.n_threads = 1;
    options.solver = static_cast<se::L1SVMSolver>(random.below(4));
    options.tol = 0;
    options.max_iter = random.below(6);
    se::L1SVM<double> early(options);
    if (random.below(2) == 0)
      early.fit(X, problem.labels, weights);
    else
      early.fit(sparse, problem.labels, weights);
    options.solver = se::L1SVMSolver::proximal_newton;
    options.max_iter = 200;
    options.tol = 1e-10;
    se::L1SVM<double> exact(options);
    exact.fit(X, problem.labels, weights);
    for (std::size_t c = 0; c < early.class_convergence().size(); ++c) {
      const se::Convergence& claim = early.class_convergence()[c];
      const double excess = claim.objective - exact.class_convergence()[c].objective;
      EXPECT_GE(claim.value * claim.objective, excess - 1e-10 * claim.objective) << seed;
      ++problems;
      solved += bool(exact.class_convergence()[c]) || exact.class_convergence()[c].value < 1e-8;
    }
  }
  // The optimum must be known for the check to say anything.
  EXPECT_GE(static_cast<double>(solved), 0.999 * static_cast<double>(problems));
}

TEST(L1SVMGap, SameBitsAtAnyNumberOfThreads) {
  const auto problem = test_support::make_blobs<float>(200, 30, 7, 1.5, 1);
  se::L1SVM<float> one({.n_threads = 1});
  one.fit(problem.X, problem.labels);
  for (const int n_threads : {2, 5}) {
    se::L1SVM<float> many({.n_threads = n_threads});
    many.fit(problem.X, problem.labels);
    EXPECT_EQ(many.coef(), one.coef());
    EXPECT_EQ(many.intercept(), one.intercept());
  }
}

}  // namespace
