// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/gram.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Second moments of one set of rows, about the means of all rows: Σω, Σωx, Σωxx', Σωy, Σωxy, Σωy².
struct Moments {
  double weight = 0, y = 0, y_squared = 0;
  Vector<double> x, xy;
  Matrix<double> xx;

  explicit Moments(Index p)
      : x(Vector<double>::Zero(p)), xy(Vector<double>::Zero(p)), xx(Matrix<double>::Zero(p, p)) {}

  template <class = void>
  void add(const Moments& other, double sign) {
    weight += sign * other.weight;
    y += sign * other.y;
    y_squared += sign * other.y_squared;
    x += sign * other.x;
    xy += sign * other.xy;
    xx += sign * other.xx;
  }

  /// Σω (y - b - x'w)².
  template <class = void>
  double squared_error(const Vector<double>& w, double b) const {
    Vector<double> product = Vector<double>::Zero(w.size());
    for (Index j = 0; j < w.size(); ++j)
      if (w[j] != 0) product += w[j] * xx.col(j);
    const double error =
        y_squared + b * b * weight + w.dot(product) - 2 * b * y - 2 * w.dot(xy) + 2 * b * w.dot(x);
    return std::max(0.0, error);
  }
};

/// Moments of every fold in one pass over dense columns: panels of rows, sorted by fold within the panel,
/// each fold's rows one symmetric product. All folds together cost as much as one Gram. The fold of row i is
/// folds[i].
template <Design D>
std::vector<Moments> fold_moments(const RegressionProblem<D>& problem, const std::vector<Index>& folds,
                                  Index n_folds) {
  const Index n = problem.rows(), p = problem.cols();
  constexpr Index panel_rows = 4096, block_size = 64;
  std::vector<Moments> moments(static_cast<std::size_t>(n_folds), Moments(p));
  // A stride that is no power of two: columns must not share the sets of the caches.
  Matrix<double> panel(std::min(n, panel_rows) + 8, p);
  Vector<double> target(panel.rows());
  std::vector<Index> order(static_cast<std::size_t>(panel.rows()));
  const auto omega = [&](Index i) {
    return problem.weights().size() > 0 ? problem.weights()[i] : 1 / static_cast<double>(n);
  };
  for (Index top = 0; top < n; top += panel_rows) {
    const Index rows = std::min(panel_rows, n - top);
    order.resize(static_cast<std::size_t>(rows));
    std::iota(order.begin(), order.end(), top);
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
      return folds[static_cast<std::size_t>(a)] < folds[static_cast<std::size_t>(b)];
    });
    Vector<double> roots(rows);
    for (Index i = 0; i < rows; ++i) {
      const Index row = order[static_cast<std::size_t>(i)];
      roots[i] = std::sqrt(omega(row));
      target[i] = roots[i] * problem.target()[row];
    }
    parallel_blocks(p, block_size, problem.n_threads(), [&](const Block& block) {
      for (Index j = block.begin; j < block.end; ++j) {
        const auto* x = problem.design().column(j);
        const double center = problem.mean()[j];
        double* out = panel.col(j).data();
        for (Index i = 0; i < rows; ++i)
          out[i] = (static_cast<double>(x[order[static_cast<std::size_t>(i)]]) - center) * roots[i];
      }
    });
    for (Index begin = 0, end = 0; begin < rows; begin = end) {
      const Index fold = folds[static_cast<std::size_t>(order[static_cast<std::size_t>(begin)])];
      for (end = begin;
           end < rows && folds[static_cast<std::size_t>(order[static_cast<std::size_t>(end)])] == fold;)
        ++end;
      const Index count = end - begin;
      Moments& m = moments[static_cast<std::size_t>(fold)];
      m.weight += roots.segment(begin, count).squaredNorm();
      m.y += roots.segment(begin, count).dot(target.segment(begin, count));
      m.y_squared += target.segment(begin, count).squaredNorm();
      parallel_blocks(p, block_size, problem.n_threads(), [&](const Block& block) {
        for (Index j = block.begin; j < block.end; ++j) {
          m.x[j] += panel.col(j).segment(begin, count).dot(roots.segment(begin, count));
          m.xy[j] += panel.col(j).segment(begin, count).dot(target.segment(begin, count));
        }
        inner_products(panel.data() + begin, panel.rows(), block.end, panel.col(block.begin).data() + begin,
                       panel.rows(), block.size(), count, m.xx.col(block.begin).data(), p, true);
      });
    }
  }
  for (Moments& m : moments)
    for (Index j = 0; j < p; ++j)
      for (Index i = 0; i < j; ++i) m.xx(j, i) = m.xx(i, j);
  return moments;
}

/// A regression as its moments tell it: what GramSolver needs, and the way back.
struct MomentProblem {
  GramData data;
  Vector<double> mean, scale, norms;
  double y_mean = 0;

  MomentProblem(const Moments& m, bool fit_intercept, bool standardize) {
    const Index p = m.x.size();
    const Vector<double> center = m.x / m.weight;
    const double y_center = m.y / m.weight;
    mean = fit_intercept ? center : Vector<double>(Vector<double>::Zero(p));
    y_mean = fit_intercept ? y_center : 0;
    data.gram = m.xx / m.weight;
    // Moments are differences of sums: what rounding leaves of a constant column is no variance.
    const Vector<double> raw = data.gram.diagonal();
    scale = Vector<double>::Ones(p);
    norms.resize(p);
    for (Index j = 0; j < p; ++j) {
      const double variance = raw[j] - center[j] * center[j];
      const bool constant = variance <= 1e-13 * raw[j];
      if (standardize && !constant) scale[j] = 1 / std::sqrt(variance);
      norms[j] = fit_intercept ? (constant ? 0 : variance) : raw[j];
      norms[j] *= scale[j] * scale[j];
    }
    for (Index j = 0; j < p; ++j)
      for (Index i = 0; i < p; ++i)
        data.gram(i, j) = i == j ? norms[j] : scale[i] * scale[j] * (data.gram(i, j) - mean[i] * mean[j]);
    data.target = scale.cwiseProduct(m.xy / m.weight - mean * y_mean);
    data.y_squared = std::max(0.0, m.y_squared / m.weight - y_mean * y_mean);
  }

  template <class = void>
  std::pair<Vector<double>, double> original_units(const Vector<double>& w) const {
    Vector<double> coef = scale.cwiseProduct(w);
    const double intercept = y_mean - mean.dot(coef);
    return {std::move(coef), intercept};
  }
};

}  // namespace sparse_experts::detail
