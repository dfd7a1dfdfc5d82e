// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sparse_experts {

/// The Gram matrix X̃'ΩX̃ of a growing set of columns of a RegressionProblem, made in blocks as columns join.
/// Dense columns are packed (centred, scaled, weighted by sqrt ω) and multiplied by matrix products; sparse
/// ones go row by row, Σ_i over pairs of entries of row i, which costs the number of such pairs instead of n
/// |W|². Memory: |W|² + n |W| doubles (dense) or |W|² (sparse).
template <Design D>
class WorkingGram {
 public:
  explicit WorkingGram(const RegressionProblem<D>& problem) : problem_(&problem) {
    double stored = static_cast<double>(problem.rows()) * static_cast<double>(problem.cols());
    if constexpr (detail::IterableDesign<D>) {
      stored = 0;
      for (Index j = 0; j < problem.cols(); ++j) stored += static_cast<double>(problem.design().stored(j));
    }
    sparse_ = stored < 0.1 * static_cast<double>(problem.rows()) * static_cast<double>(problem.cols());
  }

  Index size() const { return static_cast<Index>(columns_.size()); }
  const std::vector<Index>& columns() const { return columns_; }
  bool packs_dense() const { return !sparse_; }

  /// Adds columns; `gram` receives their rows and columns, its leading part stays.
  void append(const std::vector<Index>& added, detail::LargeMatrix& gram) {
    const Index old = size(), count = static_cast<Index>(added.size());
    if (count == 0) return;
    columns_.insert(columns_.end(), added.begin(), added.end());
    if (size() > gram.rows()) {
      // Room that is not used is not touched, and costs no memory where the system has pages; a copy does. A
      // small problem is spared the large pages. Columns a power of two apart would share the sets of the
      // caches.
      constexpr Index rooms[] = {256 + 24, 576 + 24, 2048 + 24};
      Index wanted = size() + size() / 2;
      for (const Index room : rooms)
        if (size() <= room) {
          wanted = room;
          break;
        }
      const Index capacity = std::min(problem_->cols(), wanted);
      detail::LargeMatrix grown(capacity, capacity);
      detail::parallel_blocks(old, 64, threads(old * old), [&](const detail::Block& block) {
        for (Index j = block.begin; j < block.end; ++j) grown.col(j).head(old) = gram.col(j).head(old);
      });
      gram = std::move(grown);
    }
    if (sparse_)
      append_sparse(old, gram);
    else
      append_dense(old, gram);
    // The upper part counts: symmetric to the last bit.
    detail::parallel_blocks(size(), 64, threads(size() * count), [&](const detail::Block& block) {
      // By tiles: whole lines of both sides stay in the first cache.
      constexpr Index tile = 16;
      for (Index begin = std::max(old, block.begin); begin < size(); begin += tile) {
        const Index end = std::min(size(), begin + tile);
        for (Index i = block.begin; i < std::min(block.end, end); ++i)
          for (Index j = std::max(begin, i + 1); j < end; ++j) gram(j, i) = gram(i, j);
      }
    });
  }

  /// Keeps the columns at the given positions (ascending) alone.
  void keep(const std::vector<Index>& positions, detail::LargeMatrix& gram) {
    for (std::size_t to = 0; to < positions.size(); ++to) {
      const Index from = positions[to], target = static_cast<Index>(to);
      columns_[to] = columns_[static_cast<std::size_t>(from)];
      if (!sparse_) packed_.col(target) = packed_.col(from);
      double* column = gram.col(target).data();
      const double* source = gram.col(from).data();
      for (std::size_t i = 0; i < positions.size(); ++i) column[i] = source[positions[i]];
    }
    columns_.resize(positions.size());
  }

 private:
  Index column(Index k) const { return columns_[static_cast<std::size_t>(k)]; }
  int threads(Index work) const { return detail::threads_for(work, problem_->n_threads()); }

  void append_dense(Index old, detail::LargeMatrix& gram) {
    const Index n = problem_->rows();
    if (size() > packed_.cols()) {
      constexpr Index small = 256, large = Index{1} << 22;  // columns; entries, 32 MB
      const Index wanted = size() <= small ? small : std::max({size() + 64, old + old / 2, large / n});
      const Index capacity = std::min(problem_->cols(), wanted);
      detail::LargeMatrix grown(n, capacity);
      detail::parallel_blocks(old, 64, threads(n * old), [&](const detail::Block& block) {
        grown.middleCols(block.begin, block.size()) = packed_.middleCols(block.begin, block.size());
      });
      packed_ = std::move(grown);
    }
    const Vector<double>& weights = problem_->weights();
    const double uniform = 1 / std::sqrt(static_cast<double>(n));
    const Vector<double> roots = weights.cwiseSqrt();
    constexpr Index block_size = 32;
    const int n_threads = threads(n * size());
    detail::parallel_blocks(size() - old, block_size, n_threads, [&](const detail::Block& block) {
      for (Index k = old + block.begin; k < old + block.end; ++k) {
        const Index j = column(k);
        const double scale = problem_->scale()[j], center = problem_->mean()[j];
        double* out = packed_.col(k).data();
        if constexpr (detail::dense_columns<D>) {
          const auto* x = problem_->design().column(j);
          for (Index i = 0; i < n; ++i) out[i] = static_cast<double>(x[i]) - center;
        } else {
          std::fill(out, out + n, -center);
          detail::column_axpy(problem_->design(), j, 1, nullptr, out);
        }
        if (weights.size() > 0)
          for (Index i = 0; i < n; ++i) out[i] *= scale * roots[i];
        else
          for (Index i = 0; i < n; ++i) out[i] *= scale * uniform;
      }
    });
    // Block columns of the new part, each down to its diagonal block.
    detail::parallel_blocks(size() - old, block_size, n_threads, [&](const detail::Block& block) {
      const Index begin = old + block.begin, end = old + block.end;
      detail::inner_products(packed_.data(), n, end, packed_.col(begin).data(), n, end - begin, n,
                             gram.col(begin).data(), gram.rows(), false);
    });
  }

  void append_sparse(Index old, detail::LargeMatrix& gram) {
    const Index n = problem_->rows(), count = size() - old;
    const Vector<double>& weights = problem_->weights();
    // Rows of the new columns.
    std::vector<Index> start(static_cast<std::size_t>(n) + 1, 0);
    for (Index k = old; k < size(); ++k)
      detail::for_each_entry(problem_->design(), column(k),
                             [&](Index i, double) { ++start[static_cast<std::size_t>(i) + 1]; });
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) start[i + 1] += start[i];
    std::vector<std::pair<int, double>> entries(static_cast<std::size_t>(start.back()));
    std::vector<Index> next(start.begin(), start.end() - 1);
    for (Index k = old; k < size(); ++k)
      detail::for_each_entry(problem_->design(), column(k), [&](Index i, double x) {
        const double omega = weights.size() > 0 ? weights[i] : 1 / static_cast<double>(n);
        entries[static_cast<std::size_t>(next[static_cast<std::size_t>(i)]++)] = {static_cast<int>(k - old),
                                                                                  omega * x};
      });
    // Column k of the Gram's new rows: each row accumulates in a short contiguous vector.
    const int n_threads = threads(static_cast<Index>(entries.size()) * size());
    detail::parallel_blocks(size(), 8, n_threads, [&](const detail::Block& block) {
      Vector<double> sums(count);
      for (Index k = block.begin; k < block.end; ++k) {
        const Index j = column(k);
        sums.setZero();
        double* out = sums.data();
        detail::for_each_entry(problem_->design(), j, [&](Index i, double x) {
          const std::size_t end = static_cast<std::size_t>(start[static_cast<std::size_t>(i) + 1]);
          for (std::size_t e = static_cast<std::size_t>(start[static_cast<std::size_t>(i)]); e < end; ++e)
            out[entries[e].first] += x * entries[e].second;
        });
        const double scale = problem_->scale()[j], center = problem_->mean()[j];
        for (Index b = 0; b < count; ++b) {
          const Index other = column(old + b);
          gram(k, old + b) = scale * problem_->scale()[other] * (sums[b] - center * problem_->mean()[other]);
        }
      }
    });
    for (Index k = old; k < size(); ++k) gram(k, k) = problem_->squared_norm()[column(k)];
  }

  const RegressionProblem<D>* problem_;
  std::vector<Index> columns_;
  detail::LargeMatrix packed_;
  bool sparse_ = false;
};

}  // namespace sparse_experts
