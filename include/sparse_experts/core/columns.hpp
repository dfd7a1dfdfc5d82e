// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <concepts>
#include <type_traits>
#include <vector>

/// Column operations on any Design with vectors of doubles, whatever the scalar of the design: sums that
/// decide results are never accumulated in float. Dense and sparse columns have kernels of their own; a
/// design that offers `for_each(j, f)` (f(i, x_ij) over its stored entries) is used through it, any other one
/// through `dot` and `axpy` in its own scalar.
namespace sparse_experts::detail {

template <class D>
concept IterableDesign = requires(const D& design, Index j) {
  design.for_each(j, [](Index, typename D::Scalar) {});
  { design.stored(j) } -> std::convertible_to<Index>;
};

/// Columns are contiguous arrays of all rows.
template <class D>
inline constexpr bool dense_columns = requires(const D& design) {
  design.column(Index(0));
};

/// How the values of a design can be copied and changed, where it is a matrix (`known`).
template <class D>
struct Storage {
  struct Matrix {};
  static constexpr bool known = false;
};

/// x_i -= shift for n values; false, and nothing done, where floats would be rounded by it.
template <class Scalar>
bool subtract(Scalar* x, Index n, Scalar shift) {
  if constexpr (!std::is_same_v<Scalar, double>)
    for (Index i = 0; i < n; ++i)
      if (static_cast<double>(x[i] - shift) != static_cast<double>(x[i]) - static_cast<double>(shift))
        return false;
  for (Index i = 0; i < n; ++i) x[i] -= shift;
  return true;
}

template <class Scalar>
struct Storage<DenseColumns<Scalar>> {
  using Matrix = sparse_experts::Matrix<Scalar>;
  static constexpr bool known = true;
  /// Every row of column j is stored.
  static bool full(const DenseColumns<Scalar>&, Index) { return true; }
  static bool subtract(Matrix& x, Index j, Scalar shift) {
    return detail::subtract(x.data() + j * x.rows(), x.rows(), shift);
  }
};

template <class Scalar, class StorageIndex>
struct Storage<SparseColumns<Scalar, StorageIndex>> {
  using Matrix = SparseMatrix<Scalar, StorageIndex>;
  static constexpr bool known = true;
  static bool full(const SparseColumns<Scalar, StorageIndex>& x, Index j) { return x.stored(j) == x.rows(); }
  static bool subtract(Matrix& x, Index j, Scalar shift) {
    return detail::subtract(x.valuePtr() + x.outerIndexPtr()[j], x.rows(), shift);
  }
};

/// Σ_i weight(i) (x_i - center)², in the order of dense_dot.
template <class Scalar, class Weight>
double dense_spread(const Scalar* x, double center, Index n, const Weight& weight) {
  double sums[8] = {};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (Index k = 0; k < 8; ++k) {
      const double d = static_cast<double>(x[i + k]) - center;
      sums[k] += weight(i + k) * d * d;
    }
  double tail = 0;
  for (; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - center;
    tail += weight(i) * d * d;
  }
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + tail;
}

/// Four running sums hide the latency of the additions.
template <class Scalar, class StorageIndex>
double sparse_dot(const Scalar* values, const StorageIndex* rows, Index count, const double* r) {
  double sums[4] = {};
  Index k = 0;
  for (; k + 4 <= count; k += 4)
    for (Index l = 0; l < 4; ++l) sums[l] += static_cast<double>(values[k + l]) * r[rows[k + l]];
  for (; k < count; ++k) sums[0] += static_cast<double>(values[k]) * r[rows[k]];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Stored entries of the given columns, as what an operation on all of them costs.
template <Design D>
double stored_entries(const D& design, const std::vector<Index>& columns) {
  if constexpr (IterableDesign<D>) {
    double sum = 0;
    for (const Index j : columns) sum += static_cast<double>(design.stored(j));
    return sum;
  } else {
    return static_cast<double>(design.rows()) * static_cast<double>(columns.size());
  }
}

/// x_j' r.
template <Design D>
double column_dot(const D& design, Index j, const double* r) {
  using Scalar = typename D::Scalar;
  if constexpr (requires { design.column(j); }) {
    return dense_dot(design.column(j), r, design.rows());
  } else if constexpr (requires { design.inner(j); }) {
    return sparse_dot(design.values(j), design.inner(j), design.stored(j), r);
  } else if constexpr (IterableDesign<D>) {
    double sum = 0;
    design.for_each(j, [&](Index i, Scalar x) { sum += static_cast<double>(x) * r[i]; });
    return sum;
  } else if constexpr (std::is_same_v<Scalar, double>) {
    return design.dot(j, Eigen::Map<const Vector<double>>(r, design.rows()));
  } else {
    const Vector<Scalar> in = Eigen::Map<const Vector<double>>(r, design.rows()).template cast<Scalar>();
    return static_cast<double>(design.dot(j, in));
  }
}

/// f(i, x_ij) for every entry of column j that may differ from zero, in doubles.
template <Design D, class F>
void for_each_entry(const D& design, Index j, F&& f) {
  using Scalar = typename D::Scalar;
  if constexpr (IterableDesign<D>) {
    design.for_each(j, [&](Index i, Scalar x) { f(i, static_cast<double>(x)); });
  } else {
    Vector<Scalar> column = Vector<Scalar>::Zero(design.rows());
    design.axpy(j, Scalar(1), column);
    for (Index i = 0; i < design.rows(); ++i) f(i, static_cast<double>(column[i]));
  }
}

/// r += a diag(weights) x_j; `weights` may be null (all ones).
template <Design D>
void column_axpy(const D& design, Index j, double a, const double* weights, double* r) {
  if constexpr (requires { design.column(j); }) {
    const auto* x = design.column(j);
    const Index n = design.rows();
    if (weights)
      for (Index i = 0; i < n; ++i) r[i] += a * weights[i] * static_cast<double>(x[i]);
    else
      for (Index i = 0; i < n; ++i) r[i] += a * static_cast<double>(x[i]);
  } else {
    if (weights)
      for_each_entry(design, j, [&](Index i, double x) { r[i] += a * weights[i] * x; });
    else
      for_each_entry(design, j, [&](Index i, double x) { r[i] += a * x; });
  }
}

/// check_finite(X), by blocks of columns in parallel.
template <Design D>
void check_finite_columns(const D& design, int n_threads) {
  const auto& x = design.matrix();
  constexpr Index size = 64;
  std::vector<char> bad(static_cast<std::size_t>(block_count(x.cols(), size)), 0);
  parallel_blocks(x.cols(), size, threads_for(x.size(), n_threads), [&](const Block& block) {
    bool finite = true;
    if constexpr (dense_columns<D>)
      for (Index j = block.begin; j < block.end; ++j)
        finite = finite && all_finite(design.column(j), x.rows());
    else
      for (Index j = block.begin; j < block.end; ++j)
        finite = finite && all_finite(design.values(j), design.stored(j));
    bad[static_cast<std::size_t>(block.id)] = !finite;
  });
  for (const char b : bad)
    if (b) check_finite(x, "X");  // names the entry
}

/// out_j = x_j' r for all columns: one pass over X, blocks of columns in parallel.
template <Design D>
void column_dots(const D& design, const Vector<double>& r, Vector<double>& out, int n_threads) {
  out.resize(design.cols());
  parallel_blocks(design.cols(), 64, threads_for(design.rows() * design.cols(), n_threads),
                  [&](const Block& block) {
                    Index j = block.begin;
                    if constexpr (std::is_same_v<D, DenseColumns<double>>)
                      for (; j + 4 <= block.end; j += 4)
                        column_products<4>(design.column(j), design.matrix().outerStride(), r.data(),
                                           r.size(), out.data() + j);
                    for (; j < block.end; ++j) out[j] = column_dot(design, j, r.data());
                  });
}

}  // namespace sparse_experts::detail
