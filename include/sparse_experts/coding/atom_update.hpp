// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>

namespace sparse_experts::detail {

/// Sufficient statistics of codes: A = sum w_i s_i s_i' (k x k), B = sum w_i s_i x_i' (k x p).
template <class Scalar>
struct DictionaryStatistics {
  RowMatrix<Scalar> A, B;

  void reset(Index k, Index p) {
    A.setZero(k, k);
    B.setZero(k, p);
  }
  void scale(Scalar by) {
    A *= by;
    B *= by;
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
        Scalar* row = A.data() + static_cast<Index>(index[e]) * A.cols();
        for (int f = begin; f < end; ++f) row[index[f]] += scaled * value[f];
        add_row(i, scaled, B.row(index[e]));
      }
    }
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
  Scalar largest = 0;
  RowVector<Scalar> atom(dictionary.cols());
  for (Index j = 0; j < dictionary.rows(); ++j) {
    const Scalar curvature = statistics.A(j, j);
    if (!(curvature > unused)) continue;
    atom = statistics.B.row(j);
    const Scalar* a = statistics.A.data() + j * statistics.A.cols();
    // Atoms that never met d_j in a code are skipped: early in online learning A is sparse.
    for (Index i = 0; i < dictionary.rows(); ++i)
      if (a[i] != Scalar(0)) atom.noalias() -= a[i] * dictionary.row(i);
    atom = dictionary.row(j) + atom / curvature;
    if (positive) atom = atom.cwiseMax(Scalar(0));
    const Scalar norm = atom.norm();
    if (norm > Scalar(1)) atom /= norm;
    largest = std::max(largest, (atom - dictionary.row(j)).norm());
    dictionary.row(j) = atom;
  }
  return largest;
}

}  // namespace sparse_experts::detail
