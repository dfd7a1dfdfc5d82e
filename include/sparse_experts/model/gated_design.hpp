// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace sparse_experts {

/// The lifted features of codes S (n x k) under gates G (n x K), one row a sample:
///   phi(x) = [rho s ; g_1 s ; … ; g_K s ; rho ; g]   in R^{(K+1)(k+1)}
/// Column j < k is the shared block, column (e+1) k + j is g_e s_j, then the constant rho and the K gates.
///
/// phi is never materialised. Over sparse codes an index of 4 bytes for every stored entry of an expert's
/// block lets each column be walked in time proportional to its own entries; over dense codes the members of
/// an expert do. S and G are viewed, not copied: they must outlive the design. Construction O(top_k nnz(S)).
/// K = 0 (no gates) is the linear model on [rho s ; rho].
template <Design Base>
class GatedDesign {
 public:
  using Scalar = typename Base::Scalar;

  GatedDesign(const Base& codes, const SparseRowMatrix<Scalar>& gates, double rho, int n_threads = 1)
      : codes_(&codes),
        gates_(gates.rows(), gates.cols(), gates.nonZeros(), gates.outerIndexPtr(), gates.innerIndexPtr(),
               gates.valuePtr()),
        members_(gates),
        rho_(static_cast<Scalar>(rho)) {
    detail::check_non_negative("rho", rho);
    detail::check_size("gates.rows()", gates.rows(), codes.rows(), "one row per sample");
    for (Index t = 0; t < gates_.nonZeros(); ++t) hard_ = hard_ && gates_.valuePtr()[t] == Scalar(1);
    index_codes(n_threads);
  }

  Index rows() const { return codes_->rows(); }
  Index cols() const { return (n_experts() + 1) * (n_components() + 1); }
  Index n_components() const { return codes_->cols(); }  ///< k
  Index n_experts() const { return gates_.cols(); }      ///< K
  double rho() const { return static_cast<double>(rho_); }

  /// f(i, phi_ic) over the stored entries of column c.
  template <class F>
  void for_each(Index c, F&& f) const {
    const Index k = n_components();
    if (c < k) {
      codes_->for_each(c, [&](Index i, Scalar value) { f(i, rho_ * value); });
      return;
    }
    const Index e = c / k - 1, j = c % k, n_shared = (n_experts() + 1) * k;
    if (c == n_shared) {
      for (Index i = 0; i < rows(); ++i) f(i, rho_);
    } else if (c > n_shared) {
      for_members(c - n_shared - 1, f);
    } else {
      for_expert(e, j, f);
    }
  }

  Index stored(Index c) const {
    const Index k = n_components(), n_shared = (n_experts() + 1) * k;
    if (c < k) return codes_->stored(c);
    if (c == n_shared) return rows();
    if (c > n_shared) return members(c - n_shared - 1);
    if constexpr (sparse_codes)
      return static_cast<Index>(end_of(c / k - 1, c % k) - begin_of(c / k - 1, c % k));
    return members(c / k - 1);
  }

  Scalar dot(Index c, VectorIn<Scalar> r) const {
    if (c < n_components()) return rho_ * codes_->dot(c, r);
    Scalar sum = 0;
    for_each(c, [&](Index i, Scalar value) { sum += value * r[i]; });
    return sum;
  }
  void axpy(Index c, Scalar a, VectorOut<Scalar> r) const {
    if (c < n_components())
      codes_->axpy(c, a * rho_, r);
    else
      for_each(c, [&](Index i, Scalar value) { r[i] += a * value; });
  }
  /// out = phi'r in double, cols() values, in one pass over S: each stored entry serves the shared column of
  /// its component and those of the gates of its sample. Blocks of components in parallel.
  void correlations(const double* r, double* out, int n_threads) const {
    column_sums([](double value) { return value; }, [r](Index i) { return r[i]; }, out, n_threads);
  }
  /// out_c = |phi_c|^2 in double, cols() values, the same way.
  void squared_norms(double* out, int n_threads) const {
    column_sums([](double value) { return value * value; }, [](Index) { return 1.0; }, out, n_threads);
  }

  Scalar squared_norm(Index c) const {
    if (c < n_components()) return rho_ * rho_ * codes_->squared_norm(c);
    Scalar sum = 0;
    for_each(c, [&](Index, Scalar value) { sum += value * value; });
    return sum;
  }

 private:
  static constexpr bool sparse_codes = requires(const Base& base) { base.matrix().innerIndexPtr(); };

  // out_c = sum_i power(phi_ic) weight(i); power must be multiplicative.
  template <class Power, class Weight>
  void column_sums(Power power, Weight weight, double* out, int n_threads) const {
    const Index k = n_components(), n_exp = n_experts(), n_shared = (n_exp + 1) * k;
    const double shared = power(static_cast<double>(rho_));
    const int* first_gate = gates_.outerIndexPtr();
    const int* expert = gates_.innerIndexPtr();
    const Scalar* gate = gates_.valuePtr();
    detail::parallel_blocks(k, 16, n_threads, [&](const detail::Block& block) {
      std::vector<double> sums(static_cast<std::size_t>(n_exp) + 1);
      for (Index j = block.begin; j < block.end; ++j) {
        std::fill(sums.begin(), sums.end(), 0.0);
        codes_->for_each(j, [&](Index i, Scalar value) {
          const double term = power(static_cast<double>(value)) * weight(i);
          sums[0] += term;
          for (int t = first_gate[i]; t < first_gate[i + 1]; ++t)
            sums[static_cast<std::size_t>(expert[t]) + 1] += power(static_cast<double>(gate[t])) * term;
        });
        out[j] = shared * sums[0];
        for (Index e = 0; e < n_exp; ++e) out[(e + 1) * k + j] = sums[static_cast<std::size_t>(e) + 1];
      }
    });
    double total = 0;
    for (Index i = 0; i < rows(); ++i) total += weight(i);
    out[n_shared] = shared * total;
    for (Index e = 0; e < n_exp; ++e) {
      double sum = 0;
      for_members(e, [&](Index i, Scalar g) { sum += power(static_cast<double>(g)) * weight(i); });
      out[n_shared + 1 + e] = sum;
    }
  }

  Index members(Index e) const { return members_.outerIndexPtr()[e + 1] - members_.outerIndexPtr()[e]; }

  template <class F>
  void for_members(Index e, F&& f) const {
    for (Index t = members_.outerIndexPtr()[e]; t < members_.outerIndexPtr()[e + 1]; ++t)
      f(static_cast<Index>(members_.innerIndexPtr()[t]), members_.valuePtr()[t]);
  }

  // Column j of expert e.
  template <class F>
  void for_expert(Index e, Index j, F&& f) const {
    if constexpr (sparse_codes) {
      const auto& s = codes_->matrix();
      const auto* row = s.innerIndexPtr();
      const Scalar* value = s.valuePtr();
      const std::uint32_t begin = begin_of(e, j), end = end_of(e, j);
      for (std::uint32_t t = begin; t < end; ++t) {
        const std::uint32_t at = position_[t];
        const auto i = static_cast<Index>(row[at]);
        f(i, hard_ ? value[at] : gate(i, e) * value[at]);
      }
    } else {
      const Scalar* column = codes_->matrix().data() + j * codes_->matrix().outerStride();
      for_members(e, [&](Index i, Scalar g) { f(i, g * column[i]); });
    }
  }

  // A sample has few gates: a search from the front is the fastest look-up.
  Scalar gate(Index i, Index e) const {
    Index t = gates_.outerIndexPtr()[i];
    while (gates_.innerIndexPtr()[t] != e) ++t;
    return gates_.valuePtr()[t];
  }

  std::uint32_t begin_of(Index e, Index j) const {
    return start_[static_cast<std::size_t>(j * n_experts() + e)];
  }
  std::uint32_t end_of(Index e, Index j) const {
    return start_[static_cast<std::size_t>(j * n_experts() + e + 1)];
  }

  // For each component j, the positions of its stored entries grouped by expert.
  void index_codes(int n_threads) {
    if constexpr (sparse_codes) {
      const auto& s = codes_->matrix();
      const Index k = n_components(), n_exp = n_experts();
      if (n_exp == 0) return;
      std::vector<std::size_t> column_start(static_cast<std::size_t>(k) + 1, 0);
      detail::parallel_blocks(k, 16, n_threads, [&](const detail::Block& block) {
        for (Index j = block.begin; j < block.end; ++j) {
          std::size_t count = 0;
          codes_->for_each(j, [&](Index i, Scalar) { count += static_cast<std::size_t>(gates_of(i)); });
          column_start[static_cast<std::size_t>(j) + 1] = count;
        }
      });
      for (std::size_t j = 0; j < static_cast<std::size_t>(k); ++j) column_start[j + 1] += column_start[j];
      if (column_start.back() > std::numeric_limits<std::uint32_t>::max())
        detail::reject("entries of the lifted design", column_start.back(),
                       "fewer than 2^32; lower gate.top_k");
      position_.resize(column_start.back());
      start_.assign(static_cast<std::size_t>(k * n_exp) + 1, 0);
      start_.back() = static_cast<std::uint32_t>(column_start.back());
      detail::parallel_blocks(k, 16, n_threads, [&](const detail::Block& block) {
        std::vector<std::uint32_t> next(static_cast<std::size_t>(n_exp) + 1);
        for (Index j = block.begin; j < block.end; ++j) {
          std::fill(next.begin(), next.end(), 0);
          const Index begin = s.outerIndexPtr()[j], end = s.outerIndexPtr()[j + 1];
          for_gates(begin, end, [&](Index, Index e) { ++next[static_cast<std::size_t>(e) + 1]; });
          next[0] = static_cast<std::uint32_t>(column_start[static_cast<std::size_t>(j)]);
          for (std::size_t e = 0; e < static_cast<std::size_t>(n_exp); ++e) {
            next[e + 1] += next[e];
            start_[static_cast<std::size_t>(j * n_exp) + e] = next[e];
          }
          for_gates(begin, end, [&](Index at, Index e) {
            position_[next[static_cast<std::size_t>(e)]++] = static_cast<std::uint32_t>(at);
          });
        }
      });
    } else {
      (void)n_threads;
    }
  }

  Index gates_of(Index i) const { return gates_.outerIndexPtr()[i + 1] - gates_.outerIndexPtr()[i]; }

  // f(position, expert) for the stored entries [begin, end) of S.
  template <class F>
  void for_gates(Index begin, Index end, F&& f) const {
    const auto* row = codes_->matrix().innerIndexPtr();
    for (Index at = begin; at < end; ++at)
      for (Index t = gates_.outerIndexPtr()[row[at]]; t < gates_.outerIndexPtr()[row[at] + 1]; ++t)
        f(at, static_cast<Index>(gates_.innerIndexPtr()[t]));
  }

  const Base* codes_;
  Eigen::Map<const SparseRowMatrix<Scalar>> gates_;
  SparseMatrix<Scalar> members_;  // G by columns: the members of each expert
  Scalar rho_;
  bool hard_ = true;
  std::vector<std::uint32_t> position_;  // over sparse codes: positions in S, by component, then expert
  std::vector<std::uint32_t> start_;     // k K + 1
};

}  // namespace sparse_experts
