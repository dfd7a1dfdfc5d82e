// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>
#include <sparse_experts/solvers/newton_model.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace sparse_experts::detail {

/// Minimises the model of a proximal Newton step by coordinate descent on packed columns: those of the
/// working set, cut down to the rows of positive curvature and scaled to norm 1. With r = A d kept up to
/// date, a coordinate costs two runs over its column.
///   q_j = slope_j + a_j'r - (h's) h_j / h_0,  h = A'sqrt(curvature): the last term eliminates b
/// Sweeps stay on the support until it is calm, then visit the whole working set; when they crawl, conjugate
/// gradients on the support take over for some steps.
/// Cost: entries of the cut columns a sweep; 12 bytes an entry.
class ColumnStep {
 public:
  static constexpr std::size_t first_columns = 200;

  explicit ColumnStep(const MarginColumns& x) : columns_(x) {}

  /// The new weights of the working set.
  Vector<double> minimise(const NewtonModel& model) {
    cut(model);
    const auto m = static_cast<Index>(model.columns.size());
    x_ = entry_products(model.start, norm_);
    slope_ = entry_quotients(model.slope, norm_);
    bias_sum_ = 0;
    fill(residual_, n_cut_, 0.0);
    all_.resize(model.columns.size());
    for (std::size_t k = 0; k < all_.size(); ++k) all_[k] = static_cast<Index>(k);
    double stale = std::numeric_limits<double>::infinity();
    for (Index sweep = 0; sweep < max_sweeps;) {
      const double violation = sweep_over(all_);
      ++sweep;
      if (violation <= model.tol) break;
      support_.clear();
      for (Index j = 0; j < m; ++j)
        if (x_[j] != 0) support_.push_back(j);
      Index inner = 0;
      for (; inner < patience && sweep < max_sweeps; ++inner, ++sweep)
        if (sweep_over(support_) <= 0.3 * std::max(violation, model.tol)) break;
      // Coordinates crawl: conjugate gradients on the support see all of them at once.
      if (inner == patience || violation > 0.5 * stale) jump(10);
      stale = violation;
    }
    return entry_quotients(x_, norm_);
  }

 private:
  static constexpr Index max_sweeps = 200, patience = 20;

  // Cuts the columns down to the rows that count.
  void cut(const NewtonModel& model) {
    const Index n = model.curvature.size();
    unit_ = largest(model.curvature);
    position_.resize(static_cast<std::size_t>(n));
    root_.resize(static_cast<std::size_t>(n));
    n_cut_ = 0;
    bias_curvature_ = 0;
    for (Index i = 0; i < n; ++i) {
      const double share = model.curvature[i] / unit_;
      root_[static_cast<std::size_t>(i)] = std::sqrt(share);
      position_[static_cast<std::size_t>(i)] = share > 0 ? static_cast<std::int32_t>(n_cut_++) : -1;
      bias_curvature_ += share;
    }
    const auto m = static_cast<Index>(model.columns.size());
    rows_.clear();
    values_.clear();
    begin_.assign(1, 0);
    norm_.resize(m);
    curvature_.resize(m);
    fill(bias_, m, 0.0);
    for (Index k = 0; k < m; ++k) {
      const Index column = model.columns[static_cast<std::size_t>(k)];
      const double norm = columns_.norm(column) > 0 ? columns_.norm(column) : 1;
      double square = 0, bias = 0;
      columns_.run(column).for_each([&](Index i, double x) {
        const std::int32_t at = position_[static_cast<std::size_t>(i)];
        if (at < 0 || x == 0) return;
        const double root = root_[static_cast<std::size_t>(i)], value = x / norm * root;
        rows_.push_back(at);
        values_.push_back(value);
        square += value * value;
        bias += value * root;
      });
      begin_.push_back(rows_.size());
      norm_[k] = norm;
      bias_[k] = model.free_intercept ? bias : 0;
      curvature_[k] = square - (model.free_intercept ? bias * bias / bias_curvature_ : 0);
    }
  }

  struct Cut {
    const std::int32_t* rows;
    const double* values;
    Index count;
  };
  Cut cut_column(Index j) const {
    const std::size_t begin = begin_[static_cast<std::size_t>(j)],
                      end = begin_[static_cast<std::size_t>(j) + 1];
    return {rows_.data() + begin, values_.data() + begin, static_cast<Index>(end - begin)};
  }

  double slope_at(Index j) const {
    const Cut column = cut_column(j);
    double q = sparse_column_dot(column.rows, column.values, column.count, residual_.data());
    if (bias_[j] != 0) q -= bias_sum_ * bias_[j] / bias_curvature_;
    return slope_[j] + unit_ * q;
  }

  double sweep_over(const std::vector<Index>& columns) {
    double largest = 0;
    for (const Index j : columns) largest = std::max(largest, update(j));
    return largest;
  }

  // One coordinate; returns its violation of the optimality conditions in the unit of the caller.
  double update(Index j) {
    const Cut column = cut_column(j);
    const double lambda = 1 / norm_[j], h = unit_ * curvature_[j], old = x_[j];
    const double q = slope_at(j);
    const double violation =
        old == 0 ? std::max(0.0, std::abs(q) - lambda) : std::abs(q + (old > 0 ? lambda : -lambda));
    // No two rows that count differ here: the penalty alone pulls the weight to zero.
    const bool flat = !(h > 1e-14 * unit_);
    if (violation == 0 || (flat && (old == 0 || std::abs(q) >= lambda))) return 0;
    const double target = h * old - q;
    const double next = flat               ? 0
                        : target > lambda  ? (target - lambda) / h
                        : target < -lambda ? (target + lambda) / h
                                           : 0;
    const double move = next - old;
    if (move != 0) {
      x_[j] = next;
      bias_sum_ += move * bias_[j];
      for (Index k = 0; k < column.count; ++k) residual_[column.rows[k]] += move * column.values[k];
    }
    return violation / lambda;
  }

  // A d for d on the support, b eliminated, and A'A d there.
  void apply(const Vector<double>& d, Vector<double>& out) {
    fill(product_, n_cut_, 0.0);
    double bias = 0;
    for (std::size_t s = 0; s < support_.size(); ++s) {
      const double a = d[static_cast<Index>(s)];
      bias += a * bias_[support_[s]];
      const Cut column = cut_column(support_[s]);
      for (Index k = 0; k < column.count; ++k) product_[column.rows[k]] += a * column.values[k];
    }
    for (std::size_t s = 0; s < support_.size(); ++s) {
      const Cut column = cut_column(support_[s]);
      double q = sparse_column_dot(column.rows, column.values, column.count, product_.data());
      if (bias != 0) q -= bias * bias_[support_[s]] / bias_curvature_;
      out[static_cast<Index>(s)] = unit_ * q;
    }
  }

  // Conjugate gradients for the minimum on the support, preconditioned by the diagonal; weights that would
  // change sign stop at zero, and the move is kept when the model falls.
  void jump(Index steps) {
    const auto m = static_cast<Index>(support_.size());
    if (m == 0) return;
    Vector<double> rest(m), d, diagonal(m), image(m);
    fill(d, m, 0.0);
    for (Index s = 0; s < m; ++s) {
      const Index j = support_[static_cast<std::size_t>(s)];
      rest[s] = -(slope_at(j) + (x_[j] > 0 ? 1 : -1) / norm_[j]);
      diagonal[s] = std::max(unit_ * curvature_[j], 1e-14 * unit_);
    }
    const Vector<double> first = rest;
    Vector<double> z = entry_quotients(rest, diagonal), direction = z;
    double rho = inner_product(rest, z);
    const double least = 1e-6 * rho;
    for (Index step = 0; step < steps && rho > 0; ++step) {
      apply(direction, image);
      const double curvature = inner_product(direction, image);
      if (!(curvature > 0)) break;
      const double a = rho / curvature;
      add_multiple(a, direction.data(), d.data(), m);
      add_multiple(-a, image.data(), rest.data(), m);
      z = entry_quotients(rest, diagonal);
      const double next = inner_product(rest, z);
      if (next <= least) break;
      for (Index s = 0; s < m; ++s) direction[s] = z[s] + next / rho * direction[s];
      rho = next;
    }
    double change = 0;
    for (Index s = 0; s < m; ++s) {
      const Index j = support_[static_cast<std::size_t>(s)];
      const double to = x_[j] + d[s];
      if (to * x_[j] <= 0) d[s] = -x_[j];
      change += (std::abs(x_[j] + d[s]) - std::abs(x_[j])) / norm_[j] -
                d[s] * (first[s] + (x_[j] > 0 ? 1 : -1) / norm_[j]);
    }
    apply(d, image);
    if (!(change + 0.5 * inner_product(d, image) < 0)) return;
    add_multiple(1.0, product_.data(), residual_.data(), n_cut_);
    for (Index s = 0; s < m; ++s) {
      const Index j = support_[static_cast<std::size_t>(s)];
      bias_sum_ += d[s] * bias_[j];
      x_[j] = d[s] == -x_[j] ? 0 : x_[j] + d[s];
    }
  }

  const MarginColumns& columns_;
  double unit_ = 1, bias_curvature_ = 0, bias_sum_ = 0;
  Index n_cut_ = 0;
  Vector<double> norm_, curvature_, bias_, x_, slope_, residual_, product_;
  std::vector<std::int32_t> rows_, position_;
  std::vector<double> values_;
  std::vector<double> root_;
  std::vector<std::size_t> begin_;
  std::vector<Index> all_, support_;
};

}  // namespace sparse_experts::detail
