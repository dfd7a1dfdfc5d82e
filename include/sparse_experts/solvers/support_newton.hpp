// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/large_pages.hpp>
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
  detail::LargeMatrix gram;  ///< leading m x m block
  Vector<double> w;          ///< m weights
  Vector<double> gradient;   ///< c - Gw
  Vector<double> l1, l2;     ///< m weights of the penalty
  bool positive = false;     ///< w >= 0

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
/// the support, and goes to the best point of the step's projection arc, on which weights that reach zero
/// stay there; these leave the support, many at once where many do. Each step decreases the objective, and
/// with the final support known one step is exact. Cost: |A|²/2 per solve, per weight that enters and per
/// weight that leaves; |A|³/3 from scratch. Ref: feature-sign search, Lee, Battle, Raina, Ng, NIPS 2006,
/// algorithm 1; projected Newton: Bertsekas, SIAM J. Control Optim. 20 (1982), sec. 2.
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

  int n_threads() const { return n_threads_; }

  /// Runs until a full step reaches no zero, or max_steps. `gradient` is exact on the support at return, and
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
      if (!follow_arc(q, d, rhs)) break;
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

  /// Columns at the given places (ascending) leave the factor: one by one, or, where many do, by a new factor
  /// of what stands behind the first of them, which runs at the speed of matrix products. False if that one
  /// refused a column.
  template <class = void>
  bool drop(GramProgram& q, const std::vector<Index>& places) {
    if (places.empty()) return true;
    const auto cube = [](Index k) { return static_cast<double>(k) * static_cast<double>(k * k); };
    const auto size = static_cast<Index>(order_.size()), left = size - static_cast<Index>(places.size());
    double rotations = 0;
    for (const Index k : places) rotations += static_cast<double>((size - k) * (size - k));
    if (cube(left) - cube(places.front()) > 20 * rotations) {
      for (auto k = places.rbegin(); k != places.rend(); ++k) drop(*k);
      return true;
    }
    std::vector<Index> again;
    auto next = places.begin();
    for (Index k = places.front(); k < size; ++k)
      if (next != places.end() && *next == k)
        ++next;
      else
        again.push_back(at(k));
    factor_.truncate(places.front());
    order_.resize(static_cast<std::size_t>(places.front()));
    append_blocks(q, again);
    return static_cast<Index>(order_.size()) == left;
  }

  /// Brings the factor to the support of w: drops first, then appends.
  template <class = void>
  void follow_support(GramProgram& q) {
    const Index m = q.size();
    leaving_.clear();
    for (Index k = 0; k < static_cast<Index>(order_.size()); ++k)
      if (q.w[at(k)] == 0) leaving_.push_back(k);
    drop(q, leaving_);
    member_.assign(static_cast<std::size_t>(m), 0);
    for (const Index j : order_) member_[static_cast<std::size_t>(j)] = 1;
    std::vector<Index> entering;
    for (Index j = 0; j < m; ++j)
      if (q.w[j] != 0 && !member_[static_cast<std::size_t>(j)]) entering.push_back(j);
    append_blocks(q, entering);
  }

  template <class = void>
  void append_blocks(GramProgram& q, const std::vector<Index>& columns) {
    constexpr std::size_t block = 64;
    for (std::size_t begin = 0; begin < columns.size(); begin += block) {
      const std::size_t end = std::min(columns.size(), begin + block);
      append(q, {columns.begin() + static_cast<std::ptrdiff_t>(begin),
                 columns.begin() + static_cast<std::ptrdiff_t>(end)});
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
      double slope = q.l1[j] * sign(q.w[j]), size = q.l1[j];
      for (Index i = 0; i < k; ++i) {
        // Rounding is no part of the combination: a weight moved by it alone would have to go far.
        if (v[i] * v[i] * q.gram(at(i), at(i)) < 1e-18 * q.gram(j, j)) v[i] = 0;
        slope -= q.l1[at(i)] * sign(q.w[at(i)]) * v[i];
        size += q.l1[at(i)] * std::abs(v[i]);
      }
      const double direction = std::abs(slope) > 1e-9 * size ? -sign(slope) : -sign(q.w[j]);
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

  /// Exact minimum along the projection arc w(t) = w + t d, 0 <= t <= 1, on which a weight that has reached
  /// zero stays there. With rhs = minus the gradient on the support, d = H^-1 rhs, and C the weights at zero,
  /// the objective has fallen by
  ///   (t - t²/2) rhs'd - (1 - t) rhs_C'(w + t d)_C - ½ (w + t d)_C' H_CC (w + t d)_C,
  /// a parabola between two arrivals, which sums over pairs of C give one after the other. Weights at zero
  /// leave the support. Ref: projected Newton, Bertsekas, SIAM J. Control Optim. 20 (1982), sec. 2.
  template <class = void>
  bool follow_arc(GramProgram& q, const Vector<double>& d, Vector<double>& rhs) {
    const double slope = detail::inner_product(rhs, d);
    if (!(slope > 0)) return false;
    arrivals_.clear();
    for (Index i = 0; i < d.size(); ++i) {
      const double w = q.w[at(i)];
      if (w * d[i] < 0 && std::abs(d[i]) >= std::abs(w) && (q.positive || q.l1[at(i)] > 0))
        arrivals_.push_back({-w / d[i], i});
    }
    std::sort(arrivals_.begin(), arrivals_.end());
    double t = 1, most = -1;
    std::size_t stopped = 0;                              // weights at zero there
    double ww = 0, wd = 0, dd = 0, rhs_w = 0, rhs_d = 0;  // products with H_CC, and with rhs_C
    for (std::size_t u = 0; u <= arrivals_.size(); ++u) {
      if (u > 0) {
        const Index i = arrivals_[u - 1].second;
        const double* column = q.gram.data() + at(i) * q.gram.rows();
        double h_w = 0, h_d = 0;
        for (std::size_t v = 0; v + 1 < u; ++v) {
          const Index j = arrivals_[v].second;
          h_w += column[at(j)] * q.w[at(j)];
          h_d += column[at(j)] * d[j];
        }
        const double w = q.w[at(i)], norm = q.unit_step(at(i));
        ww += w * (2 * h_w + norm * w);
        wd += w * h_d + d[i] * (h_w + norm * w);
        dd += d[i] * (2 * h_d + norm * d[i]);
        rhs_w += rhs[i] * w;
        rhs_d += rhs[i] * d[i];
      }
      const double begin = u > 0 ? arrivals_[u - 1].first : 0,
                   end = u < arrivals_.size() ? arrivals_[u].first : 1;
      const double curvature = slope - 2 * rhs_d + dd;
      const double top = curvature > 0 ? (slope + rhs_w - rhs_d - wd) / curvature : end;
      const double here = std::clamp(top, begin, end);
      const double fallen = (here - 0.5 * here * here) * slope - (1 - here) * (rhs_w + here * rhs_d) -
                            0.5 * (ww + here * (2 * wd + here * dd));
      if (fallen > most) {
        most = fallen;
        t = here;
        stopped = u;
      }
    }
    detail::multiply(rhs.data(), rhs.size(), 1 - t);
    leaving_.clear();
    for (std::size_t u = 0; u < stopped; ++u) {
      const Index i = arrivals_[u].second;
      const double* column = q.gram.data() + at(i) * q.gram.rows();
      const double beyond = q.w[at(i)] + t * d[i];
      for (Index l = 0; l < rhs.size(); ++l) rhs[l] += beyond * column[at(l)];
      leaving_.push_back(i);
    }
    for (Index i = 0; i < d.size(); ++i) q.w[at(i)] += t * d[i];
    for (std::size_t u = 0; u < stopped; ++u) q.w[at(arrivals_[u].second)] = 0;
    for (std::size_t u = stopped; u < arrivals_.size(); ++u)
      if (q.w[at(arrivals_[u].second)] == 0) leaving_.push_back(arrivals_[u].second);
    if (leaving_.empty()) return t < 1;
    std::sort(leaving_.begin(), leaving_.end());
    auto next = leaving_.begin();
    Index left = 0;
    for (Index i = 0; i < rhs.size(); ++i)
      if (next != leaving_.end() && *next == i)
        ++next;
      else
        rhs[left++] = rhs[i];
    rhs = Vector<double>(Eigen::Map<const Vector<double>>(rhs.data(), left));
    return drop(q, leaving_);
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
  std::vector<std::pair<double, Index>> arrivals_;
  std::vector<Index> leaving_;
  int n_threads_ = 1;
};

}  // namespace sparse_experts
