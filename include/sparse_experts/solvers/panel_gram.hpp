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

/// The first p columns of a panel: rows row(0) … row(count - 1) of dense columns, centred, scaled, multiplied
/// by `factors` and sqrt ω, packed in groups of tile_rows<Real>. `strip(j, from, count)` hears of every strip
/// of rows [from, from + count) of column j while it is near.
template <class Real, Design D, class Row, class Strip>
void pack_panel(const RegressionProblem<D>& problem, const Vector<double>& factors, Index count,
                int n_threads, const Row& row, const Strip& strip, Real* panel) {
  // Strips of rows, so that what is scattered stays in the first cache.
  constexpr Index strip_rows = 64, width = tile_rows<Real>;
  const Vector<double>& weights = problem.weights();
  const double uniform = 1 / std::sqrt(static_cast<double>(problem.rows()));
  parallel_blocks(problem.cols(), width, n_threads, [&](const Block& block) {
    Real values[strip_rows];
    for (Index from = 0; from < count; from += strip_rows) {
      const Index size = std::min(strip_rows, count - from);
      for (Index j = block.begin; j < block.end; ++j) {
        const auto* x = problem.design().column(j);
        // A strip is too short for the hardware to foresee the next one.
        for (Index i = 0; i < strip_rows; i += 64 / static_cast<Index>(sizeof(*x)))
          prefetch(x + row(from) + strip_rows + i);
        const double center = problem.mean()[j], factor = problem.scale()[j] * factors[j];
        if (weights.size() > 0) {
          for (Index i = 0; i < size; ++i) {
            const Index at = row(from + i);
            values[i] =
                static_cast<Real>((static_cast<double>(x[at]) - center) * factor * std::sqrt(weights[at]));
          }
        } else {
          const double scale = factor * uniform;
          for (Index i = 0; i < size; ++i)
            values[i] = static_cast<Real>((static_cast<double>(x[row(from + i)]) - center) * scale);
        }
        strip(j, from, size);
        Real* out = panel + packed_at(from, j, count, width);
#pragma GCC unroll 16
        for (Index i = 0; i < size; ++i) out[i * width] = values[i];
      }
    }
  });
}

/// (X̃F)'Ω(X̃F) of dense columns, F = diag(factors), by panels of rows, each of which adds one blocked
/// symmetric product. Real is what the panels hold: float halves the time (see float_sum_error for its
/// price). `correlations`, where asked for, are X̃'Ωỹ of the present target. n p²/2 multiply-adds, one pass
/// over X, memory p² plus a panel.
template <class Real, Design D>
void panel_gram(const RegressionProblem<D>& problem, const Vector<double>& factors, Matrix<double>& gram,
                Vector<double>* correlations = nullptr) {
  const Index n = problem.rows(), p = problem.cols();
  constexpr Index panel_rows = 2048 / static_cast<Index>(sizeof(Real)), width = tile_rows<Real>;
  gram = Matrix<double>::Zero(p, p);
  const int n_threads = threads_for(n * p, problem.n_threads());
  Vector<Real> panel;
  Vector<double> v;
  if (correlations) {
    v = problem.weighted(problem.target());
    correlations->setZero(p);
  }
  for (Index top = 0; top < n; top += panel_rows) {
    const Index rows = std::min(panel_rows, n - top);
    if (top == 0 || rows < panel_rows) panel.setZero(packed_size(p, rows, width));
    pack_panel(
        problem, factors, rows, n_threads, [top](Index i) { return top + i; },
        [&](Index j, Index from, Index count) {
          if (!correlations) return;
          (*correlations)[j] +=
              dense_dot(problem.design().column(j) + top + from, v.data() + top + from, count);
        },
        panel.data());
    parallel_blocks(p, 6 * tile_cols, n_threads, [&](const Block& block) {
      update_upper<width>(panel.data(), panel.data(), rows, rows, gram.data(), p, 0, block.begin, block.end);
    });
  }
  for (Index j = 0; j < p; ++j)
    for (Index i = 0; i < j; ++i) gram(j, i) = gram(i, j);
  if (correlations)
    *correlations = problem.scale().array() * (correlations->array() - problem.mean().array() * v.sum());
}

}  // namespace sparse_experts::detail
