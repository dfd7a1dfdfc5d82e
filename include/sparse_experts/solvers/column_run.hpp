// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstdint>

namespace sparse_experts::detail {

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
    return doubles ? dense_dot(doubles, r, count) : dense_dot(floats, r, count);
  }

  double squared_norm() const {
    return doubles ? dense_dot(doubles, doubles, count) : square_sum(floats, count);
  }

  /// f(i, x_i as double). One loop for the four layouts, since `f` is compiled into each: floats and the
  /// indices of a dense column pass through a buffer.
  template <class F>
  void for_each(F&& f) const {
    constexpr Index chunk = 64;
    std::int32_t places[chunk];
    double numbers[chunk];
    for (std::int32_t k = 0; !rows && k < chunk; ++k) places[k] = k;
    const Index step = rows && doubles ? std::max<Index>(1, count) : chunk;
    for (Index begin = 0; begin < count; begin += step) {
      const Index size = std::min(step, count - begin), offset = rows ? 0 : begin;
      for (Index k = 0; !doubles && k < size; ++k) numbers[k] = static_cast<double>(floats[begin + k]);
      const std::int32_t* place = rows ? rows + begin : places;
      const double* number = doubles ? doubles + begin : numbers;
      for (Index k = 0; k < size; ++k) f(offset + place[k], number[k]);
    }
  }

  void axpy(double a, double* f) const { doubles ? add(a, doubles, f) : add(a, floats, f); }

 private:
  static double square_sum(const float* x, Index count) {
    double lane[8] = {};
    Index k = 0;
    for (; k + 8 <= count; k += 8)
      for (Index l = 0; l < 8; ++l) lane[l] += static_cast<double>(x[k + l]) * static_cast<double>(x[k + l]);
    for (; k < count; ++k) lane[0] += static_cast<double>(x[k]) * static_cast<double>(x[k]);
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  }

  template <class Scalar>
  void add(double a, const Scalar* x, double* f) const {
    if (rows)
      for (Index k = 0; k < count; ++k) f[rows[k]] += a * static_cast<double>(x[k]);
    else
      for (Index i = 0; i < count; ++i) f[i] += a * static_cast<double>(x[i]);
  }
};

}  // namespace sparse_experts::detail
