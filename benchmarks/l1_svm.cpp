// SPDX-License-Identifier: MIT
// Which variant of the L1-SVM for which data? Synthetic, equal certificate; one thread.
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/linear/l1_svm.hpp>

#include <benchmark/benchmark.h>

namespace {

namespace se = sparse_experts;
using se::Index;

struct Problem {
  se::SparseMatrix<double> X;
  se::LabelVector labels;
};

// n x p with the given density; a tenth of the columns carries the label, with noise.
Problem make_problem(Index n, Index p, double density) {
  se::Random random(1);
  se::Matrix<double> dense = se::Matrix<double>::Zero(n, p);
  for (Index j = 0; j < p; ++j)
    for (Index i = 0; i < n; ++i)
      if (random.uniform() < density) dense(i, j) = random.normal();
  se::Vector<double> score(n);
  for (Index i = 0; i < n; ++i) score[i] = 0.5 * random.normal();
  for (Index j = 0; j < p; j += 10) score += random.normal() * dense.col(j);
  Problem problem{dense.sparseView(), (score.array() > 0).cast<int>()};
  return problem;
}

void solve(benchmark::State& state, se::L1SVMSolver solver, Index n, Index p, double density) {
  const Problem problem = make_problem(n, p, density);
  se::L1SVM<double> svm({.C = 0.1, .tol = 1e-3, .n_threads = 1, .solver = solver, .max_iter = 2000});
  for (auto _ : state) benchmark::DoNotOptimize(svm.fit(problem.X, problem.labels).value);
  if (!svm.convergence()) state.SkipWithError("tolerance not reached: the time means nothing");
  state.counters["gap"] = svm.convergence().value;
  state.counters["n_iter"] = static_cast<double>(svm.convergence().n_iter);
  state.counters["non_zeros"] = static_cast<double>((svm.coef().array() != 0).count());
}

#define VARIANTS(name, ...)                                                                           \
  BENCHMARK_CAPTURE(solve, name##_coordinate_newton, se::L1SVMSolver::coordinate_newton, __VA_ARGS__) \
      ->Unit(benchmark::kMillisecond);                                                                \
  BENCHMARK_CAPTURE(solve, name##_working_set, se::L1SVMSolver::working_set, __VA_ARGS__)             \
      ->Unit(benchmark::kMillisecond);                                                                \
  BENCHMARK_CAPTURE(solve, name##_proximal_newton, se::L1SVMSolver::proximal_newton, __VA_ARGS__)     \
      ->Unit(benchmark::kMillisecond)

VARIANTS(tall_5000x100, 5000, 100, 0.15);
VARIANTS(wide_1000x3000, 1000, 3000, 0.02);

}  // namespace

BENCHMARK_MAIN();
