// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/linear/l1_svm.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace {

namespace se = sparse_experts;
using se::Index;

#ifdef SPARSE_EXPERTS_SANITIZER_BUILD
constexpr std::uint64_t n_problems = 100;
#else
constexpr std::uint64_t n_problems = 1000;
#endif

TEST(L1SVMGap, IsNeverBelowTheTrueSuboptimality) {
  for (std::uint64_t seed = 0; seed < n_problems; ++seed) {
    se::Random random(seed);
    const Index n = 10 + random.below(40), p = 1 + random.below(30);
    const int n_classes = 2 + static_cast<int>(random.below(4));
    const auto problem = test_support::make_blobs<double>(n, p, n_classes, 1, seed);
    const se::Matrix<double> X =
        test_support::sparsified<double>(problem.X, 0.3 + 0.7 * random.uniform(), random);
    se::Vector<double> weights(n);
    for (Index i = 0; i < n; ++i) weights[i] = 0.1 + random.uniform();
    se::L1SVMOptions options;
    options.C = std::exp(random.uniform(-4, 3));
    options.fit_intercept = random.below(2) == 0;
    options.n_threads = 1;
    options.solver = random.below(2) == 0 ? se::L1SVMSolver::working_set : se::L1SVMSolver::proximal_newton;
    options.tol = 0;
    options.max_iter = random.below(6);
    se::L1SVM<double> early(options);
    early.fit(X, problem.labels, weights);
    options.solver = se::L1SVMSolver::proximal_newton;
    options.max_iter = 200;
    options.tol = 1e-10;
    se::L1SVM<double> exact(options);
    exact.fit(X, problem.labels, weights);
    for (std::size_t c = 0; c < early.class_convergence().size(); ++c) {
      const se::Convergence& claim = early.class_convergence()[c];
      const double excess = claim.objective - exact.class_convergence()[c].objective;
      EXPECT_GE(claim.value * claim.objective, excess - 1e-10 * claim.objective) << seed;
    }
  }
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
