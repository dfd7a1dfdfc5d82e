// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <cstdint>

namespace sparse_experts::detail {

/// sum_i x_i r_i in double. Eight running sums: they vectorise, and their order never changes.
template <class Scalar>
double dense_column_dot(const Scalar* x, const double* r, Index n) {
  double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (Index k = 0; k < 8; ++k) lane[k] += static_cast<double>(x[i + k]) * r[i + k];
  double tail = 0;
  for (; i < n; ++i) tail += static_cast<double>(x[i]) * r[i];
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7])) + tail;
}

/// sum_k x_k r[rows_k] in double; four running sums hide the latency of the gathers.
template <class Scalar>
double sparse_column_dot(const std::int32_t* rows, const Scalar* x, Index count, const double* r) {
  double lane[4] = {0, 0, 0, 0};
  Index k = 0;
  for (; k + 4 <= count; k += 4)
    for (Index l = 0; l < 4; ++l) lane[l] += static_cast<double>(x[k + l]) * r[rows[k + l]];
  for (; k < count; ++k) lane[0] += static_cast<double>(x[k]) * r[rows[k]];
  return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

/// One column as it lies in memory: `count` values in double or in float (the other pointer is null) at
/// `rows` (ascending), or at 0, 1, … when rows is null. One type for every design and scalar, so that the
/// margin solvers are compiled once; the branch is taken once a column.
struct ColumnRun {
  const std::int32_t* rows = nullptr;
  const double* doubles = nullptr;
  const float* floats = nullptr;
  Index count = 0;

  double value(Index k) const { return doubles ? doubles[k] : static_cast<double>(floats[k]); }

  double dot(const double* r) const {
    if (rows)
      return doubles ? sparse_column_dot(rows, doubles, count, r) : sparse_column_dot(rows, floats, count, r);
    return doubles ? dense_column_dot(doubles, r, count) : dense_column_dot(floats, r, count);
  }

  /// f(i, x_i as double)
  template <class F>
  void for_each(F&& f) const {
    doubles ? visit(doubles, f) : visit(floats, f);
  }

  void axpy(double a, double* f) const {
    for_each([=](Index i, double x) { f[i] += a * x; });
  }

 private:
  template <class Scalar, class F>
  void visit(const Scalar* x, F& f) const {
    if (rows)
      for (Index k = 0; k < count; ++k) f(static_cast<Index>(rows[k]), static_cast<double>(x[k]));
    else
      for (Index i = 0; i < count; ++i) f(i, static_cast<double>(x[i]));
  }
};

}  // namespace sparse_experts::detail
