// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/gram_descent.hpp>
#include <sparse_experts/solvers/newton_model.hpp>
#include <sparse_experts/solvers/support_newton.hpp>
#include <sparse_experts/solvers/violator_gram.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sparse_experts::detail {

/// Minimises the model of a proximal Newton step on the Gram of the violators, in columns of norm 1: sweeps
/// of coordinate descent find the support, Newton steps solve on it. May serve one problem after the other on
/// the same X: what few rows changed is cheap to follow.
class GramStep {
 public:
  static constexpr std::size_t first_columns = 1000;

  GramStep(const MarginColumns& x, int n_threads)
      : x_(x), gram_(x, n_threads), slot_of_(static_cast<std::size_t>(x.cols()), 0) {}

  /// Gram in double from now on, see ViolatorGram.
  void use_doubles() { gram_.use_doubles(); }

  /// The new weights of the working set.
  Vector<double> minimise(const NewtonModel& model) {
    take_columns(model.columns);
    gram_.update(model.curvature, model.unit);
    const auto m = static_cast<Index>(model.columns.size());
    if (model.free_intercept && mostly_constant(model.columns)) {
      gram_.use_doubles();
      gram_.update(model.curvature, model.unit);
    }
    const double bias_curvature = gram_(0, 0);
    const bool bias = model.free_intercept && bias_curvature > 0;
    slots_.resize(model.columns.size());
    Vector<double> scale(m), cross(m);
    for (Index a = 0; a < m; ++a) {
      const Index j = model.columns[static_cast<std::size_t>(a)],
                  slot = slot_of_[static_cast<std::size_t>(j)];
      slots_[static_cast<std::size_t>(a)] = slot;
      scale[a] = x_.norm(j) > 0 ? 1 / x_.norm(j) : 0;
      cross[a] = bias ? gram_(0, slot) : 0;
    }
    program_.gram.resize(m, m);
    for (Index a = 0; a < m; ++a)
      for (Index b = 0; b <= a; ++b) {
        double h = gram_(slots_[static_cast<std::size_t>(a)], slots_[static_cast<std::size_t>(b)]);
        if (bias) h -= cross[a] * cross[b] / bias_curvature;
        program_.gram(a, b) = program_.gram(b, a) = h;
      }
    program_.w.resize(m);
    program_.l1 = scale;
    fill(program_.l2, m, 0.0);
    program_.gradient.resize(m);
    double flat = 0;
    for (Index a = 0; a < m; ++a) flat = std::max(flat, 1e-14 * program_.gram(a, a));
    for (Index a = 0; a < m; ++a) {
      program_.w[a] = scale[a] > 0 ? model.start[a] / scale[a] : 0;
      program_.gradient[a] = -model.slope[a] * scale[a];
      // No row that counts: the penalty alone pulls the weight to zero.
      if (!(program_.gram(a, a) > flat)) program_.l1[a] = 1e300;
    }
    newton_.reset();
    solve(model.tol, scale);
    return entry_products(program_.w, scale);
  }

 private:
  static constexpr Index few_columns = 256;

  // Whether little is left of a column once its mean is taken away: less than floats resolve.
  bool mostly_constant(const std::vector<Index>& columns) const {
    for (const Index j : columns) {
      const Index slot = slot_of_[static_cast<std::size_t>(j)];
      if (gram_(0, slot) * gram_(0, slot) > (1 - 1e-3) * gram_(0, 0) * gram_(slot, slot)) return true;
    }
    return false;
  }

  void take_columns(const std::vector<Index>& columns) {
    std::size_t fresh = 0;
    for (const Index j : columns) fresh += slot_of_[static_cast<std::size_t>(j)] == 0;
    if (fresh == 0) return;
    // Columns of long ago would cost as much as those at work.
    if (x_.cols() > few_columns &&
        gram_.size() + static_cast<Index>(fresh) > static_cast<Index>(3 * columns.size())) {
      for (const Index j : gram_.columns()) slot_of_[static_cast<std::size_t>(j)] = 0;
      gram_.clear();
    }
    const auto take = [&](Index j) {
      if (slot_of_[static_cast<std::size_t>(j)] != 0) return;
      gram_.append(j);
      slot_of_[static_cast<std::size_t>(j)] = gram_.size();
    };
    // Few columns: all at once, for they are copied by rows whenever one joins.
    for (Index j = 0; j < x_.cols() && x_.cols() <= few_columns; ++j)
      if (x_.norm(j) > 0) take(j);
    for (const Index j : columns) take(j);
  }

  void solve(double tol, const Vector<double>& scale) {
    double last = -1;
    int stuck = 0;
    for (int round = 0; round < 100 && stuck < 5; ++round) {
      // A Newton step pays once the support has nearly settled.
      for (int k = 0; k < 20; ++k)
        if (gram_sweep(program_, newton_.n_threads()) * 500 <= program_.size()) break;
      newton_.minimise(program_, 200);
      double worst = 0;
      for (Index j = 0; j < program_.size(); ++j) {
        const double w = program_.w[j], g = program_.gradient[j], l1 = program_.l1[j];
        const double violation = w != 0 ? std::abs(g - std::copysign(l1, w)) : std::abs(g) - l1;
        if (violation > 0) worst = std::max(worst, violation / scale[j]);
      }
      if (worst <= tol) break;
      stuck = last >= 0 && worst >= 0.9 * last ? stuck + 1 : 0;
      last = last < 0 ? worst : std::min(last, worst);
    }
  }

  const MarginColumns& x_;
  ViolatorGram gram_;
  std::vector<Index> slot_of_;  // 0: not in the Gram
  std::vector<Index> slots_;
  GramProgram program_;
  SupportNewton newton_;
};

}  // namespace sparse_experts::detail
