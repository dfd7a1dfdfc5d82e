// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/newton_model.hpp>
#include <sparse_experts/solvers/packed_columns.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

/// Minimises the model of a proximal Newton step by coordinate descent on packed columns: those of the
/// working set, cut down to the rows of positive curvature, scaled to norm 1 and stored in float (the model
/// need not be exact, the slope is). With r = A d kept up to date, a coordinate costs two runs over its
/// column.
///   q_j = slope_j + a_j'r - (h's) h_j / h_0,  h = A'sqrt(curvature): the last term eliminates b
/// Sweeps stay on the support until it is calm, then visit the whole working set.
/// Cost: entries of the cut columns a sweep; 8 bytes an entry.
class ColumnStep {
 public:
  static constexpr std::size_t first_columns = 200;

  template <class Columns>
  explicit ColumnStep(const Columns&) {}

  template <class Columns>
  Vector<double> minimise(const Columns& columns, const NewtonModel& model, const std::vector<Index>& slots) {
    cut(columns, model, slots);
    const auto m = static_cast<Index>(slots.size());
    x_ = model.start.cwiseProduct(norm_);
    slope_ = model.slope.cwiseQuotient(norm_);
    bias_sum_ = 0;
    residual_.setZero(n_cut_);
    all_.resize(slots.size());
    for (std::size_t k = 0; k < all_.size(); ++k) all_[k] = static_cast<Index>(k);
    for (Index sweep = 0; sweep < max_sweeps;) {
      const double violation = sweep_over(all_);
      ++sweep;
      if (violation <= model.tol) break;
      support_.clear();
      for (Index j = 0; j < m; ++j)
        if (x_[j] != 0) support_.push_back(j);
      while (sweep < max_sweeps && sweep_over(support_) > 0.3 * std::max(violation, model.tol)) ++sweep;
    }
    return x_.cwiseQuotient(norm_);
  }

 private:
  static constexpr Index max_sweeps = 200;

  // Cuts the columns down to the rows that count.
  template <class Columns>
  void cut(const Columns& columns, const NewtonModel& model, const std::vector<Index>& slots) {
    const Index n = model.curvature.size();
    unit_ = model.curvature.maxCoeff();
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
    const auto m = static_cast<Index>(slots.size());
    rows_.clear();
    values_.clear();
    begin_.assign(1, 0);
    norm_.resize(m);
    curvature_.resize(m);
    bias_.setZero(m);
    for (Index k = 0; k < m; ++k) {
      const Index slot = slots[static_cast<std::size_t>(k)];
      const double norm = columns.norm(slot) > 0 ? columns.norm(slot) : 1;
      double square = 0, bias = 0;
      columns.run(slot).for_each([&](Index i, double x) {
        const std::int32_t at = position_[static_cast<std::size_t>(i)];
        if (at < 0 || x == 0) return;
        const double root = root_[static_cast<std::size_t>(i)], value = x / norm * root;
        rows_.push_back(at);
        values_.push_back(static_cast<float>(value));
        square += value * value;
        bias += value * root;
      });
      begin_.push_back(rows_.size());
      norm_[k] = norm;
      bias_[k] = model.free_intercept ? bias : 0;
      curvature_[k] = square - (model.free_intercept ? bias * bias / bias_curvature_ : 0);
    }
  }

  double sweep_over(const std::vector<Index>& columns) {
    double largest = 0;
    for (const Index j : columns) largest = std::max(largest, update(j));
    return largest;
  }

  // One coordinate; returns its violation of the optimality conditions in the unit of the caller.
  double update(Index j) {
    const std::size_t begin = begin_[static_cast<std::size_t>(j)],
                      count = begin_[static_cast<std::size_t>(j) + 1] - begin;
    const std::int32_t* rows = rows_.data() + begin;
    const float* values = values_.data() + begin;
    const double lambda = 1 / norm_[j], h = unit_ * curvature_[j], old = x_[j];
    double q = sparse_dot(rows, values, static_cast<Index>(count), residual_.data());
    if (bias_[j] != 0) q -= bias_sum_ * bias_[j] / bias_curvature_;
    q = slope_[j] + unit_ * q;
    const double violation =
        old == 0 ? std::max(0.0, std::abs(q) - lambda) : std::abs(q + (old > 0 ? lambda : -lambda));
    if (violation == 0 || !(h > 1e-14 * unit_)) return 0;
    const double target = h * old - q;
    const double next = target > lambda    ? (target - lambda) / h
                        : target < -lambda ? (target + lambda) / h
                                           : 0;
    const double move = next - old;
    if (move != 0) {
      x_[j] = next;
      bias_sum_ += move * bias_[j];
      for (std::size_t k = 0; k < count; ++k) residual_[rows[k]] += move * static_cast<double>(values[k]);
    }
    return violation / lambda;
  }

  double unit_ = 1, bias_curvature_ = 0, bias_sum_ = 0;
  Index n_cut_ = 0;
  Vector<double> norm_, curvature_, bias_, x_, slope_, residual_;
  std::vector<std::int32_t> rows_, position_;
  std::vector<float> values_;
  std::vector<double> root_;
  std::vector<std::size_t> begin_;
  std::vector<Index> all_, support_;
};

}  // namespace sparse_experts::detail
