// SPDX-License-Identifier: MIT
// How long does DBSCAN take on the grid and by tiles, from 2 to 32 dimensions? Both give the same labels; a
// time is reported only when they agree on a subset.
#include <sparse_experts/clustering/dbscan.hpp>
#include <sparse_experts/core/random.hpp>

#include <benchmark/benchmark.h>

#include <cmath>

namespace se = sparse_experts;
using se::Index;

namespace {

/// 50 Gaussian blobs and a tenth of uniform noise.
se::RowMatrix<double> blobs(Index n, Index p) {
  se::Random random(1);
  se::RowMatrix<double> centers(50, p), x(n, p);
  for (Index i = 0; i < 50; ++i)
    for (Index j = 0; j < p; ++j) centers(i, j) = random.uniform(-20, 20);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < p; ++j)
      x(i, j) = i % 10 == 0 ? random.uniform(-25, 25) : centers(i % 50, j) + random.normal();
  return x;
}

/// A radius that makes cores of most samples of a blob.
double radius(Index p) { return 0.2 * std::exp2(static_cast<double>(p > 16 ? 16 : p) / 4); }

void dbscan(benchmark::State& state, se::DBSCANAlgorithm algorithm) {
  const Index n = state.range(0), p = state.range(1);
  const se::RowMatrix<double> x = blobs(n, p);
  se::DBSCAN<double> db({.eps = radius(p), .min_samples = 10, .n_threads = 1, .algorithm = algorithm});
  for (auto _ : state) benchmark::DoNotOptimize(db.fit(x).labels().data());
  const Index part = n < 5000 ? n : 5000;
  se::DBSCAN<double> one({.eps = radius(p), .min_samples = 3, .n_threads = 1, .algorithm = algorithm});
  se::DBSCAN<double> other({.eps = radius(p),
                            .min_samples = 3,
                            .n_threads = 1,
                            .algorithm = algorithm == se::DBSCANAlgorithm::blocked
                                             ? se::DBSCANAlgorithm::grid
                                             : se::DBSCANAlgorithm::blocked});
  if (one.fit(x.topRows(part)).labels() != other.fit(x.topRows(part)).labels())
    state.SkipWithError("the two algorithms disagree: the time is meaningless");
  state.counters["clusters"] = static_cast<double>(db.n_clusters());
  state.counters["noise"] = static_cast<double>((db.labels().array() < 0).count());
}

BENCHMARK_CAPTURE(dbscan, grid, se::DBSCANAlgorithm::grid)
    ->ArgNames({"n", "p"})
    ->ArgsProduct({{20000, 100000}, {2, 3, 4}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dbscan, grid, se::DBSCANAlgorithm::grid)
    ->ArgNames({"n", "p"})
    ->Args({20000, 5})
    ->Args({1000000, 3})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dbscan, blocked, se::DBSCANAlgorithm::blocked)
    ->ArgNames({"n", "p"})
    ->ArgsProduct({{20000}, {2, 3, 4, 5, 8, 16, 32}})
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
