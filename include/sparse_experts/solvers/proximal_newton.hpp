// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/coordinate_newton.hpp>
#include <sparse_experts/solvers/margin_line_search.hpp>
#include <sparse_experts/solvers/margin_problem.hpp>
#include <sparse_experts/solvers/newton_model.hpp>
#include <sparse_experts/solvers/packed_columns.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

/// Proximal Newton with a working set of columns:
///   min_{w, b} |w|_1 + sum_i c_i l(y_i f_i),  f = Xw + b,  X: n x p
/// Each step minimises q'd + d'Hd / 2 + |w + d|_1 over the working set, H = X' diag(c_i l''(y_i f_i)) X (for
/// the squared hinge only rows with y_i f_i < 1 count: the violators) with b eliminated, and searches the
/// line. `Step` minimises the model: on the Gram of the violators or on their packed columns. Near the
/// solution the violators and the support stand still, and for the squared hinge one more step is exact. Cost
/// a step: one pass over X for the certificate, the model, one pass over the columns that moved. Ref: Lee,
/// Sun, Saunders, SIAM J. Optim. 24 (2014); Yuan, Ho, Lin, JMLR 13 (2012).
namespace sparse_experts::detail {

template <MarginLoss Loss, Design D, class Step>
class ProximalNewton {
 public:
  ProximalNewton(const MarginProblem<D>& problem, ColumnReader<D>& reader, MarginState& state)
      : problem_(problem),
        reader_(reader),
        state_(state),
        columns_(reader),
        step_(columns_),
        polish_(problem, reader, state) {}

  Convergence solve(const MarginSettings& settings) {
    double best_dual = -std::numeric_limits<double>::infinity();
    Convergence result = certify<Loss>(problem_, reader_, state_, settings.tol, best_dual, correlations_);
    double last_objective = std::numeric_limits<double>::infinity();
    Index idle = 0;
    for (Index iteration = 1; iteration <= settings.max_iter && !result; ++iteration) {
      const double violation = choose_columns();
      if (working_.empty()) {
        // All weights are zero and none is wanted: what is left of the gap is rounding.
        result.status = Status::stalled;
        return result;
      }
      // A model solved too loosely to move anything is solved better the next time.
      const double accuracy = 0.1 * std::pow(0.01, static_cast<double>(idle));
      take_step(violation, accuracy, result.objective);
      last_objective = result.objective;
      result = certify<Loss>(problem_, reader_, state_, settings.tol, best_dual, correlations_);
      result.n_iter = iteration;
      if (settings.on_iteration && !settings.on_iteration(result)) {
        result.status = Status::stopped;
        return result;
      }
      idle = result.objective < last_objective ? 0 : idle + 1;
      if (!result && idle == 5) {
        result.status = Status::stalled;
        return result;
      }
    }
    return result;
  }

 private:
  static constexpr double short_step = 0.9;

  // Working set: the support and the columns that violate most, at least as many as the support; returns the
  // largest violation. A column at zero violates by |x_j'(y a)| - 1, one in use by |x_j'(y a) - sign w_j|.
  double choose_columns() {
    working_.clear();
    candidates_.clear();
    double largest = 0;
    for (Index j = 0; j < reader_.cols(); ++j) {
      const double w = state_.coef[j], v = correlations_[j];
      if (w != 0) {
        working_.push_back(j);
        largest = std::max(largest, std::abs(v - (w > 0 ? 1 : -1)));
      } else if (std::abs(v) > 1) {
        candidates_.push_back(j);
        largest = std::max(largest, std::abs(v) - 1);
      }
    }
    const std::size_t room = std::max<std::size_t>(Step::first_columns, working_.size());
    if (candidates_.size() > room) {
      std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(room),
                       candidates_.end(), [&](Index a, Index b) {
                         const double va = std::abs(correlations_[a]), vb = std::abs(correlations_[b]);
                         return va != vb ? va > vb : a < b;
                       });
      candidates_.resize(room);
    }
    working_.insert(working_.end(), candidates_.begin(), candidates_.end());
    std::sort(working_.begin(), working_.end());
    return largest;
  }

  void take_step(double violation, double accuracy, double objective) {
    const Index n = problem_.y.size(), m = static_cast<Index>(working_.size());
    slots_.resize(working_.size());
    NewtonModel model;
    model.slope.resize(m);
    model.start.resize(m);
    for (Index k = 0; k < m; ++k) {
      const Index j = working_[static_cast<std::size_t>(k)];
      slots_[static_cast<std::size_t>(k)] = columns_.slot(j);
      model.slope[k] = -correlations_[j];
      model.start[k] = state_.coef[j];
    }
    model.curvature.resize(n);
    for (Index i = 0; i < n; ++i)
      model.curvature[i] = problem_.c[i] * Loss::curvature(problem_.y[i] * state_.f[i]);
    // No violator at all: the model that counts every row leads back to where some are.
    if (!(model.curvature.maxCoeff() > 0)) model.curvature = Loss::max_curvature * problem_.c;
    model.free_intercept = problem_.free_intercept;
    model.tol = accuracy * violation;
    const Vector<double> target = step_.minimise(columns_, model, slots_);

    const Vector<double> move = target - model.start;
    df_.setZero(n);
    for (Index k = 0; k < m; ++k)
      if (move[k] != 0) columns_.run(slots_[static_cast<std::size_t>(k)]).axpy(move[k], df_.data());
    double shift = 0;
    if (problem_.free_intercept) {
      const double total = model.curvature.sum();
      if (total > 0) shift = -model.curvature.dot(df_) / total;
      df_.array() += shift;
    }
    // What the model promises at the full step: d'q + d'Hd / 2 + |w + d|_1 - |w|_1.
    const double promise = model.slope.dot(move) +
                           0.5 * (model.curvature.array() * df_.array().square()).sum() +
                           target.template lpNorm<1>() - model.start.template lpNorm<1>();
    const LinePoint end =
        search_line<Loss>(objective, promise, model.start, move, problem_.y, problem_.c, state_.f, df_);
    for (Index k = 0; k < m; ++k)
      state_.coef[working_[static_cast<std::size_t>(k)]] =
          end.t == 1 ? target[k] : model.start[k] + end.t * move[k];
    state_.intercept += end.t * shift;
    // A short step means that few columns hold all others back (their rows leave or enter the violators on
    // the way): one exact visit of each sets them right.
    if (end.t < short_step) {
      state_.f += end.t * df_;
      polish_.visit(working_);
    }
  }

  const MarginProblem<D>& problem_;
  ColumnReader<D>& reader_;
  MarginState& state_;
  PackedColumns<D> columns_;
  Step step_;
  CoordinateNewton<Loss, D> polish_;
  Vector<double> correlations_, df_;
  std::vector<Index> working_, candidates_, slots_;
};

}  // namespace sparse_experts::detail
