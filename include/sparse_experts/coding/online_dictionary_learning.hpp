// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/kmeans.hpp>
#include <sparse_experts/coding/atom_update.hpp>
#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/dictionary_options.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>
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
    for (std::size_t i = begin; i < end; ++i) chosen.row(static_cast<Index>(i - begin)) = x.row(rows[i]);
    return chosen;
  }
}

/// f(row i of x, dense or sparse, as pairs) adds a x_i to a dense row.
template <class Rows, class Row>
void add_sample(const Rows& x, Index i, typename Rows::Scalar a, Row&& to) {
  if constexpr (is_sparse<Rows>) {
    for (typename Rows::InnerIterator it(x, i); it; ++it) to[it.col()] += a * it.value();
  } else {
    to.noalias() += a * x.row(i);
  }
}

/// State of dictionary learning: atoms and statistics of everything seen.
template <class Scalar>
struct DictionaryState {
  RowMatrix<Scalar> dictionary;  // k x p
  DictionaryStatistics<Scalar> statistics;
  Index n_steps = 0;
};

/// Centres of a short K-means of samples scaled to unit norm, themselves scaled; zero rows where there are
/// too few.
template <class Rows, class Scalar = typename Rows::Scalar>
RowMatrix<Scalar> kmeans_atoms(const Rows& x, const std::vector<Index>& order,
                               const DictionaryLearningOptions& options) {
  RowMatrix<Scalar> chosen = RowMatrix<Scalar>::Zero(std::min(x.rows(), 20 * options.n_components), x.cols());
  Index found = 0;
  for (std::size_t i = 0; i < order.size() && found < chosen.rows(); ++i) {
    add_sample(x, order[i], Scalar(1), chosen.row(found));
    if (options.positive_dict) chosen.row(found) = chosen.row(found).cwiseMax(Scalar(0)).eval();
    const Scalar norm = chosen.row(found).norm();
    if (norm > Scalar(0)) chosen.row(found++) /= norm;
  }
  RowMatrix<Scalar> atoms = RowMatrix<Scalar>::Zero(options.n_components, x.cols());
  if (found <= options.n_components) {
    atoms.topRows(found) = chosen.topRows(found);
    return atoms;
  }
  KMeans<Scalar> kmeans({.n_clusters = options.n_components,
                         .max_iter = 10,
                         .n_init = 1,
                         .seed = options.seed,
                         .n_threads = options.n_threads});
  kmeans.fit(chosen.topRows(found));
  atoms = kmeans.centers();
  for (Index j = 0; j < atoms.rows(); ++j)
    if (const Scalar norm = atoms.row(j).norm(); norm > Scalar(0)) atoms.row(j) /= norm;
  return atoms;
}

/// Atoms by options.init. Samples of zeros are not used; where they or the samples run out, random directions
/// are.
template <class Rows, class Scalar = typename Rows::Scalar>
RowMatrix<Scalar> initial_atoms(const Rows& x, const DictionaryLearningOptions& options) {
  Random random(options.seed, 1);
  RowMatrix<Scalar> atoms = RowMatrix<Scalar>::Zero(options.n_components, x.cols());
  Index found = 0;
  if (options.init == DictionaryInit::kmeans) {
    const RowMatrix<Scalar> centers = kmeans_atoms(x, random.permutation(x.rows()), options);
    for (Index j = 0; j < centers.rows(); ++j)
      if ((centers.row(j).array() != Scalar(0)).any()) atoms.row(found++) = centers.row(j);
  }
  if (options.init == DictionaryInit::samples) {
    for (const Index i : random.permutation(x.rows())) {
      if (found == options.n_components) break;
      add_sample(x, i, Scalar(1), atoms.row(found));
      if (options.positive_dict) atoms.row(found) = atoms.row(found).cwiseMax(Scalar(0)).eval();
      const Scalar norm = atoms.row(found).norm();
      if (norm > Scalar(0))
        atoms.row(found++) /= norm;
      else
        atoms.row(found).setZero();
    }
  }
  for (; found < options.n_components; ++found) {
    for (Index f = 0; f < x.cols(); ++f) {
      const double v = random.normal();
      atoms(found, f) = static_cast<Scalar>(options.positive_dict ? std::abs(v) : v);
    }
    atoms.row(found) /= atoms.row(found).norm();
  }
  return atoms;
}

/// Replaces atoms that no code has used (A_jj <= unused) by the samples of the batch with the largest
/// residuals, in that order (ties: the earlier sample). Returns how many were replaced.
template <class Scalar, class Rows>
Index replace_dead_atoms(const Rows& batch, const SparseRowMatrix<Scalar>& codes, Scalar unused,
                         bool positive, DictionaryState<Scalar>& state) {
  std::vector<Index> dead;
  for (Index j = 0; j < state.dictionary.rows(); ++j)
    if (!(state.statistics.A(j, j) > unused)) dead.push_back(j);
  if (dead.empty()) return 0;
  std::vector<std::pair<Scalar, Index>> worst;
  RowVector<Scalar> residual(state.dictionary.cols());
  for (Index i = 0; i < codes.rows(); ++i) {
    residual.setZero();
    add_sample(batch, i, Scalar(1), residual);
    for (typename SparseRowMatrix<Scalar>::InnerIterator it(codes, i); it; ++it)
      residual.noalias() -= it.value() * state.dictionary.row(it.col());
    worst.emplace_back(-residual.squaredNorm(), i);
  }
  std::sort(worst.begin(), worst.end());
  Index replaced = 0;
  for (std::size_t d = 0; d < std::min(dead.size(), worst.size()); ++d) {
    RowVector<Scalar> atom = RowVector<Scalar>::Zero(state.dictionary.cols());
    add_sample(batch, worst[d].second, Scalar(1), atom);
    if (positive) atom = atom.cwiseMax(Scalar(0)).eval();
    const Scalar norm = atom.norm();
    if (!(norm > Scalar(0))) break;
    const Index j = dead[d];
    state.dictionary.row(j) = atom / norm;
    state.statistics.A.row(j).setZero();
    state.statistics.A.col(j).setZero();
    state.statistics.B.row(j).setZero();
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
  state.statistics.scale(static_cast<Scalar>(std::pow(1 - 1 / static_cast<double>(state.n_steps), 3)));
  state.statistics.add(codes, Scalar(1) / static_cast<Scalar>(batch.rows()),
                       [&](Index i, Scalar a, auto&& row) { add_sample(batch, i, a, row); });
  const auto unused =
      static_cast<Scalar>(1e-10) * std::max(Scalar(1e-20), state.statistics.A.diagonal().maxCoeff());
  update_atoms(state.statistics, unused, options.positive_dict, state.dictionary);
  replace_dead_atoms(batch, codes, unused, options.positive_dict, state);
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
  Index first = 0;
  for (; first < x.rows(); first += run) {
    const auto part = x.middleRows(first, std::min(run, x.rows() - first));
    codes = coder.transform(part);
    state.statistics.add(codes, weight,
                         [&](Index i, Scalar a, auto&& row) { add_sample(x, first + i, a, row); });
  }
  const auto unused =
      static_cast<Scalar>(1e-10) * std::max(Scalar(1e-20), state.statistics.A.diagonal().maxCoeff());
  for (int sweep = 0; sweep < sweeps; ++sweep)
    if (update_atoms(state.statistics, unused, options.positive_dict, state.dictionary) < Scalar(1e-3)) break;
  const Index last = (x.rows() - 1) / run * run;
  const auto part = x.middleRows(last, x.rows() - last);
  using Part = std::conditional_t<is_sparse<Rows>, SparseRowMatrix<Scalar>, RowMatrix<Scalar>>;
  replace_dead_atoms(Part(part), codes, unused, options.positive_dict, state);
  ++state.n_steps;
}

}  // namespace sparse_experts::detail
