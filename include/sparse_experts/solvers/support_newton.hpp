// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/cholesky.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sparse_experts {

/// An elastic net on a Gram matrix, min ½ w'Gw - c'w + Σ_j l1_j |w_j| + l2_j/2 w_j², and the point where a
/// solver stands. G may be larger than m x m (capacity); only its leading block counts.
struct GramProgram {
  Matrix<double> gram;      ///< leading m x m block
  Vector<double> w;         ///< m weights
  Vector<double> gradient;  ///< c - Gw
  Vector<double> l1, l2;    ///< m weights of the penalty
  bool positive = false;    ///< w >= 0

  Index size() const { return w.size(); }
  double unit_step(Index j) const { return gram(j, j) + l2[j]; }
};

namespace detail {

/// gradient -= Σ step(j) G_j over the given columns, for the entries [begin, begin + size). Four columns at a
/// time halve the traffic on the gradient.
template <class Step>
void subtract_columns(GramProgram& q, const std::vector<Index>& columns, Step step, Index begin, Index size) {
  const auto at = [&](Index j) { return q.gram.data() + j * q.gram.rows() + begin; };
  double* g = q.gradient.data() + begin;
  std::size_t l = 0;
  for (; l + 4 <= columns.size(); l += 4) {
    const Index* j = columns.data() + l;
    const double *a = at(j[0]), *b = at(j[1]), *c = at(j[2]), *d = at(j[3]);
    const double wa = step(j[0]), wb = step(j[1]), wc = step(j[2]), wd = step(j[3]);
    for (Index i = 0; i < size; ++i) g[i] -= (wa * a[i] + wb * b[i]) + (wc * c[i] + wd * d[i]);
  }
  for (; l < columns.size(); ++l) {
    const double* a = at(columns[l]);
    const double w = step(columns[l]);
    for (Index i = 0; i < size; ++i) g[i] -= w * a[i];
  }
}

}  // namespace detail

/// Newton's method on the support of w: solves the support's linear system by a Cholesky factor that follows
/// the support, and searches along the step through the points where weights change sign. The objective along
/// a step is piecewise quadratic, so its minimum is exact; a weight that stops at zero leaves the support.
/// Each step decreases the objective, and with the final support known one step is exact. Cost: |A|²/2 per
/// solve, per weight that enters and per weight that leaves; |A|³/3 from scratch. Ref: feature-sign search,
/// Lee, Battle, Raina, Ng, NIPS 2006, algorithm 1; homotopy: Osborne et al. 2000.
class SupportNewton {
 public:
  /// Forgets the factor, e.g. when l2 or the order of the columns has changed.
  void reset() {
    factor_.clear();
    order_.clear();
  }

  /// Threads of the factor and of the gradient; 0 = all.
  void set_threads(int n_threads) {
    n_threads_ = n_threads;
    factor_.set_threads(n_threads);
  }

  Index n_solves() const { return n_solves_; }

  /// Runs until a full step crosses no zero, or max_steps. `gradient` is exact on the support at return, and
  /// is recomputed for all columns.
  template <class = void>
  void minimise(GramProgram& q, int max_steps) {
    if (q.size() == 0) return;
    Vector<double> start = q.w;
    follow_support(q);
    Vector<double> rhs = reduced_gradient(q);
    for (int step = 0; step < max_steps && !order_.empty(); ++step) {
      Vector<double> d = rhs;
      factor_.solve(d);
      ++n_solves_;
      const double reached = line_search(q, d, rhs);
      if (reached >= 1 || reached == 0) break;
    }
    update_gradient(q, start);
  }

 private:
  static double sign(double x) { return x > 0 ? 1.0 : -1.0; }
  Index at(Index k) const { return order_[static_cast<std::size_t>(k)]; }

  template <class = void>
  Vector<double> reduced_gradient(const GramProgram& q) const {
    Vector<double> rhs(static_cast<Index>(order_.size()));
    for (Index k = 0; k < rhs.size(); ++k) {
      const Index j = at(k);
      rhs[k] = q.gradient[j] - q.l2[j] * q.w[j] - q.l1[j] * sign(q.w[j]);
    }
    return rhs;
  }

  void drop(Index k) {
    factor_.remove(k);
    order_.erase(order_.begin() + k);
  }

  /// Brings the factor to the support of w: drops first, then appends in blocks.
  template <class = void>
  void follow_support(GramProgram& q) {
    const Index m = q.size();
    member_.assign(static_cast<std::size_t>(m), 0);
    Index leaving = 0;
    for (const Index j : order_) leaving += q.w[j] == 0;
    if (leaving * 12 > static_cast<Index>(order_.size())) reset();
    for (Index k = static_cast<Index>(order_.size()) - 1; k >= 0; --k)
      if (q.w[at(k)] == 0) drop(k);
    for (const Index j : order_) member_[static_cast<std::size_t>(j)] = 1;
    std::vector<Index> entering;
    for (Index j = 0; j < m; ++j)
      if (q.w[j] != 0 && !member_[static_cast<std::size_t>(j)]) entering.push_back(j);
    constexpr std::size_t block = 64;
    for (std::size_t begin = 0; begin < entering.size(); begin += block) {
      const std::size_t end = std::min(entering.size(), begin + block);
      append(q, {entering.begin() + static_cast<std::ptrdiff_t>(begin),
                 entering.begin() + static_cast<std::ptrdiff_t>(end)});
    }
  }

  template <class = void>
  void append(GramProgram& q, const std::vector<Index>& columns) {
    const auto k = static_cast<Index>(order_.size()), b = static_cast<Index>(columns.size());
    Matrix<double> cross(k, b), inner(b, b);
    for (Index u = 0; u < b; ++u) {
      const double* column = q.gram.data() + (columns[static_cast<std::size_t>(u)]) * q.gram.rows();
      for (Index i = 0; i < k; ++i) cross(i, u) = column[at(i)];
      for (Index v = 0; v < b; ++v) inner(v, u) = column[columns[static_cast<std::size_t>(v)]];
      inner(u, u) += q.l2[columns[static_cast<std::size_t>(u)]];
    }
    const std::vector<bool> taken = factor_.append(cross, inner);
    for (std::size_t u = 0; u < columns.size(); ++u)
      if (taken[u]) order_.push_back(columns[u]);
    for (std::size_t u = 0; u < columns.size(); ++u)
      if (!taken[u]) leave_dependent(q, columns[u]);
  }

  /// Column j of the support is a combination X_A v of the others: moving along w_j + t, w_A - t v changes
  /// the L1 norm alone, linearly. Moves downhill until a weight reaches zero, so that one column less is
  /// needed.
  template <class = void>
  void leave_dependent(GramProgram& q, Index j) {
    for (int attempt = 0; attempt < 8 && q.w[j] != 0; ++attempt) {
      const auto k = static_cast<Index>(order_.size());
      if (k == 0) return;
      Vector<double> v(k);
      for (Index i = 0; i < k; ++i) v[i] = q.gram(at(i), j);
      factor_.solve(v);
      double slope = q.l1[j] * sign(q.w[j]);
      for (Index i = 0; i < k; ++i) slope -= q.l1[at(i)] * sign(q.w[at(i)]) * v[i];
      const double direction = std::abs(slope) > 1e-9 * q.l1[j] ? -sign(slope) : -sign(q.w[j]);
      double nearest = direction * q.w[j] < 0 ? std::abs(q.w[j]) : -1;
      Index first = -1;
      for (Index i = 0; i < k; ++i) {
        const double speed = -direction * v[i], w = q.w[at(i)];
        if (speed * w >= 0 || (q.l1[at(i)] == 0 && !q.positive)) continue;
        const double t = -w / speed;
        if (nearest < 0 || t < nearest) {
          nearest = t;
          first = i;
        }
      }
      if (nearest < 0) return;
      for (Index i = 0; i < k; ++i) q.w[at(i)] -= nearest * direction * v[i];
      q.w[j] += nearest * direction;
      if (first < 0) {
        q.w[j] = 0;
        return;
      }
      q.w[at(first)] = 0;
      drop(first);
      const auto left = static_cast<Index>(order_.size());
      Vector<double> cross(left);
      for (Index i = 0; i < left; ++i) cross[i] = q.gram(at(i), j);
      if (factor_.append(cross, q.unit_step(j))) {
        order_.push_back(j);
        return;
      }
    }
  }

  /// Exact minimum along w + t d, 0 <= t <= 1, with rhs = minus the gradient on the support and d = H^-1 rhs,
  /// so that the slope is (t - 1) rhs'd plus 2 l1_k |d_k| for every weight k that has changed its sign.
  template <class = void>
  double line_search(GramProgram& q, const Vector<double>& d, Vector<double>& rhs) {
    const Index k = d.size();
    const double decrease = detail::inner_product(rhs, d);
    if (!(decrease > 0)) return 0;
    crossings_.clear();
    for (Index i = 0; i < k; ++i) {
      const double w = q.w[at(i)];
      if (w * d[i] < 0 && std::abs(d[i]) > std::abs(w) && (q.positive || q.l1[at(i)] > 0))
        crossings_.push_back({-w / d[i], i});
    }
    std::sort(crossings_.begin(), crossings_.end());
    double t = 1, kink = 0;
    std::size_t passed = 0;
    Index stopped = -1;
    for (; passed < crossings_.size(); ++passed) {
      const auto [when, i] = crossings_[passed];
      const double before = 1 - kink / decrease;  // the minimum of the current piece
      if (before <= when) {
        t = before;
        break;
      }
      kink += 2 * q.l1[at(i)] * std::abs(d[i]);
      if (q.positive || 1 - kink / decrease <= when) {
        t = when;
        stopped = i;
        break;
      }
    }
    if (passed == crossings_.size()) t = 1 - kink / decrease;
    if (passed == 0 && stopped < 0) t = 1;
    for (Index i = 0; i < k; ++i) q.w[at(i)] += t * d[i];
    detail::multiply(rhs.data(), rhs.size(), 1 - t);
    for (std::size_t c = 0; c < passed; ++c) {
      const Index i = crossings_[c].second;
      if (i == stopped) continue;
      rhs[i] -= 2 * q.l1[at(i)] * sign(d[i]);  // the sign is that of d now
    }
    const bool full = passed == 0 && stopped < 0;
    leaving_.clear();
    if (stopped >= 0) leaving_.push_back(stopped);
    for (Index i = 0; i < k; ++i)
      if (q.w[at(i)] == 0 && i != stopped) leaving_.push_back(i);
    if (stopped >= 0) q.w[at(stopped)] = 0;
    std::sort(leaving_.begin(), leaving_.end());
    Index left = rhs.size();
    for (auto i = leaving_.rbegin(); i != leaving_.rend(); ++i) {
      drop(*i);
      for (Index l = *i; l + 1 < left; ++l) rhs[l] = rhs[l + 1];
      --left;
    }
    if (left < rhs.size()) rhs = Vector<double>(Eigen::Map<const Vector<double>>(rhs.data(), left));
    return full ? 1 : 0.5;
  }

  /// gradient -= G (w - start), by columns that moved.
  template <class = void>
  void update_gradient(GramProgram& q, const Vector<double>& start) const {
    std::vector<Index> moved;
    for (Index j = 0; j < q.size(); ++j)
      if (q.w[j] != start[j]) moved.push_back(j);
    const Index work = q.size() * static_cast<Index>(moved.size());
    detail::parallel_blocks(q.size(), 256, work < 500000 ? 1 : n_threads_, [&](const detail::Block& block) {
      detail::subtract_columns(
          q, moved, [&](Index j) { return q.w[j] - start[j]; }, block.begin, block.size());
    });
  }

  UpdatableCholesky factor_;
  std::vector<Index> order_;  // columns of the factor
  std::vector<char> member_;
  std::vector<std::pair<double, Index>> crossings_;
  std::vector<Index> leaving_;
  Index n_solves_ = 0;
  int n_threads_ = 1;
};

}  // namespace sparse_experts
