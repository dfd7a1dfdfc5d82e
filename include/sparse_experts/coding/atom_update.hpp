// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

/// Plain loops over rows of numbers: dictionary learning compiles them once a scalar.
namespace sparse_experts::detail {

/// Euclidean norm of n numbers.
template <class Scalar>
Scalar norm_of(const Scalar* x, Index n) {
  Scalar sum = 0;
  for (Index f = 0; f < n; ++f) sum += x[f] * x[f];
  return std::sqrt(sum);
}
template <class Scalar>
void divide_by(Scalar* x, Index n, Scalar by) {
  for (Index f = 0; f < n; ++f) x[f] /= by;
}
template <class Scalar>
void drop_negative(Scalar* x, Index n) {
  for (Index f = 0; f < n; ++f) x[f] = x[f] > Scalar(0) ? x[f] : Scalar(0);
}

/// Sufficient statistics of codes: A = sum w_i s_i s_i' (k x k), B = sum w_i s_i x_i' (k x p).
template <class Scalar>
struct DictionaryStatistics {
  RowMatrix<Scalar> A, B;

  void reset(Index k, Index p) {
    A.setZero(k, k);
    B.setZero(k, p);
  }
  void scale(Scalar by) {
    for (Index e = 0; e < A.size(); ++e) A.data()[e] *= by;
    for (Index e = 0; e < B.size(); ++e) B.data()[e] *= by;
  }
  /// Adds weight (s s', s x') for each row of the codes; add_row(i, a, b) adds a x_i to the row b of B.
  template <class AddRow>
  void add(const SparseRowMatrix<Scalar>& codes, Scalar weight, AddRow&& add_row) {
    const int* index = codes.innerIndexPtr();
    const Scalar* value = codes.valuePtr();
    for (Index i = 0; i < codes.rows(); ++i) {
      const int begin = codes.outerIndexPtr()[i], end = codes.outerIndexPtr()[i + 1];
      for (int e = begin; e < end; ++e) {
        const Scalar scaled = weight * value[e];
        const auto j = static_cast<Index>(index[e]);
        Scalar* row = A.data() + j * A.cols();
        for (int f = begin; f < end; ++f) row[index[f]] += scaled * value[f];
        add_row(i, scaled, B.data() + j * B.cols());
      }
    }
  }
  /// Atoms with A_jj at most this have not been used.
  Scalar unused() const {
    Scalar largest = static_cast<Scalar>(1e-20);
    for (Index j = 0; j < A.rows(); ++j) largest = std::max(largest, A.data()[j * (A.cols() + 1)]);
    return static_cast<Scalar>(1e-10) * largest;
  }
};

/// One sweep of block coordinate descent over the atoms of
///   min_D  1/2 tr(D'A D) - tr(D'B),   |d_j| <= 1, d_j >= 0 optional:   d_j <- project(d_j + (B_j - A_j D) /
///   A_jj).
/// Atoms with A_jj <= unused stay as they are. Returns the largest |change of d_j|. Cost: k^2 p.
/// Ref: Mairal, Bach, Ponce, Sapiro, "Online learning for matrix factorization and sparse coding", JMLR 2010,
/// alg. 2.
template <class Scalar>
Scalar update_atoms(const DictionaryStatistics<Scalar>& statistics, Scalar unused, bool positive,
                    RowMatrix<Scalar>& dictionary) {
  const Index k = dictionary.rows(), p = dictionary.cols();
  Scalar largest = 0;
  std::vector<Scalar> updated(static_cast<std::size_t>(p)), change(static_cast<std::size_t>(p));
  for (Index j = 0; j < k; ++j) {
    const Scalar* a = statistics.A.data() + j * k;
    const Scalar* b = statistics.B.data() + j * p;
    Scalar* atom = dictionary.data() + j * p;
    if (!(a[j] > unused)) continue;
    std::copy(b, b + p, updated.data());
    // Atoms that never met d_j in a code are skipped: early in online learning A is sparse.
    for (Index i = 0; i < k; ++i)
      if (a[i] != Scalar(0)) add_scaled(-a[i], dictionary.data() + i * p, updated.data(), p);
    for (std::size_t f = 0; f < updated.size(); ++f) updated[f] = atom[f] + updated[f] / a[j];
    if (positive) drop_negative(updated.data(), p);
    if (const Scalar norm = norm_of(updated.data(), p); norm > Scalar(1)) divide_by(updated.data(), p, norm);
    for (std::size_t f = 0; f < updated.size(); ++f) change[f] = updated[f] - atom[f];
    largest = std::max(largest, norm_of(change.data(), p));
    std::copy(updated.begin(), updated.end(), atom);
  }
  return largest;
}

}  // namespace sparse_experts::detail
