// SPDX-License-Identifier: MIT
// What does the lifted design save against its matrix? One L1-SVM on either, in a process of its own.
//   benchmark_gated_design gated | matrix [samples] [components] [experts]
// Synthetic codes (a tenth non-zero), two gates a sample; prints seconds to build and to fit, the objective
// with its certificate, and the peak memory of the process beyond the codes.
#include "process.hpp"
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/linear/l1_svm_binary.hpp>
#include <sparse_experts/model/gated_design.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace se = sparse_experts;
using se::Index;
using Entries = std::vector<Eigen::Triplet<double>>;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Problem {
  se::SparseMatrix<double> codes;
  se::SparseRowMatrix<double> gates;
  se::Vector<double> signs;
};

Problem make_problem(Index n, Index k, Index n_experts) {
  se::Random random(1);
  Problem problem{se::SparseMatrix<double>(n, k), se::SparseRowMatrix<double>(n, n_experts),
                  se::Vector<double>(n)};
  const se::Matrix<double> truth = se::Matrix<double>::NullaryExpr(
      k, n_experts, [&] { return random.uniform() < 0.1 ? random.normal() : 0.0; });
  Entries codes, gates;
  for (Index i = 0; i < n; ++i) {
    const Index a = random.below(n_experts), b = (a + 1) % n_experts;
    gates.emplace_back(static_cast<int>(i), static_cast<int>(a), 0.7);
    gates.emplace_back(static_cast<int>(i), static_cast<int>(b), 0.3);
    double score = random.normal();
    for (Index j = 0; j < k; ++j) {
      if (random.uniform() >= 0.1) continue;
      const double value = std::abs(random.normal());
      codes.emplace_back(static_cast<int>(i), static_cast<int>(j), value);
      score += value * (0.7 * truth(j, a) + 0.3 * truth(j, b));
    }
    problem.signs[i] = score > 0 ? 1 : -1;
  }
  problem.codes.setFromTriplets(codes.begin(), codes.end());
  problem.gates.setFromTriplets(gates.begin(), gates.end());
  return problem;
}

void report(const char* name, double build, double fit, double memory, const se::L1SVMSolution& solution) {
  std::printf("%-8s build %.3f s, fit %.3f s, objective %.8g, gap %.1e (%s), %ld weights, %.0f MB\n", name,
              build, fit, solution.convergence.objective, solution.convergence.value,
              se::to_string(solution.convergence.status),
              static_cast<long>((solution.coef.array() != 0).count()), memory);
}

}  // namespace

int main(int argc, char** argv) {
  const auto size = [&](int at, long otherwise) { return argc > at ? std::atol(argv[at]) : otherwise; };
  const Problem problem = make_problem(size(2, 20000), size(3, 500), size(4, 20));
  const se::L1SVMOptions options{.C = 0.1, .tol = 1e-4, .n_threads = 1};
  const se::SparseColumns<double> codes(problem.codes);
  auto start = std::chrono::steady_clock::now();
  const double before = peak_memory();
  const se::GatedDesign<se::SparseColumns<double>> gated(codes, problem.gates, 1.0);
  if (std::string(argc > 1 ? argv[1] : "gated") == "gated") {
    const double build = seconds_since(start);
    start = std::chrono::steady_clock::now();
    const se::L1SVMSolution solution = se::l1_svm_binary(gated, problem.signs, options);
    report("gated", build, seconds_since(start), peak_memory() - before, solution);
  } else {
    se::SparseMatrix<double> matrix(gated.rows(), gated.cols());
    Index stored = 0;
    for (Index c = 0; c < gated.cols(); ++c) stored += gated.stored(c);
    matrix.reserve(stored);
    for (Index c = 0; c < gated.cols(); ++c) {
      matrix.startVec(c);
      gated.for_each(c, [&](Index i, double value) { matrix.insertBackByOuterInner(c, i) = value; });
    }
    matrix.finalize();
    const double build = seconds_since(start);
    start = std::chrono::steady_clock::now();
    const se::L1SVMSolution solution =
        se::l1_svm_binary(se::SparseColumns<double>(matrix), problem.signs, options);
    report("matrix", build, seconds_since(start), peak_memory() - before, solution);
  }
}
