// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>

/// Single rows of DenseRows and SparseRows: sums, distances and copies, in double and in fixed order.
namespace sparse_experts::detail {

/// sum over j < p of f(j) in eight interleaved chains that the compiler can keep in vectors.
template <class F>
double chained_sum(Index p, F&& f) {
  double sums[8] = {};
  Index j = 0;
  for (; j + 8 <= p; j += 8)
    for (Index l = 0; l < 8; ++l) sums[l] += f(j + l);
  for (; j < p; ++j) sums[j % 8] += f(j);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/// Entries of row i that are looked at: p or the stored ones.
template <class Scalar>
Index row_terms(const DenseRows<Scalar>& x, Index) {
  return x.cols();
}
template <class Scalar, class StorageIndex>
Index row_terms(const SparseRows<Scalar, StorageIndex>& x, Index i) {
  return x.outerIndexPtr()[i + 1] - x.outerIndexPtr()[i];
}

/// |x_i|^2.
template <class Scalar>
double row_squared_norm(const DenseRows<Scalar>& x, Index i) {
  const Scalar* row = x.data() + i * x.outerStride();
  return chained_sum(x.cols(),
                     [&](Index j) { return static_cast<double>(row[j]) * static_cast<double>(row[j]); });
}
template <class Scalar, class StorageIndex>
double row_squared_norm(const SparseRows<Scalar, StorageIndex>& x, Index i) {
  const Scalar* row = x.valuePtr() + x.outerIndexPtr()[i];
  return chained_sum(row_terms(x, i),
                     [&](Index j) { return static_cast<double>(row[j]) * static_cast<double>(row[j]); });
}

/// |x_i - c|^2 for c with p entries; `center_square` = |c|^2 serves sparse rows.
template <class Scalar>
double row_squared_distance(const DenseRows<Scalar>& x, Index i, const Scalar* center, double) {
  const Scalar* row = x.data() + i * x.outerStride();
  return chained_sum(x.cols(), [&](Index j) {
    const double d = static_cast<double>(row[j]) - static_cast<double>(center[j]);
    return d * d;
  });
}
template <class Scalar, class StorageIndex>
double row_squared_distance(const SparseRows<Scalar, StorageIndex>& x, Index i, const Scalar* center,
                            double center_square) {
  const Index begin = x.outerIndexPtr()[i];
  const Scalar* values = x.valuePtr() + begin;
  const StorageIndex* columns = x.innerIndexPtr() + begin;
  // Four chains each hide the latency of the additions.
  double stored[4] = {}, met[4] = {};
  const Index terms = row_terms(x, i);
  const auto add = [&](Index k, Index chain) {
    const double c = static_cast<double>(center[columns[k]]), d = static_cast<double>(values[k]) - c;
    stored[chain] += d * d;
    met[chain] += c * c;
  };
  Index k = 0;
  for (; k + 4 <= terms; k += 4)
    for (Index chain = 0; chain < 4; ++chain) add(k + chain, chain);
  for (; k < terms; ++k) add(k, 0);
  const double rest = center_square - ((met[0] + met[1]) + (met[2] + met[3]));
  return ((stored[0] + stored[1]) + (stored[2] + stored[3])) + std::max(0.0, rest);
}

/// sum += weight x_i, p entries.
template <class Scalar>
void add_row(const DenseRows<Scalar>& x, Index i, double weight, double* sum) {
  const Scalar* row = x.data() + i * x.outerStride();
  for (Index j = 0; j < x.cols(); ++j) sum[j] += weight * static_cast<double>(row[j]);
}
template <class Scalar, class StorageIndex>
void add_row(const SparseRows<Scalar, StorageIndex>& x, Index i, double weight, double* sum) {
  const Index begin = x.outerIndexPtr()[i];
  for (Index k = begin; k < begin + row_terms(x, i); ++k)
    sum[x.innerIndexPtr()[k]] += weight * static_cast<double>(x.valuePtr()[k]);
}

/// to[0 .. p) = x_i.
template <class Scalar>
void copy_row(const DenseRows<Scalar>& x, Index i, Scalar* to) {
  std::copy_n(x.data() + i * x.outerStride(), x.cols(), to);
}
template <class Scalar, class StorageIndex>
void copy_row(const SparseRows<Scalar, StorageIndex>& x, Index i, Scalar* to) {
  std::fill_n(to, x.cols(), Scalar(0));
  const Index begin = x.outerIndexPtr()[i];
  for (Index k = begin; k < begin + row_terms(x, i); ++k) to[x.innerIndexPtr()[k]] = x.valuePtr()[k];
}

}  // namespace sparse_experts::detail
