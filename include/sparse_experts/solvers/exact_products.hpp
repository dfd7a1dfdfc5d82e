// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>

#include <algorithm>
#include <type_traits>
#include <vector>

namespace sparse_experts::detail {

/// X̃'ΩX̃V without the Gram, for the m columns of V (p x m, many of its entries zero): X̃V column by column,
/// then one pass over X. All in doubles. Cost: n (nnz(V) + p m) multiply-adds, memory n m.
template <Design D>
Matrix<double> exact_products(const RegressionProblem<D>& problem, const Matrix<double>& v) {
  const Index n = problem.rows(), p = problem.cols(), m = v.cols();
  constexpr Index row_block = 512, column_block = 64;
  const int n_threads = threads_for(n * p, problem.n_threads());
  Matrix<double> r(n, m);
  parallel_blocks(n, row_block, n_threads, [&](const Block& block) {
    r.middleRows(block.begin, block.size()).setZero();
    for (Index j = 0; j < p; ++j) {
      const auto* x = problem.design().column(j);
      for (Index k = 0; k < m; ++k) {
        if (v(j, k) == 0) continue;
        const double a = v(j, k) * problem.scale()[j];
        double* out = r.col(k).data();
        for (Index i = block.begin; i < block.end; ++i) out[i] += a * static_cast<double>(x[i]);
      }
    }
  });
  Vector<double> totals(m);
  parallel_blocks(m, 1, n_threads, [&](const Block& block) {
    for (Index k = block.begin; k < block.end; ++k) {
      auto column = r.col(k);
      if (problem.weights().size() > 0) {
        if (problem.centered()) column.array() -= problem.weights().dot(column);
        column.array() *= problem.weights().array();
      } else {
        if (problem.centered()) column.array() -= column.mean();
        column *= 1 / static_cast<double>(n);
      }
      totals[k] = column.sum();
    }
  });
  Matrix<double> q(p, m);
  parallel_blocks(p, column_block, n_threads, [&](const Block& block) {
    if constexpr (std::is_same_v<typename D::Scalar, double>)
      inner_products(problem.design().column(block.begin), problem.design().matrix().outerStride(),
                     block.size(), r.data(), n, m, n, q.data() + block.begin, p, false);
    else
      for (Index k = 0; k < m; ++k)
        for (Index j = block.begin; j < block.end; ++j)
          q(j, k) = column_dot(problem.design(), j, r.col(k).data());
    for (Index k = 0; k < m; ++k)
      for (Index j = block.begin; j < block.end; ++j)
        q(j, k) = problem.scale()[j] * (q(j, k) - problem.mean()[j] * totals[k]);
  });
  return q;
}

}  // namespace sparse_experts::detail
