// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/rank_update.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>

#include <algorithm>
#include <cmath>

namespace sparse_experts::detail {

/// X̃'v, summed while X is packed.
struct Correlations {
  Vector<double> v;    // ω∘ỹ
  Vector<double> sum;  // Σ_i x_ij v_i over the rows packed so far

  template <Design D>
  explicit Correlations(const RegressionProblem<D>& problem)
      : v(problem.weighted(problem.target())), sum(Vector<double>::Zero(problem.cols())) {}

  template <Design D>
  Vector<double> finish(const RegressionProblem<D>& problem) const {
    return problem.scale().array() * (sum.array() - problem.mean().array() * v.sum());
  }
};

/// The first p columns of a panel: rows [top, top + count) of dense columns, centred, scaled, multiplied by
/// `factors` and sqrt ω, packed in groups of tile_rows<Real>; row top + i becomes row place(i).
template <class Real, Design D, class Place>
void pack_panel(const RegressionProblem<D>& problem, const Vector<double>& factors, Index top, Index count,
                int n_threads, const Place& place, Real* panel, Correlations* correlations) {
  // Strips of rows, so that what is scattered stays in the first cache.
  constexpr Index strip_rows = 64, width = tile_rows<Real>;
  const Vector<double>& weights = problem.weights();
  const double uniform = 1 / std::sqrt(static_cast<double>(problem.rows()));
  parallel_blocks(problem.cols(), width, n_threads, [&](const Block& block) {
    Real strip[strip_rows];
    for (Index from = 0; from < count; from += strip_rows) {
      const Index size = std::min(strip_rows, count - from);
      for (Index j = block.begin; j < block.end; ++j) {
        const auto* x = problem.design().column(j) + top + from;
        // A strip is too short for the hardware to foresee the next one.
        for (Index i = 0; i < strip_rows; i += 64 / static_cast<Index>(sizeof(*x)))
          prefetch(x + strip_rows + i);
        const double center = problem.mean()[j], factor = problem.scale()[j] * factors[j];
        if (weights.size() > 0) {
          const double* weight = weights.data() + top + from;
          for (Index i = 0; i < size; ++i)
            strip[i] =
                static_cast<Real>((static_cast<double>(x[i]) - center) * factor * std::sqrt(weight[i]));
        } else {
          const double scale = factor * uniform;
          for (Index i = 0; i < size; ++i)
            strip[i] = static_cast<Real>((static_cast<double>(x[i]) - center) * scale);
        }
        if (correlations) correlations->sum[j] += dense_dot(x, correlations->v.data() + top + from, size);
        Real* out = panel + packed_at(0, j, count, width);
#pragma GCC unroll 16
        for (Index i = 0; i < size; ++i) out[place(from + i) * width] = strip[i];
      }
    }
  });
}

/// (X̃F)'Ω(X̃F) of dense columns, F = diag(factors), by panels of rows, each of which adds one blocked
/// symmetric product. Real is what the panels hold: float halves the time (see float_sum_error for its
/// price). n p²/2 multiply-adds, one pass over X, memory p² plus a panel.
template <class Real, Design D>
void panel_gram(const RegressionProblem<D>& problem, const Vector<double>& factors, LargeMatrix& gram,
                Correlations* correlations = nullptr) {
  const Index n = problem.rows(), p = problem.cols();
  constexpr Index panel_rows = 2048 / static_cast<Index>(sizeof(Real)), width = tile_rows<Real>;
  gram = Matrix<double>::Zero(p, p);
  const int n_threads = threads_for(n * p, problem.n_threads());
  Vector<Real> panel;
  for (Index top = 0; top < n; top += panel_rows) {
    const Index rows = std::min(panel_rows, n - top);
    if (top == 0 || rows < panel_rows) panel.setZero(packed_size(p, rows, width));
    const auto in_order = [](Index i) { return i; };
    pack_panel(problem, factors, top, rows, n_threads, in_order, panel.data(), correlations);
    parallel_blocks(p, 6 * tile_cols, n_threads, [&](const Block& block) {
      update_upper<width>(panel.data(), panel.data(), rows, rows, gram.data(), p, 0, block.begin, block.end);
    });
  }
  for (Index j = 0; j < p; ++j)
    for (Index i = 0; i < j; ++i) gram(j, i) = gram(i, j);
}

}  // namespace sparse_experts::detail
