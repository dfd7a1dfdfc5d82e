// SPDX-License-Identifier: MIT
// Which solver of the Lasso is fastest on which shape? Every variant on wide, tall, sparse, correlated and
// ill-conditioned problems; a time counts only with its certificate. Counters: passes over X, certified gap,
// largest working set. And what are screening, Anderson and dual extrapolation worth, each alone and all
// together?
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/linear/elastic_net_fit.hpp>
#include <sparse_experts/linear/path.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

namespace se = sparse_experts;
using se::Index;

namespace {

struct Shape {
  const char* name;
  Index n, p;
  double rho;      // correlation of neighbouring columns
  double density;  // < 1: sparse
  double decay;    // < 1: column j is scaled by decay^(j / p)
};

constexpr Shape shapes[] = {{"wide", 300, 3000, 0, 1, 1},
                            {"tall", 8000, 200, 0, 1, 1},
                            {"sparse", 4000, 3000, 0, 0.01, 1},
                            {"correlated", 300, 3000, 0.9, 1, 1},
                            {"ill_conditioned", 500, 1000, 0.9, 1, 1e-4}};

struct Problem {
  se::Matrix<double> x;
  se::SparseMatrix<double> sparse;
  se::Vector<double> y;
  double alpha_max = 0;
};

Problem make(const Shape& shape) {
  se::Random random(7);
  Problem problem{se::Matrix<double>::Zero(shape.n, shape.p), {}, se::Vector<double>::Zero(shape.n), 0};
  for (Index j = 0; j < shape.p; ++j) {
    for (Index i = 0; i < shape.n; ++i)
      if (shape.density == 1 || random.uniform() < shape.density) problem.x(i, j) = random.normal();
    if (j > 0 && shape.rho > 0)
      problem.x.col(j) =
          shape.rho * problem.x.col(j - 1) + std::sqrt(1 - shape.rho * shape.rho) * problem.x.col(j);
  }
  for (Index j = 0; j < shape.p; ++j)
    problem.x.col(j) *= std::pow(shape.decay, static_cast<double>(j) / static_cast<double>(shape.p));
  for (int k = 0; k < 30; ++k) problem.y += random.normal() * problem.x.col(random.below(shape.p));
  for (Index i = 0; i < shape.n; ++i) problem.y[i] += 0.5 * random.normal();
  problem.alpha_max = se::alpha_max(problem.x, problem.y);
  if (shape.density < 1) problem.sparse = problem.x.sparseView();
  return problem;
}

struct Variant {
  const char* name;
  se::LassoSolver solver;
  se::Acceleration use;
};

constexpr Variant variants[] = {
    {"automatic", se::LassoSolver::automatic, {}},
    {"cyclic", se::LassoSolver::cyclic, {}},
    {"gram", se::LassoSolver::gram, {}},
    {"working_set", se::LassoSolver::working_set, {}},
    {"fista", se::LassoSolver::fista, {}},
    {"lars", se::LassoSolver::lars, {}},
    {"refined_gram", se::LassoSolver::refined_gram, {}},
    {"cyclic_plain", se::LassoSolver::cyclic, {false, false, false}},
    {"cyclic_screening", se::LassoSolver::cyclic, {true, false, false}},
    {"cyclic_anderson", se::LassoSolver::cyclic, {false, true, false}},
    {"cyclic_dual", se::LassoSolver::cyclic, {false, false, true}},
    {"working_set_unscreened", se::LassoSolver::working_set, {false, true, true}}};

void fit(benchmark::State& state, const Shape& shape, const Variant& variant, double ratio) {
  const Problem problem = make(shape);
  const se::ElasticNetOptions options{.alpha = problem.alpha_max / ratio,
                                      .l1_ratio = 1,
                                      .tol = 1e-6,
                                      .max_iter = 20000,
                                      .solver = variant.solver,
                                      .n_threads = 1,
                                      .screening = variant.use.screening,
                                      .anderson = variant.use.anderson,
                                      .dual_extrapolation = variant.use.dual_extrapolation};
  se::RegressionFit fitted;
  for (auto _ : state) {
    if (shape.density < 1)
      fitted = se::fit_elastic_net(se::SparseColumns<double>(problem.sparse), problem.y, options);
    else
      fitted = se::fit_elastic_net(se::DenseColumns<double>(problem.x), problem.y, options);
    benchmark::DoNotOptimize(fitted.coef.data());
  }
  if (!fitted.convergence) state.SkipWithError("tolerance not reached: time is meaningless");
  state.counters["passes"] = static_cast<double>(fitted.n_passes);
  state.counters["gap"] = fitted.convergence.value;
  state.counters["working_set"] = static_cast<double>(fitted.working_set);
  state.counters["screened"] = static_cast<double>(fitted.counts.n_screened);
  state.counters["extrapolated"] = static_cast<double>(fitted.counts.n_extrapolations);
  state.counters["extrapolated_dual"] = static_cast<double>(fitted.counts.n_dual_extrapolations);
  state.counters["nonzeros"] = static_cast<double>((fitted.coef.array() != 0).count());
}

}  // namespace

int main(int argc, char** argv) {
  for (const Shape& shape : shapes)
    for (const int ratio : {10, 100})
      for (const Variant& variant : variants)
        benchmark::RegisterBenchmark(
            (std::string(shape.name) + "/" + std::to_string(ratio) + "/" + variant.name).c_str(),
            [&shape, ratio, &variant](benchmark::State& state) { fit(state, shape, variant, ratio); })
            ->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
