// SPDX-License-Identifier: MIT
// How long does one prediction take? Samples like MNIST's: 784 features, a fifth of them not zero, 10
// classes; k feed-forward components, K experts of which 4 are active.
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <benchmark/benchmark.h>

namespace {

namespace se = sparse_experts;
using se::Index;

void single_prediction(benchmark::State& state) {
  const Index n = 600, p = 784;
  se::Random random(1);
  se::RowMatrix<float> x = se::RowMatrix<float>::Zero(n, p);
  se::LabelVector labels(n);
  for (Index i = 0; i < n; ++i) {
    labels[i] = static_cast<int>(i % 10);
    for (Index t = 0; t < 150; ++t)
      x(i, (labels[i] * 71 + random.below(320)) % p) = static_cast<float>(random.uniform());
  }
  se::SparseExpertModel<float>::Options options;
  options.scaling = se::Scaling::unit_norm;
  options.representation.n_components = state.range(0);
  options.representation.refine.epochs = 2;
  options.clustering.n_clusters = state.range(1);
  options.gate.top_k = 4;
  options.output.kind = se::Calibration::none;
  options.expert.tol = 1e-2;
  se::SparseExpertModel<float> model(options);
  if (!model.fit(x, labels)) {
    state.SkipWithError("a stage did not reach its tolerance");
    return;
  }
  auto ws = model.workspace();
  se::Vector<float> scores(10);
  Index i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(model.predict_into(x.row(i), scores, ws));
    i = (i + 1) % n;
  }
  state.counters["bytes"] = static_cast<double>(model.bytes());
}
BENCHMARK(single_prediction)
    ->ArgNames({"k", "K"})
    ->Args({88, 0})
    ->Args({500, 0})
    ->Args({500, 32})
    ->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
