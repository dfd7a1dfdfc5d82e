// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <limits>
#include <vector>

/// Dense data that are mostly zeros (images, counts) cost less as sparse rows, and the scores have the same
/// bits.
namespace sparse_experts::detail {

/// The non-zero entries of dense rows as compressed sparse rows.
template <class Scalar>
class PackedRows {
 public:
  /// Whether x is sparse enough that packing pays, from a sample of up to 512 evenly spaced rows.
  static bool worthwhile(const DenseRows<Scalar>& x) {
    constexpr double dense_enough = 0.35;
    if (x.cols() < 16 || x.rows() < 64) return false;
    const Index step = std::max<Index>(1, x.rows() / 512);
    Index non_zeros = 0, seen = 0;
    for (Index i = 0; i < x.rows(); i += step) {
      non_zeros += row_non_zeros(x, i);
      seen += x.cols();
    }
    return static_cast<double>(non_zeros) < dense_enough * static_cast<double>(seen) &&
           x.rows() < std::numeric_limits<int>::max() / x.cols();
  }

  PackedRows(const DenseRows<Scalar>& x, int n_threads)
      : cols_(x.cols()), begins_(static_cast<std::size_t>(x.rows()) + 1) {
    constexpr Index block_rows = 512;
    std::vector<Index> counts(static_cast<std::size_t>(x.rows()));
    parallel_blocks(x.rows(), block_rows, n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i)
        counts[static_cast<std::size_t>(i)] = row_non_zeros(x, i);
    });
    Index total = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) begins_[i + 1] = static_cast<int>(total += counts[i]);
    columns_.resize(total);
    values_.resize(total);
    parallel_blocks(x.rows(), block_rows, n_threads, [&](const Block& block) { pack(x, block); });
  }

  SparseRows<Scalar> rows() const {
    return SparseRows<Scalar>(static_cast<Index>(begins_.size()) - 1, cols_, begins_.back(), begins_.data(),
                              columns_.data(), values_.data());
  }

 private:
  static Index row_non_zeros(const DenseRows<Scalar>& x, Index i) {
    const Scalar* row = x.data() + i * x.outerStride();
    int count = 0;
    for (Index j = 0; j < x.cols(); ++j) count += row[j] != 0;
    return count;
  }

  void pack(const DenseRows<Scalar>& x, const Block& block) {
    // The loop writes an entry before it knows whether it counts, so it needs room of its own.
    std::vector<int> columns(static_cast<std::size_t>(cols_) + 1);
    std::vector<Scalar> values(static_cast<std::size_t>(cols_) + 1);
    for (Index i = block.begin; i < block.end; ++i) {
      const Scalar* row = x.data() + i * x.outerStride();
      std::size_t k = 0;
      for (Index j = 0; j < cols_; ++j) {
        columns[k] = static_cast<int>(j);
        values[k] = row[j];
        k += row[j] != 0;
      }
      const int begin = begins_[static_cast<std::size_t>(i)];
      std::copy_n(columns.data(), k, columns_.data() + begin);
      std::copy_n(values.data(), k, values_.data() + begin);
    }
  }

  Index cols_ = 0;
  std::vector<int> begins_;
  Vector<int> columns_;
  Vector<Scalar> values_;
};

}  // namespace sparse_experts::detail
