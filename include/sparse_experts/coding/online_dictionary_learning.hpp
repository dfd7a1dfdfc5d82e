// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atom_update.hpp>
#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/dictionary_options.hpp>
#include <sparse_experts/coding/initial_atoms.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace sparse_experts::detail {

/// Chosen rows of a view of samples as an own matrix, dense or sparse like the view.
template <class Rows>
auto gather_samples(const Rows& x, const std::vector<Index>& rows, std::size_t begin, std::size_t end) {
  using Scalar = typename Rows::Scalar;
  const auto n = static_cast<Index>(end - begin);
  if constexpr (is_sparse<Rows>) {
    SparseRowMatrix<Scalar, typename Rows::StorageIndex> chosen(n, x.cols());
    for (std::size_t i = begin; i < end; ++i) {
      chosen.startVec(static_cast<Index>(i - begin));
      for (typename Rows::InnerIterator it(x, rows[i]); it; ++it)
        chosen.insertBack(static_cast<Index>(i - begin), it.col()) = it.value();
    }
    chosen.finalize();
    return chosen;
  } else {
    RowMatrix<Scalar> chosen(n, x.cols());
    for (std::size_t i = begin; i < end; ++i) {
      const Scalar* row = x.data() + rows[i] * x.outerStride();
      std::copy(row, row + x.cols(), chosen.data() + static_cast<Index>(i - begin) * x.cols());
    }
    return chosen;
  }
}

/// State of dictionary learning: atoms and statistics of everything seen.
template <class Scalar>
struct DictionaryState {
  RowMatrix<Scalar> dictionary;  // k x p
  DictionaryStatistics<Scalar> statistics;
  Index n_steps = 0;
};

/// Replaces atoms that no code has used (A_jj <= unused) by the samples with the largest residuals, in that
/// order (ties: the earlier sample); row i of the codes is that of sample first + i. Returns how many were
/// replaced.
template <class Scalar, class Rows>
Index replace_dead_atoms(const Rows& x, Index first, const SparseRowMatrix<Scalar>& codes, Scalar unused,
                         bool positive, DictionaryState<Scalar>& state) {
  const Index k = state.dictionary.rows(), p = state.dictionary.cols();
  std::vector<Index> dead;
  for (Index j = 0; j < k; ++j)
    if (!(state.statistics.A(j, j) > unused)) dead.push_back(j);
  if (dead.empty()) return 0;
  std::vector<Scalar> residual(static_cast<std::size_t>(p)), size(static_cast<std::size_t>(codes.rows()));
  for (Index i = 0; i < codes.rows(); ++i) {
    std::fill(residual.begin(), residual.end(), Scalar(0));
    add_sample(x, first + i, Scalar(1), residual.data());
    for (int e = codes.outerIndexPtr()[i]; e < codes.outerIndexPtr()[i + 1]; ++e)
      add_scaled(-codes.valuePtr()[e], state.dictionary.data() + codes.innerIndexPtr()[e] * p,
                 residual.data(), p);
    size[static_cast<std::size_t>(i)] = norm_of(residual.data(), p);
  }
  Index replaced = 0;
  std::vector<Scalar> atom(static_cast<std::size_t>(p));
  for (const Index j : dead) {
    const auto worst = std::max_element(size.begin(), size.end());
    if (worst == size.end() || *worst < Scalar(0)) break;
    *worst = Scalar(-1);
    if (!unit_sample(x, first + static_cast<Index>(worst - size.begin()), positive, atom.data())) break;
    std::copy(atom.begin(), atom.end(), state.dictionary.data() + j * p);
    for (Index i = 0; i < k; ++i) state.statistics.A(j, i) = state.statistics.A(i, j) = 0;
    std::fill_n(state.statistics.B.data() + j * p, p, Scalar(0));
    ++replaced;
  }
  return replaced;
}

/// One step of online dictionary learning on a mini-batch X (b x p):
///   S = codes of X over D;   A <- beta A + S'S / b,  B <- beta B + S'X / b,  beta = (1 - 1/t)^3;   one sweep
///   over the atoms.
/// The power makes early codes, of atoms that have changed since, count less: step t weighs as t^3.
/// Ref: Mairal, Bach, Ponce, Sapiro, JMLR 2010, alg. 1 and sec. 3.4.
template <class Scalar, class Rows>
CodingReport online_step(const Rows& batch, const DictionaryLearningOptions& options,
                         DictionaryState<Scalar>& state) {
  const SparseCoder<Scalar> coder(state.dictionary, coder_options(options, options.code_tol));
  CodingReport report;
  const SparseRowMatrix<Scalar> codes = coder.transform(batch, &report);
  ++state.n_steps;
  const double kept = 1 - 1 / static_cast<double>(state.n_steps);
  state.statistics.scale(static_cast<Scalar>(kept * kept * kept));
  state.statistics.add(codes, Scalar(1) / static_cast<Scalar>(batch.rows()),
                       [&](Index i, Scalar a, Scalar* row) { add_sample(batch, i, a, row); });
  const Scalar unused = state.statistics.unused();
  update_atoms(state.statistics, unused, options.positive_dict, state.dictionary);
  replace_dead_atoms(batch, 0, codes, unused, options.positive_dict, state);
  return report;
}

/// One alternation over all samples: statistics of the codes of X, then up to `sweeps` sweeps over the atoms.
template <class Scalar, class Rows>
void batch_step(const Rows& x, const DictionaryLearningOptions& options, DictionaryState<Scalar>& state) {
  constexpr Index run = 8192;  // samples whose codes are held at a time
  constexpr int sweeps = 10;
  const SparseCoder<Scalar> coder(state.dictionary, coder_options(options, options.code_tol));
  state.statistics.reset(state.dictionary.rows(), state.dictionary.cols());
  SparseRowMatrix<Scalar> codes;
  const Scalar weight = Scalar(1) / static_cast<Scalar>(x.rows());
  for (Index first = 0; first < x.rows(); first += run) {
    coder.transform(x.middleRows(first, std::min(run, x.rows() - first))).swap(codes);
    state.statistics.add(codes, weight,
                         [&](Index i, Scalar a, Scalar* row) { add_sample(x, first + i, a, row); });
  }
  const Scalar unused = state.statistics.unused();
  for (int sweep = 0; sweep < sweeps; ++sweep)
    if (update_atoms(state.statistics, unused, options.positive_dict, state.dictionary) < Scalar(1e-3)) break;
  replace_dead_atoms(x, (x.rows() - 1) / run * run, codes, unused, options.positive_dict, state);
  ++state.n_steps;
}

}  // namespace sparse_experts::detail
