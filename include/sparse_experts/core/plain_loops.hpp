// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>

/// Loops over whole arrays. Written out because every Eigen expression of its own type costs the including
/// program some hundredths of a second of compile time, called once a fit or a million times.
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

/// Eight running sums in a fixed order: fast at any instruction set, and the same bits wherever x is stored.
template <class Scalar>
double dense_dot(const Scalar* x, const double* r, Index n) {
  double sums[8] = {};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (Index k = 0; k < 8; ++k) sums[k] += static_cast<double>(x[i + k]) * r[i + k];
  double tail = 0;
  for (; i < n; ++i) tail += static_cast<double>(x[i]) * r[i];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + tail;
}
inline double inner_product(const Vector<double>& a, const Vector<double>& b) {
  return dense_dot(a.data(), b.data(), a.size());
}

inline double total(const Vector<double>& v) {
  double sum = 0;
  for (Index i = 0; i < v.size(); ++i) sum += v[i];
  return sum;
}
/// |v|_1
inline double absolute_total(const Vector<double>& v) {
  double sum = 0;
  for (Index i = 0; i < v.size(); ++i) sum += std::abs(v[i]);
  return sum;
}
/// The largest entry; 0 of nothing.
template <class V>
typename V::Scalar largest(const V& v) {
  return v.size() == 0 ? 0 : *std::max_element(v.data(), v.data() + v.size());
}

/// v += a, v *= a, y += a x, out = x * y and x / y by entries.
template <class Scalar>
void add_constant(Scalar* v, Index n, Scalar a) {
  for (Index i = 0; i < n; ++i) v[i] += a;
}
template <class Scalar>
void multiply(Scalar* v, Index n, Scalar a) {
  for (Index i = 0; i < n; ++i) v[i] *= a;
}
template <class Scalar>
void add_multiple(Scalar a, const Scalar* x, Scalar* y, Index n) {
  for (Index i = 0; i < n; ++i) y[i] += a * x[i];
}
inline Vector<double> entry_products(const Vector<double>& x, const Vector<double>& y) {
  Vector<double> out(x.size());
  for (Index i = 0; i < x.size(); ++i) out[i] = x[i] * y[i];
  return out;
}
inline Vector<double> entry_quotients(const Vector<double>& x, const Vector<double>& y) {
  Vector<double> out(x.size());
  for (Index i = 0; i < x.size(); ++i) out[i] = x[i] / y[i];
  return out;
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

/// First row += all other rows.
template <class Scalar>
void add_rows_to_first(RowMatrix<Scalar>& m) {
  for (Index b = 1; b < m.rows(); ++b)
    for (Index j = 0; j < m.cols(); ++j) m(0, j) += m(b, j);
}

/// to (cols x at least rows, rows `stride` apart) = the transpose of `from` (rows x cols), both by rows.
template <class Scalar>
void transpose(const Scalar* from, Index rows, Index cols, Scalar* to, Index stride) {
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) to[j * stride + i] = from[i * cols + j];
}

}  // namespace sparse_experts::detail
