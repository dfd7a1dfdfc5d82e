// SPDX-License-Identifier: MIT
// What does cross-validation cost beside the path it chooses from? n >> p: the Gram matrices of the folds are
// those of all samples minus the fold's, so that 10 folds should cost little more than one path.
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/linear/lasso_cv.hpp>
#include <sparse_experts/linear/path.hpp>

#include <benchmark/benchmark.h>

#include <cmath>

namespace se = sparse_experts;
using se::Index;

namespace {

struct Problem {
  se::Matrix<double> x;
  se::Vector<double> y;
};

/// 50000 x 500, neighbouring columns correlated 0.9.
const Problem& tall() {
  static const Problem made = [] {
    se::Random random(7);
    Problem problem{se::Matrix<double>(50000, 500), se::Vector<double>::Zero(50000)};
    for (Index j = 0; j < 500; ++j) {
      for (Index i = 0; i < 50000; ++i) problem.x(i, j) = random.normal();
      if (j > 0) problem.x.col(j) = 0.9 * problem.x.col(j - 1) + std::sqrt(0.19) * problem.x.col(j);
    }
    for (int k = 0; k < 100; ++k) problem.y += random.normal() * problem.x.col(random.below(500));
    for (Index i = 0; i < 50000; ++i) problem.y[i] += 5 * random.normal();
    return problem;
  }();
  return made;
}

void path(benchmark::State& state) {
  const Problem& problem = tall();
  for (auto _ : state) {
    const auto fitted = se::lasso_path(
        problem.x, problem.y, {.alpha_min_ratio = 1e-2, .n_threads = static_cast<int>(state.range(0))});
    if (!fitted.converged()) state.SkipWithError("tolerance not reached: time is meaningless");
  }
}

void cross_validation(benchmark::State& state) {
  const Problem& problem = tall();
  for (auto _ : state) {
    se::LassoCV<double> cv(
        {.n_folds = 10, .alpha_min_ratio = 1e-2, .tol = 1e-6, .n_threads = static_cast<int>(state.range(0))});
    if (!cv.fit(problem.x, problem.y)) state.SkipWithError("tolerance not reached: time is meaningless");
    state.counters["alpha"] = cv.alpha();
  }
}

BENCHMARK(path)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(cross_validation)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
