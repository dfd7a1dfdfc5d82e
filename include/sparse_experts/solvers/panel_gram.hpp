// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/rank_update.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>

#include <algorithm>
#include <cmath>

namespace sparse_experts::detail {

/// (X̃F)'Ω(X̃F) of dense columns, F = diag(factors), by panels of rows: each panel is packed centred, scaled
/// and multiplied by sqrt ω, and adds one blocked symmetric product. Real is what the panels hold: float
/// halves the time (see float_sum_error for its price). `correlations`, where asked for, are X̃'Ωỹ of the
/// present target. n p²/2 multiply-adds, one pass over X, memory p² plus a panel.
template <class Real, Design D>
void panel_gram(const RegressionProblem<D>& problem, const Vector<double>& factors, Matrix<double>& gram,
                Vector<double>* correlations = nullptr) {
  const Index n = problem.rows(), p = problem.cols();
  constexpr Index panel_rows = 2048 / static_cast<Index>(sizeof(Real)), strip_rows = 64,
                  width = tile_rows<Real>;
  gram = Matrix<double>::Zero(p, p);
  const int n_threads = threads_for(n * p, problem.n_threads());
  Vector<Real> panel;
  const Vector<double>& weights = problem.weights();
  const double uniform = 1 / std::sqrt(static_cast<double>(n));
  Vector<double> v;
  if (correlations) {
    v = problem.weighted(problem.target());
    correlations->setZero(p);
  }
  for (Index top = 0; top < n; top += panel_rows) {
    const Index rows = std::min(panel_rows, n - top);
    if (top == 0 || rows < panel_rows) panel.setZero(packed_size(p, rows, width));
    parallel_blocks(p, width, n_threads, [&](const Block& block) {
      // Strips of rows, so that what is scattered stays in the first cache.
      Real strip[strip_rows];
      for (Index from = 0; from < rows; from += strip_rows) {
        const Index count = std::min(strip_rows, rows - from);
        for (Index j = block.begin; j < block.end; ++j) {
          const auto* x = problem.design().column(j) + top + from;
          // A strip is too short for the hardware to foresee the next one.
          for (Index i = 0; i < strip_rows; i += 64 / static_cast<Index>(sizeof(*x)))
            prefetch(x + strip_rows + i);
          const double center = problem.mean()[j], factor = problem.scale()[j] * factors[j];
          if (weights.size() > 0) {
            const double* weight = weights.data() + top + from;
            for (Index i = 0; i < count; ++i)
              strip[i] =
                  static_cast<Real>((static_cast<double>(x[i]) - center) * factor * std::sqrt(weight[i]));
          } else {
            const double scale = factor * uniform;
            for (Index i = 0; i < count; ++i)
              strip[i] = static_cast<Real>((static_cast<double>(x[i]) - center) * scale);
          }
          if (correlations) (*correlations)[j] += dense_dot(x, v.data() + top + from, count);
          Real* out = panel.data() + packed_at(from, j, rows, width);
#pragma GCC unroll 16
          for (Index i = 0; i < count; ++i) out[i * width] = strip[i];
        }
      }
    });
    parallel_blocks(p, 6 * tile_cols, n_threads, [&](const Block& block) {
      update_upper<width>(panel.data(), panel.data(), rows, gram.data(), p, 0, block.begin, block.end);
    });
  }
  for (Index j = 0; j < p; ++j)
    for (Index i = 0; i < j; ++i) gram(j, i) = gram(i, j);
  if (correlations)
    *correlations = problem.scale().array() * (correlations->array() - problem.mean().array() * v.sum());
}

}  // namespace sparse_experts::detail
