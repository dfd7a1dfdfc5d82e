// SPDX-License-Identifier: MIT
// How long one sample takes: encode_into of each encoder, medians and 99th percentiles in microseconds.
#include <sparse_experts/coding/feed_forward.hpp>
#include <sparse_experts/coding/omp.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/coding/triangle.hpp>
#include <sparse_experts/core/random.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace se = sparse_experts;
using se::Index;

namespace {

template <class Scalar>
se::RowMatrix<Scalar> unit_rows(Index rows, Index cols, double share, std::uint64_t seed) {
  se::Random random(seed);
  se::RowMatrix<Scalar> x(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    double state = 0;
    for (Index f = 0; f < cols; ++f) {
      state = 0.7 * state + random.normal();
      x(i, f) = random.uniform() < share ? static_cast<Scalar>(state) : Scalar(0);
    }
    x.row(i) /= x.row(i).norm();
  }
  return x;
}

/// Each iteration encodes 1000 different samples; dense for p = 64, one feature in five non-zero for p = 784.
template <class Coder, class Scalar, class Make>
void time_samples(benchmark::State& state, Make make) {
  const Index p = state.range(0), k = state.range(1);
  const se::RowMatrix<Scalar> D = unit_rows<Scalar>(k, p, 1.0, 1),
                              X = unit_rows<Scalar>(1000, p, p > 64 ? 0.2 : 1.0, 2);
  const Coder coder = make(D);
  auto workspace = coder.workspace();
  se::Vector<Scalar> code(k);
  std::vector<double> microseconds;
  bool converged = true;
  for (auto _ : state)
    for (Index i = 0; i < X.rows(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      converged = bool(coder.encode_into(X.row(i), code, workspace)) && converged;
      microseconds.push_back(1e6 *
                             std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      benchmark::DoNotOptimize(code.data());
    }
  if (!converged) state.SkipWithError("tolerance not reached: the time is meaningless");
  std::sort(microseconds.begin(), microseconds.end());
  state.counters["p50_us"] = microseconds[microseconds.size() / 2];
  state.counters["p99_us"] = microseconds[microseconds.size() * 99 / 100];
}

template <class Scalar>
void BM_SparseCoder(benchmark::State& state) {
  time_samples<se::SparseCoder<Scalar>, Scalar>(
      state, [](const auto& D) { return se::SparseCoder<Scalar>(D, {.alpha = 0.1, .tol = 1e-5}); });
}
template <class Scalar>
void BM_Omp(benchmark::State& state) {
  time_samples<se::OmpCoder<Scalar>, Scalar>(
      state, [](const auto& D) { return se::OmpCoder<Scalar>(D, {.n_nonzero = 15}); });
}
template <class Scalar>
void BM_FeedForward(benchmark::State& state) {
  time_samples<se::FeedForwardCoder<Scalar>, Scalar>(
      state, [](const auto& D) { return se::FeedForwardCoder<Scalar>(D, {.theta = 0.1}); });
}
template <class Scalar>
void BM_Triangle(benchmark::State& state) {
  time_samples<se::TriangleCoder<Scalar>, Scalar>(state,
                                                  [](const auto& D) { return se::TriangleCoder<Scalar>(D); });
}

void small(benchmark::internal::Benchmark* b) { b->Args({64, 256})->Args({784, 256}); }
void large(benchmark::internal::Benchmark* b) { b->Args({64, 256})->Args({784, 256})->Args({784, 2000}); }

}  // namespace

BENCHMARK(BM_SparseCoder<double>)->Apply(small);
BENCHMARK(BM_SparseCoder<float>)->Apply(small);
BENCHMARK(BM_Omp<double>)->Apply(small);
BENCHMARK(BM_Omp<float>)->Apply(small);
BENCHMARK(BM_FeedForward<double>)->Apply(large);
BENCHMARK(BM_FeedForward<float>)->Apply(large);
BENCHMARK(BM_Triangle<float>)->Apply(large);

BENCHMARK_MAIN();
