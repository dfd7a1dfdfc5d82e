// SPDX-License-Identifier: MIT
// How many sparse codes a second: variants of the encoder on synthetic unit-norm samples in the shapes of 8x8
// patches (p = 64) and of whole digits (p = 784, one in five features non-zero), 256 atoms. Codes have 5-10 %
// non-zeros.
#include <sparse_experts/coding/feed_forward.hpp>
#include <sparse_experts/coding/omp.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/core/random.hpp>

#include <benchmark/benchmark.h>

#include <cmath>

namespace se = sparse_experts;
using se::Index;
using se::SparseCoderAlgorithm;

namespace {

template <class Scalar>
struct Problem {
  se::RowMatrix<Scalar> D, X;
};

/// Atoms are smooth bumps; samples mix 12 of them and noise on `share` of the features.
template <class Scalar>
Problem<Scalar> make_problem(Index n, Index p, double share) {
  se::Random random(1);
  Problem<Scalar> problem{se::RowMatrix<Scalar>(256, p), se::RowMatrix<Scalar>::Zero(n, p)};
  for (Index j = 0; j < 256; ++j) {
    double state = 0;
    for (Index f = 0; f < p; ++f) {
      state = 0.7 * state + random.normal();
      problem.D(j, f) = static_cast<Scalar>(state);
    }
    problem.D.row(j) /= problem.D.row(j).norm();
  }
  for (Index i = 0; i < n; ++i) {
    for (int a = 0; a < 12; ++a)
      problem.X.row(i) += static_cast<Scalar>(random.normal()) * problem.D.row(random.below(256));
    for (Index f = 0; f < p; ++f) {
      problem.X(i, f) += static_cast<Scalar>(0.3 / std::sqrt(static_cast<double>(p)) * random.normal());
      if (random.uniform() >= share) problem.X(i, f) = 0;
    }
    problem.X.row(i) /= problem.X.row(i).norm();
  }
  return problem;
}

template <class Scalar>
const Problem<Scalar>& problem(Index p) {
  static const Problem<Scalar> patches = make_problem<Scalar>(4000, 64, 1.0),
                               digits = make_problem<Scalar>(2000, 784, 0.2);
  return p == 64 ? patches : digits;
}

template <class Coder, class Scalar>
void time_batches(benchmark::State& state, const Coder& coder, const se::RowMatrix<Scalar>& X) {
  se::CodingReport report;
  for (auto _ : state) {
    const auto codes = coder.transform(X, &report);
    benchmark::DoNotOptimize(codes.valuePtr());
  }
  if (!report.convergence) state.SkipWithError("tolerance not reached: the time is meaningless");
  state.counters["codes/s"] =
      benchmark::Counter(static_cast<double>(X.rows()), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["gap"] = report.mean_gap;
  state.counters["density"] = report.density;
}

template <class Scalar, SparseCoderAlgorithm Algorithm>
void BM_SparseCoder(benchmark::State& state) {
  const auto& [D, X] = problem<Scalar>(state.range(0));
  time_batches(state,
               se::SparseCoder<Scalar>(D, {.alpha = 0.05,
                                           .tol = 1e-5,
                                           .max_iter = 100000,
                                           .algorithm = Algorithm,
                                           .n_threads = static_cast<int>(state.range(1))}),
               X);
}

template <class Scalar>
void BM_Omp(benchmark::State& state) {
  const auto& [D, X] = problem<Scalar>(state.range(0));
  time_batches(state, se::OmpCoder<Scalar>(D, {.n_nonzero = 15, .n_threads = 1}), X);
}

template <class Scalar>
void BM_FeedForward(benchmark::State& state) {
  const auto& [D, X] = problem<Scalar>(state.range(0));
  time_batches(state, se::FeedForwardCoder<Scalar>(D, {.theta = 0.1, .n_threads = 1}), X);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->Args({64, 1})->Args({64, 2})->Args({784, 1})->Args({784, 2});
}
void shapes_single(benchmark::internal::Benchmark* b) { b->Args({64, 1})->Args({784, 1}); }

}  // namespace

BENCHMARK(BM_SparseCoder<double, SparseCoderAlgorithm::active_set>)->Apply(shapes)->UseRealTime();
BENCHMARK(BM_SparseCoder<float, SparseCoderAlgorithm::active_set>)->Apply(shapes)->UseRealTime();
BENCHMARK(BM_SparseCoder<double, SparseCoderAlgorithm::homotopy>)->Apply(shapes_single)->UseRealTime();
BENCHMARK(BM_SparseCoder<double, SparseCoderAlgorithm::coordinate_descent>)
    ->Apply(shapes_single)
    ->UseRealTime();
BENCHMARK(BM_Omp<double>)->Apply(shapes_single);
BENCHMARK(BM_Omp<float>)->Apply(shapes_single);
BENCHMARK(BM_FeedForward<double>)->Apply(shapes_single);
BENCHMARK(BM_FeedForward<float>)->Apply(shapes_single);

BENCHMARK_MAIN();
