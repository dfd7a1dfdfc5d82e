// SPDX-License-Identifier: MIT
// What does it cost that K-means returns the same bits at any number of threads? One iteration of Lloyd with
// the library's sums of clusters (rows in ascending order, one cluster by one thread) and with sums that each
// thread keeps for itself and that are added as threads end, whose last bits depend on the threads.
#include <sparse_experts/clustering/any_rows.hpp>
#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/kmeans_problem.hpp>
#include <sparse_experts/clustering/lloyd.hpp>
#include <sparse_experts/clustering/packed_rows.hpp>
#include <sparse_experts/core/random.hpp>

#include <benchmark/benchmark.h>

namespace se = sparse_experts;
using se::Index;
using Rows = se::detail::AnyRows<float>;

namespace {

/// As many rows and features as MNIST, a fifth of them not zero or all of them.
se::RowMatrix<float> rows(Index n, Index p, double density) {
  se::Random random(1);
  se::RowMatrix<float> x = se::RowMatrix<float>::Zero(n, p);
  for (Index i = 0; i < x.size(); ++i)
    if (random.uniform() < density) x.data()[i] = static_cast<float>(random.below(256));
  return x;
}

/// Sums of the rows of every cluster, each thread for itself.
void unordered_sums(const Rows& x, const se::detail::Labels& labels, int n_threads,
                    se::RowMatrix<float>& centers) {
  const Index k = centers.rows(), p = centers.cols();
  std::vector<se::RowMatrix<double>> sums(static_cast<std::size_t>(n_threads),
                                          se::RowMatrix<double>::Zero(k, p));
  std::vector<se::Vector<double>> counts(sums.size(), se::Vector<double>::Zero(k));
  se::detail::parallel_blocks(x.rows(), 512, n_threads, [&](const se::detail::Block& block) {
    auto& sum = sums[static_cast<std::size_t>(block.worker)];
    auto& count = counts[static_cast<std::size_t>(block.worker)];
    for (Index i = block.begin; i < block.end; ++i) {
      const Index label = labels[static_cast<std::size_t>(i)];
      add_row(x, i, 1.0, sum.data() + label * p);
      count[label] += 1;
    }
  });
  for (std::size_t t = 1; t < sums.size(); ++t) {
    sums[0] += sums[t];
    counts[0] += counts[t];
  }
  for (Index c = 0; c < k; ++c)
    if (counts[0][c] > 0) centers.row(c) = (sums[0].row(c) / counts[0][c]).cast<float>();
}

void iteration(benchmark::State& state, bool ordered) {
  const Index k = state.range(0);
  const double density = static_cast<double>(state.range(1)) / 100;
  const int n_threads = static_cast<int>(state.range(2));
  const se::RowMatrix<float> dense = rows(60000, 784, density);
  const se::DenseRows<float> view(dense.data(), dense.rows(), dense.cols(),
                                  Eigen::OuterStride<>(dense.cols()));
  const se::detail::PackedRows<float> packed(view, 0);
  const Rows x = density < 0.35 ? Rows(packed.rows()) : Rows(view);
  const se::Vector<double> weights;
  const se::detail::KMeansProblem<Rows> problem(x, weights, n_threads);
  const se::RowMatrix<float> start = dense.topRows(k);
  se::detail::LloydStep<se::detail::KMeansProblem<Rows>> step(problem);
  const se::detail::Labels none(static_cast<std::size_t>(x.rows()), -1);
  se::detail::Labels labels = none;
  for (auto _ : state) {
    se::RowMatrix<float> centers = start;
    step.assign(centers, se::Vector<double>(), labels);
    if (ordered) {
      se::detail::ClusterSums sums(k, x.cols());
      sums.update(x, weights, none, labels, x.rows(), n_threads);
      sums.centers(centers);
    } else {
      unordered_sums(x, labels, n_threads, centers);
    }
    benchmark::DoNotOptimize(centers.data());
  }
}

void fixed_order(benchmark::State& state) { iteration(state, true); }
void any_order(benchmark::State& state) { iteration(state, false); }

void grid(benchmark::internal::Benchmark* b) {
  b->ArgNames({"K", "percent", "threads"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const std::int64_t k : {10, 100})
    for (const std::int64_t percent : {19, 100})
      for (const std::int64_t threads : {1, 2}) b->Args({k, percent, threads});
}

BENCHMARK(fixed_order)->Apply(grid);
BENCHMARK(any_order)->Apply(grid);

}  // namespace

BENCHMARK_MAIN();
