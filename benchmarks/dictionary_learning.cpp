// SPDX-License-Identifier: MIT
// What a second of dictionary learning buys: online mini-batches beside batch alternation on the same
// synthetic samples (mixtures of 3 of 96 smooth atoms in 64 features). A time stands beside the objective of
// exact codes of fresh samples, and counts only when that is below a fifth more than the objective of the
// atoms that made the samples.
#include <sparse_experts/coding/dictionary_learning.hpp>
#include <sparse_experts/core/random.hpp>

#include <benchmark/benchmark.h>

namespace se = sparse_experts;
using se::DictionaryAlgorithm;
using se::Index;

namespace {

using Rows = se::RowMatrix<double>;

struct Problem {
  Rows truth = Rows(96, 64), train, fresh;
  double objective = 0;  // of the atoms that made the samples

  Problem() {
    se::Random random(3);
    for (Index j = 0; j < truth.rows(); ++j) {
      double state = 0;
      for (Index f = 0; f < truth.cols(); ++f) truth(j, f) = state = 0.6 * state + random.normal();
      truth.row(j) /= truth.row(j).norm();
    }
    train = mixtures(20000, random);
    fresh = mixtures(2000, random);
    objective = measure(truth);
  }

  Rows mixtures(Index n, se::Random& random) const {
    Rows x = Rows::Zero(n, truth.cols());
    for (Index i = 0; i < n; ++i) {
      for (int a = 0; a < 3; ++a) x.row(i) += random.normal() * truth.row(random.below(truth.rows()));
      for (Index f = 0; f < x.cols(); ++f) x(i, f) += 0.02 * random.normal();
      x.row(i) /= x.row(i).norm();
    }
    return x;
  }

  double measure(const Rows& dictionary) const {
    se::CodingReport report;
    se::SparseCoder<double>(dictionary, {.alpha = 0.1}).transform(fresh, &report);
    return report.mean_objective;
  }
};

void BM_DictionaryLearning(benchmark::State& state, DictionaryAlgorithm algorithm) {
  static const Problem problem;
  double objective = 0;
  Index rounds = 0;
  for (auto _ : state) {
    se::DictionaryLearning<double> learning({.n_components = 96,
                                             .alpha = 0.1,
                                             .seed = 1,
                                             .max_iter = state.range(0),
                                             .algorithm = algorithm,
                                             .tol = 0,
                                             .n_threads = static_cast<int>(state.range(1))});
    rounds = learning.fit(problem.train).n_iter;
    state.PauseTiming();
    objective = problem.measure(learning.dictionary());
    state.ResumeTiming();
  }
  if (objective > 1.2 * problem.objective) state.SkipWithError("far from the atoms that made the samples");
  state.counters["objective"] = objective;
  state.counters["of_truth"] = problem.objective;
  state.counters["rounds"] = static_cast<double>(rounds);
}

}  // namespace

BENCHMARK_CAPTURE(BM_DictionaryLearning, online, DictionaryAlgorithm::online)
    ->Args({1, 1})
    ->Args({1, 2})
    ->Args({5, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(BM_DictionaryLearning, batch, DictionaryAlgorithm::batch)
    ->Args({5, 1})
    ->Args({20, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

BENCHMARK_MAIN();
