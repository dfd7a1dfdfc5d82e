// SPDX-License-Identifier: MIT
// What do limited sizes, unit rows and small batches cost against plain Lloyd from the same start? Seconds
// per iteration (mini-batch: of the whole fit); a time counts only when the constraint holds and the inertia
// is the one recomputed here.
#include <sparse_experts/clustering/balanced.hpp>
#include <sparse_experts/clustering/kmeans.hpp>
#include <sparse_experts/clustering/mini_batch.hpp>
#include <sparse_experts/clustering/spherical.hpp>
#include <sparse_experts/core/random.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>

namespace se = sparse_experts;
using se::Index;

namespace {

constexpr Index p = 64, iterations = 10;

/// Rows around 300 centres, of very different numbers.
template <class Scalar>
const se::RowMatrix<Scalar>& rows(Index n) {
  static se::RowMatrix<Scalar> x;
  if (x.rows() == n) return x;
  x.resize(n, p);
  se::Random random(1);
  se::RowMatrix<double> centers(300, p);
  for (Index i = 0; i < 300; ++i)
    for (Index j = 0; j < p; ++j) centers(i, j) = 2 * random.normal();
  for (Index i = 0; i < n; ++i) {
    const Index c = std::min(random.below(300), random.below(300));
    for (Index j = 0; j < p; ++j) x(i, j) = static_cast<Scalar>(centers(c, j) + random.uniform(-1.7, 1.7));
  }
  return x;
}

template <class Scalar, class Model>
void check_inertia(benchmark::State& state, const se::RowMatrix<Scalar>& x, const Model& model) {
  double inertia = 0;
  for (Index i = 0; i < x.rows(); ++i)
    inertia += (x.row(i) - model.centers().row(model.labels()[i])).template cast<double>().squaredNorm();
  if (std::abs(inertia - model.inertia()) > 1e-5 * inertia)
    state.SkipWithError("inertia is not the one reported: the time is meaningless");
  state.counters["inertia"] = inertia;
}
template <class Model>
void count_iterations(benchmark::State& state, const Model& model) {
  state.counters["s_per_iteration"] =
      benchmark::Counter(static_cast<double>(model.n_iter()),
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class Scalar>
void lloyd(benchmark::State& state) {
  const auto& x = rows<Scalar>(state.range(0));
  const se::RowMatrix<Scalar> start = x.topRows(state.range(1));
  se::KMeans<Scalar> model({.n_clusters = state.range(1),
                            .max_iter = iterations,
                            .tol = 0,
                            .algorithm = se::KMeansAlgorithm::lloyd,
                            .n_threads = 1});
  for (auto _ : state) model.fit(x, start);
  check_inertia(state, x, model);
  count_iterations(state, model);
}

template <class Scalar>
void balanced(benchmark::State& state) {
  const auto& x = rows<Scalar>(state.range(0));
  const Index n_clusters = state.range(1);
  const se::RowMatrix<Scalar> start = x.topRows(n_clusters);
  se::BalancedKMeans<Scalar> model({.n_clusters = n_clusters,
                                    .max_iter = iterations,
                                    .tol = 0,
                                    .delta = 0.01 * static_cast<double>(state.range(2)),
                                    .n_threads = 1});
  for (auto _ : state) model.fit(x, start);
  check_inertia(state, x, model);
  count_iterations(state, model);
  se::IndexVector sizes = se::IndexVector::Zero(n_clusters);
  for (const Index k : model.labels()) ++sizes[k];
  if (sizes.maxCoeff() > model.capacity(x.rows())) state.SkipWithError("a cluster is above its limit");
}

template <class Scalar>
void spherical(benchmark::State& state) {
  const auto& x = rows<Scalar>(state.range(0));
  const se::RowMatrix<Scalar> start = x.topRows(state.range(1));
  se::SphericalKMeans<Scalar> model(
      {.n_clusters = state.range(1), .max_iter = iterations, .tol = 0, .n_threads = 1});
  for (auto _ : state) model.fit(x, start);
  double objective = 0;
  for (Index i = 0; i < x.rows(); ++i)
    objective += 1 - static_cast<double>(x.row(i).normalized().dot(model.centers().row(model.labels()[i])));
  if (std::abs(objective - model.inertia()) > 1e-4 * objective)
    state.SkipWithError("the objective is not the one reported: the time is meaningless");
  count_iterations(state, model);
}

template <class Scalar>
void mini_batch(benchmark::State& state) {
  const auto& x = rows<Scalar>(state.range(0));
  se::MiniBatchKMeans<Scalar> model({.n_clusters = state.range(1), .n_threads = 1});
  for (auto _ : state) model.fit(x);
  check_inertia(state, x, model);
  state.counters["passes"] = static_cast<double>(model.n_iter());
}

#define SIZES ->Args({100000, 32})->Args({100000, 256})->Args({1000000, 256})->Unit(benchmark::kMillisecond)
BENCHMARK(lloyd<float>) SIZES;
BENCHMARK(spherical<float>) SIZES;
BENCHMARK(mini_batch<float>) SIZES;
BENCHMARK(lloyd<double>) SIZES;
BENCHMARK(balanced<float>)
    ->ArgsProduct({{100000}, {32, 256}, {0, 10}})
    ->Args({1000000, 256, 10})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(balanced<double>)->Args({1000000, 256, 10})->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
