// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atom_update.hpp>
#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/coding/dictionary_options.hpp>
#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace sparse_experts::detail {

/// to += a x_i, for a dense or sparse view of samples and a row of p numbers.
template <class Rows, class Scalar = typename Rows::Scalar>
void add_sample(const Rows& x, Index i, Scalar a, Scalar* to) {
  if constexpr (is_sparse<Rows>) {
    for (auto e = x.outerIndexPtr()[i]; e < x.outerIndexPtr()[i + 1]; ++e)
      to[x.innerIndexPtr()[e]] += a * x.valuePtr()[e];
  } else {
    add_scaled(a, x.data() + i * x.outerStride(), to, x.cols());
  }
}

/// Sample i scaled to unit norm, negative entries dropped where `positive`. False, and zeros, where nothing
/// is left.
template <class Rows, class Scalar = typename Rows::Scalar>
bool unit_sample(const Rows& x, Index i, bool positive, Scalar* to) {
  std::fill(to, to + x.cols(), Scalar(0));
  add_sample(x, i, Scalar(1), to);
  if (positive) drop_negative(to, x.cols());
  const Scalar norm = norm_of(to, x.cols());
  if (!(norm > Scalar(0))) return false;
  divide_by(to, x.cols(), norm);
  return true;
}

/// At most ten rounds of K-means on the sphere: atoms (k x p, to begin with the first k rows) become the
/// directions of the sums of the rows (unit norm, n x p, n >= k) nearest to them. An atom without rows takes
/// the row farthest from its own atom (ties: the earlier row).
template <class Scalar>
void spherical_centers(const RowMatrix<Scalar>& rows, RowMatrix<Scalar>& atoms, int n_threads) {
  const Index n = rows.rows(), p = rows.cols(), k = atoms.rows();
  std::copy(rows.data(), rows.data() + k * p, atoms.data());
  std::vector<Index> label(static_cast<std::size_t>(n), -1);
  std::vector<Scalar> cosine(static_cast<std::size_t>(n));
  for (int round = 0; round < 10; ++round) {
    const Atoms<Scalar> packed(atoms);
    std::vector<Index> moved(static_cast<std::size_t>(block_count(n, 64)), 0);
    parallel_blocks(n, 64, n_threads, [&](const Block& block) {
      Vector<Scalar> products(block.size() * packed.padded());
      packed.correlate_rows(rows.data() + block.begin * p, p, block.size(), products.data());
      for (Index i = block.begin; i < block.end; ++i) {
        const Scalar* row = products.data() + (i - block.begin) * packed.padded();
        const auto at = static_cast<std::size_t>(i);
        const Index best = static_cast<Index>(std::max_element(row, row + k) - row);
        moved[static_cast<std::size_t>(block.id)] += label[at] == best ? 0 : 1;
        label[at] = best;
        cosine[at] = row[best];
      }
    });
    if (std::count(moved.begin(), moved.end(), 0) == static_cast<std::ptrdiff_t>(moved.size())) return;
    atoms.setZero();
    for (Index i = 0; i < n; ++i)
      add_scaled(Scalar(1), rows.data() + i * p, atoms.data() + label[static_cast<std::size_t>(i)] * p, p);
    for (Index j = 0; j < k; ++j) {
      Scalar* atom = atoms.data() + j * p;
      if (const Scalar norm = norm_of(atom, p); norm > Scalar(0)) {
        divide_by(atom, p, norm);
        continue;
      }
      const auto farthest = std::min_element(cosine.begin(), cosine.end());
      const auto i = static_cast<Index>(farthest - cosine.begin());
      std::copy(rows.data() + i * p, rows.data() + (i + 1) * p, atom);
      *farthest = Scalar(2);
    }
  }
}

/// Atoms by options.init. Samples of zeros are not used; where they or the samples run out, random directions
/// are.
template <class Rows, class Scalar = typename Rows::Scalar>
RowMatrix<Scalar> initial_atoms(const Rows& x, const DictionaryLearningOptions& options) {
  Random random(options.seed, 1);
  const Index k = options.n_components, p = x.cols();
  RowMatrix<Scalar> atoms = RowMatrix<Scalar>::Zero(k, p);
  Index found = 0;
  if (options.init != DictionaryInit::random) {
    const Index wanted = options.init == DictionaryInit::kmeans ? std::min(x.rows(), 20 * k) : k;
    RowMatrix<Scalar> chosen(wanted, p);
    for (const Index i : random.permutation(x.rows())) {
      if (found == wanted) break;
      if (unit_sample(x, i, options.positive_dict, chosen.data() + found * p)) ++found;
    }
    if (found > k) {
      chosen.conservativeResize(found, p);
      spherical_centers(chosen, atoms, options.n_threads);
      found = k;
    } else {
      std::copy(chosen.data(), chosen.data() + found * p, atoms.data());
    }
  }
  for (; found < k; ++found) {
    Scalar* atom = atoms.data() + found * p;
    for (Index f = 0; f < p; ++f) {
      const double v = random.normal();
      atom[f] = static_cast<Scalar>(options.positive_dict ? std::abs(v) : v);
    }
    divide_by(atom, p, norm_of(atom, p));
  }
  return atoms;
}

}  // namespace sparse_experts::detail
