// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>

/// Loops over whole arrays, in double and in ascending order. Written out because every Eigen expression of
/// its own type costs the including program some hundredths of a second of compile time.
namespace sparse_experts::detail {

/// Resizes to `size` entries (or rows x cols) of the same value.
template <class V>
void fill(V& v, Index size, typename V::Scalar value) {
  v.resize(size);
  std::fill_n(v.data(), size, value);
}
template <class M>
void fill(M& m, Index rows, Index cols, typename M::Scalar value) {
  m.resize(rows, cols);
  std::fill_n(m.data(), rows * cols, value);
}

/// |a|^2 and |a - b|^2 of n numbers.
template <class Scalar>
double squared_length(const Scalar* a, Index n) {
  double sum = 0;
  for (Index j = 0; j < n; ++j) sum += static_cast<double>(a[j]) * static_cast<double>(a[j]);
  return sum;
}
template <class Scalar>
double squared_gap(const Scalar* a, const Scalar* b, Index n) {
  double sum = 0;
  for (Index j = 0; j < n; ++j) {
    const double d = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += d * d;
  }
  return sum;
}

/// |m_k|^2 of all rows.
template <class Scalar>
Vector<double> row_squares(const RowMatrix<Scalar>& m) {
  Vector<double> squares(m.rows());
  for (Index k = 0; k < m.rows(); ++k) squares[k] = squared_length(m.data() + k * m.cols(), m.cols());
  return squares;
}

template <class V>
typename V::Scalar largest(const V& v) {
  return v.size() == 0 ? 0 : *std::max_element(v.data(), v.data() + v.size());
}

/// First row += all other rows.
inline void add_rows_to_first(RowMatrix<double>& m) {
  for (Index b = 1; b < m.rows(); ++b)
    for (Index j = 0; j < m.cols(); ++j) m(0, j) += m(b, j);
}

}  // namespace sparse_experts::detail
