// SPDX-License-Identifier: MIT
// Which variant of K-means for which n, p and K? Blobs made here; 20 iterations at most from the same rows.
// Every variant must return the labels of plain Lloyd, else its time is worth nothing.
#include <sparse_experts/clustering/kmeans.hpp>
#include <sparse_experts/core/random.hpp>

#include <benchmark/benchmark.h>

#include <cmath>

namespace se = sparse_experts;
using se::Index;

namespace {

/// K blobs of unit spread whose centres lie about `separation` apart.
template <class Scalar>
se::RowMatrix<Scalar> blobs(Index n, Index p, Index k, double separation) {
  se::Random random(static_cast<std::uint64_t>(n + p + k));
  const double spread = 1 / std::sqrt(static_cast<double>(p));
  se::RowMatrix<Scalar> means(k, p), x(n, p);
  for (Index i = 0; i < means.size(); ++i)
    means.data()[i] = static_cast<Scalar>(separation * spread * random.normal());
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < p; ++j) x(i, j) = means(i % k, j) + static_cast<Scalar>(spread * random.normal());
  return x;
}

template <class Scalar>
void variant(benchmark::State& state, se::KMeansAlgorithm algorithm, int n_threads) {
  const Index n = state.range(0), p = state.range(1), k = state.range(2);
  const se::RowMatrix<Scalar> x = blobs<Scalar>(n, p, k, static_cast<double>(state.range(3)));
  se::Random random(7);
  se::RowMatrix<Scalar> start(k, p);
  for (Index c = 0; c < k; ++c) start.row(c) = x.row(random.below(n));
  se::KMeansOptions options{.n_clusters = k, .max_iter = 20, .tol = 0};
  options.n_threads = n_threads;
  options.algorithm = se::KMeansAlgorithm::lloyd;
  se::KMeans<Scalar> plain(options);
  plain.fit(x, start);
  options.algorithm = algorithm;
  se::KMeans<Scalar> km(options);
  for (auto _ : state) {
    km.fit(x, start);
    benchmark::DoNotOptimize(km.inertia());
  }
  if (km.labels() != plain.labels() || km.inertia() != plain.inertia())
    state.SkipWithError("labels differ from plain Lloyd: the time is meaningless");
  state.counters["n_iter"] = static_cast<double>(km.n_iter());
  state.counters["skipped"] = km.counters().skipped_share();
}

template <class Scalar>
void automatic(benchmark::State& state) {
  variant<Scalar>(state, se::KMeansAlgorithm::automatic, 1);
}
template <class Scalar>
void lloyd(benchmark::State& state) {
  variant<Scalar>(state, se::KMeansAlgorithm::lloyd, 1);
}
template <class Scalar>
void hamerly(benchmark::State& state) {
  variant<Scalar>(state, se::KMeansAlgorithm::hamerly, 1);
}
template <class Scalar>
void elkan(benchmark::State& state) {
  variant<Scalar>(state, se::KMeansAlgorithm::elkan, 1);
}
template <class Scalar>
void yinyang(benchmark::State& state) {
  variant<Scalar>(state, se::KMeansAlgorithm::yinyang, 1);
}
template <class Scalar>
void automatic_two_threads(benchmark::State& state) {
  variant<Scalar>(state, se::KMeansAlgorithm::automatic, 2);
}

void grid(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "p", "K", "sep"})->Unit(benchmark::kMillisecond);
  for (const std::int64_t p : {2, 8, 16, 32, 64, 256})
    for (const std::int64_t k : {8, 64, 256})
      for (const std::int64_t separation : {1, 4}) b->Args({10000, p, k, separation});
}

BENCHMARK(automatic<double>)->Apply(grid);
BENCHMARK(lloyd<double>)->Apply(grid);
BENCHMARK(hamerly<double>)->Apply(grid);
BENCHMARK(elkan<double>)->Apply(grid);
BENCHMARK(yinyang<double>)->Apply(grid);
BENCHMARK(automatic_two_threads<float>)
    ->ArgNames({"n", "p", "K", "sep"})
    ->Args({20000, 128, 100, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
