// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/gram.hpp>
#include <sparse_experts/solvers/panel_gram.hpp>
#include <sparse_experts/solvers/rank_update.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Second moments of one set of rows, about the means of all rows: Σω, Σωx, Σωxx', Σωy, Σωxy, Σωy².
struct Moments {
  double weight = 0, y = 0, y_squared = 0;
  Vector<double> x, xy;
  Eigen::Map<Matrix<double>, 0, Eigen::OuterStride<>> xx;  // p x p, of a FoldMoments

  Moments(double* square, Index p, Index stride)
      : x(Vector<double>::Zero(p)),
        xy(Vector<double>::Zero(p)),
        xx(square, p, p, Eigen::OuterStride<>(stride)) {}

  template <class = void>
  void add(const Moments& other) {
    weight += other.weight;
    y += other.y;
    y_squared += other.y_squared;
    x += other.x;
    xy += other.xy;
    xx += other.xx;
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

/// Those of every fold and of all rows. Their squares lie in one array of p + 2 rows, the last two for the
/// columns 1 and ỹ.
struct FoldMoments {
  LargeMatrix squares;
  std::vector<Moments> folds;  // and at last all rows

  FoldMoments(Index p, Index n_folds) : squares(p + 2, (p + 2) * (n_folds + 1)) {
    squares.setZero();
    for (Index f = 0; f <= n_folds; ++f) folds.emplace_back(square(f), p, p + 2);
  }
  double* square(Index fold) { return squares.data() + fold * squares.rows() * squares.rows(); }
  const Moments& of(Index fold) const { return folds[static_cast<std::size_t>(fold)]; }
  const Moments& total() const { return folds.back(); }
};

/// Whether no fold holds more than three quarters of a column's squares or of the targets': what is left when
/// a fold is taken away then keeps the accuracy of the whole.
template <class = void>
bool spread_over_folds(const FoldMoments& moments) {
  constexpr double most = 0.75;
  const Moments& total = moments.total();
  for (const Moments& fold : moments.folds) {
    if (&fold == &total) break;
    if (fold.y_squared > most * total.y_squared) return false;
    for (Index j = 0; j < total.xx.rows(); ++j)
      if (fold.xx(j, j) > most * total.xx(j, j)) return false;
  }
  return true;
}

/// Moments of every fold in one pass over dense columns: windows of rows, packed in the order of the folds,
/// each fold's rows one symmetric product; the columns 1 and ỹ beside those of X give the other moments. All
/// folds together cost as much as one Gram. Real is what the products multiply (see float_sum_error);
/// `correlations` are summed in doubles. The fold of row i is folds[i].
template <class Real, Design D>
FoldMoments fold_moments(const RegressionProblem<D>& problem, const std::vector<Index>& folds, Index n_folds,
                         Correlations& correlations) {
  const Index n = problem.rows(), p = problem.cols(), all = p + 2;
  constexpr Index width = tile_rows<Real>;
  const Index window = std::clamp<Index>(256 * n_folds, 1024, 16384);
  const int n_threads = threads_for(n * p, problem.n_threads());
  // Columns of length 1, whatever the units: floats have a short range.
  Vector<double> unit = Vector<double>::Ones(all), factors(p);
  for (Index j = 0; j < p; ++j) {
    if (problem.squared_norm()[j] > 0) unit[j] = std::sqrt(problem.squared_norm()[j]) / problem.scale()[j];
    factors[j] = 1 / (problem.scale()[j] * unit[j]);
  }
  if (problem.null_objective() > 0) unit[p + 1] = std::sqrt(2 * problem.null_objective());
  FoldMoments moments(p, n_folds);
  Vector<Real> panel;
  std::vector<Index> place, start;
  for (Index top = 0; top < n; top += window) {
    const Index rows = std::min(window, n - top);
    const Index* fold = folds.data() + top;
    // Rows of fold f go to [start[f], start[f + 1]) of the panel.
    start.assign(static_cast<std::size_t>(n_folds) + 1, 0);
    for (Index i = 0; i < rows; ++i) ++start[static_cast<std::size_t>(fold[i]) + 1];
    for (std::size_t f = 0; f + 1 < start.size(); ++f) start[f + 1] += start[f];
    std::vector<Index> next = start;
    place.resize(static_cast<std::size_t>(rows));
    for (Index i = 0; i < rows; ++i)
      place[static_cast<std::size_t>(i)] = next[static_cast<std::size_t>(fold[i])]++;
    const auto to = [row = place.data()](Index i) { return row[i]; };
    if (top == 0 || rows < window) panel.setZero(packed_size(all, rows, width));
    pack_panel(problem, factors, top, rows, n_threads, to, panel.data(), &correlations);
    for (Index i = 0; i < rows; ++i) {
      const double root =
          std::sqrt(problem.weights().size() > 0 ? problem.weights()[top + i] : 1 / static_cast<double>(n));
      panel[packed_at(to(i), p, rows, width)] = static_cast<Real>(root);
      panel[packed_at(to(i), p + 1, rows, width)] =
          static_cast<Real>(root * problem.target()[top + i] / unit[p + 1]);
    }
    for (std::size_t f = 0; f + 1 < start.size(); ++f) {
      if (start[f] == start[f + 1]) continue;
      const Real* first = panel.data() + start[f] * width;
      double* square = moments.square(static_cast<Index>(f));
      parallel_blocks(all, 6 * tile_cols, n_threads, [&](const Block& block) {
        update_upper<width>(first, first, start[f + 1] - start[f], rows, square, all, 0, block.begin,
                            block.end);
      });
    }
  }
  parallel_blocks(n_folds, 1, n_threads, [&](const Block& block) {
    Eigen::Map<Matrix<double>> product(moments.square(block.id), all, all);
    Moments& m = moments.folds[static_cast<std::size_t>(block.id)];
    for (Index j = 0; j < all; ++j)
      for (Index i = 0; i <= j; ++i) product(j, i) = product(i, j) *= unit[i] * unit[j];
    m.weight = product(p, p);
    m.y = product(p, p + 1);
    m.y_squared = product(p + 1, p + 1);
    m.x = product.col(p).head(p);
    m.xy = product.col(p + 1).head(p);
  });
  for (Index f = 0; f < n_folds; ++f) moments.folds.back().add(moments.of(f));
  return moments;
}

/// A regression as its moments tell it: what GramSolver needs, and the way back.
struct MomentProblem {
  GramData data;
  Vector<double> mean, scale, norms;
  double y_mean = 0;

  /// All rows but those of a fold; `rounding` of the moments, relative.
  MomentProblem(const Moments& total, const Moments& fold, bool fit_intercept, bool standardize,
                double rounding) {
    const Index p = total.x.size();
    const double weight = total.weight - fold.weight;
    const Vector<double> center = (total.x - fold.x) / weight;
    const double y_center = (total.y - fold.y) / weight;
    mean = fit_intercept ? center : Vector<double>(Vector<double>::Zero(p));
    y_mean = fit_intercept ? y_center : 0;
    // Moments are differences of sums: what rounding leaves of a constant column is no variance.
    const Vector<double> raw = (total.xx.diagonal() - fold.xx.diagonal()) / weight;
    scale = Vector<double>::Ones(p);
    norms.resize(p);
    for (Index j = 0; j < p; ++j) {
      const double variance = raw[j] - center[j] * center[j];
      const bool constant = variance <= rounding * (total.xx(j, j) / weight);
      if (standardize && !constant) scale[j] = 1 / std::sqrt(variance);
      norms[j] = fit_intercept ? (constant ? 0 : variance) : raw[j];
      norms[j] *= scale[j] * scale[j];
    }
    data.gram.resize(p, p);
    for (Index j = 0; j < p; ++j) {
      const double *all = &total.xx.coeffRef(0, j), *out = &fold.xx.coeffRef(0, j);
      double* gram = data.gram.data() + j * p;
      for (Index i = 0; i < p; ++i)
        gram[i] = scale[i] * scale[j] * ((all[i] - out[i]) / weight - mean[i] * mean[j]);
      gram[j] = norms[j];
    }
    data.target = scale.cwiseProduct((total.xy - fold.xy) / weight - mean * y_mean);
    data.y_squared = std::max(0.0, (total.y_squared - fold.y_squared) / weight - y_mean * y_mean);
  }

  template <class = void>
  std::pair<Vector<double>, double> original_units(const Vector<double>& w) const {
    Vector<double> coef = scale.cwiseProduct(w);
    const double intercept = y_mean - mean.dot(coef);
    return {std::move(coef), intercept};
  }
};

}  // namespace sparse_experts::detail
