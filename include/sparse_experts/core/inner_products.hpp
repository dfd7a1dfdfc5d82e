// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

/// A'B on one thread, in an order that depends on the sizes alone: Eigen's own product would start threads.
namespace sparse_experts::detail {

#if defined(__AVX512F__)
inline constexpr int product_lanes = 8, product_rows = 4, product_cols = 4;
#elif defined(__AVX__)
inline constexpr int product_lanes = 4, product_rows = 3, product_cols = 3;
#else
inline constexpr int product_lanes = 2, product_rows = 3, product_cols = 3;
#endif
using ProductLanes [[gnu::vector_size(product_lanes * 8)]] = double;

/// The empty assembly holds the value in a register: GCC would load it again for every product, and loads,
/// not products, would then be the limit.
inline ProductLanes load_lanes(const double* x) {
  ProductLanes lanes;
  std::memcpy(&lanes, x, sizeof(lanes));
#if defined(__SSE2__)
  __asm__("" : "+v"(lanes));
#endif
  return lanes;
}

/// Rows x Cols inner products at once, sums in registers: what the loops are unrolled for.
template <int Rows, int Cols>
void product_tile(const double* a, Index lda, const double* b, Index ldb, Index n, double* c, Index ldc,
                  bool add) {
  ProductLanes sums[std::size_t{Rows}][std::size_t{Cols}] = {};
  Index i = 0;
  for (; i + product_lanes <= n; i += product_lanes) {
    ProductLanes left[std::size_t{Rows}];
#pragma GCC unroll 8
    for (int u = 0; u < Rows; ++u) left[u] = load_lanes(a + u * lda + i);
#pragma GCC unroll 8
    for (int v = 0; v < Cols; ++v) {
      const ProductLanes right = load_lanes(b + v * ldb + i);
#pragma GCC unroll 8
      for (int u = 0; u < Rows; ++u) sums[u][v] += left[u] * right;
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < Cols; ++v)
#pragma GCC unroll 8
    for (int u = 0; u < Rows; ++u) {
      double sum = 0;
      for (int l = 0; l < product_lanes; ++l) sum += sums[u][v][l];
      for (Index k = i; k < n; ++k) sum += a[u * lda + k] * b[v * ldb + k];
      double& out = c[u + v * ldc];
      out = add ? out + sum : sum;
    }
}

/// c(i, j) = (or +=) a_i' b_j for rows_c x cols_c pairs of columns of length n. Columns of a and b at work
/// stay in the second cache.
template <class = void>
void inner_products(const double* a, Index lda, Index rows_c, const double* b, Index ldb, Index cols_c,
                    Index n, double* c, Index ldc, bool add) {
  constexpr Index deep = 512, wide = 48;
  const auto strip = [&]<int Cols>(Index top, Index depth, Index begin, Index end, Index j, bool adding) {
    Index i = begin;
    for (; i + product_rows <= end; i += product_rows)
      product_tile<product_rows, Cols>(a + i * lda + top, lda, b + j * ldb + top, ldb, depth, c + i + j * ldc,
                                       ldc, adding);
    for (; i < end; ++i)
      product_tile<1, Cols>(a + i * lda + top, lda, b + j * ldb + top, ldb, depth, c + i + j * ldc, ldc,
                            adding);
  };
  for (Index top = 0; top == 0 || top < n; top += deep)
    for (Index begin = 0; begin < rows_c; begin += wide) {
      const Index depth = std::min(deep, n - top), end = std::min(rows_c, begin + wide);
      const bool adding = add || top > 0;
      Index j = 0;
      for (; j + product_cols <= cols_c; j += product_cols)
        strip.template operator()<product_cols>(top, depth, begin, end, j, adding);
      for (; j < cols_c; ++j) strip.template operator()<1>(top, depth, begin, end, j, adding);
    }
}

/// out_u = a_u'x for `Count` columns of length n.
template <int Count>
void column_products(const double* a, Index lda, const double* x, Index n, double* out) {
  ProductLanes sums[std::size_t{Count}] = {};
  Index i = 0;
  for (; i + product_lanes <= n; i += product_lanes) {
    const ProductLanes right = load_lanes(x + i);
#pragma GCC unroll 8
    for (int u = 0; u < Count; ++u) sums[u] += load_lanes(a + u * lda + i) * right;
  }
  for (int u = 0; u < Count; ++u) {
    double sum = 0;
    for (int l = 0; l < product_lanes; ++l) sum += sums[u][l];
    for (Index k = i; k < n; ++k) sum += a[u * lda + k] * x[k];
    out[u] = sum;
  }
}

/// y -= sum of x_u a_u over `Count` columns of length n.
template <int Count>
void subtract_columns(const double* a, Index lda, const double* x, Index n, double* y) {
  Index i = 0;
  for (; i + product_lanes <= n; i += product_lanes) {
    ProductLanes sum = load_lanes(y + i);
#pragma GCC unroll 8
    for (int u = 0; u < Count; ++u) sum -= load_lanes(a + u * lda + i) * x[u];
    std::memcpy(y + i, &sum, sizeof(sum));
  }
  for (; i < n; ++i)
    for (int u = 0; u < Count; ++u) y[i] -= a[u * lda + i] * x[u];
}

}  // namespace sparse_experts::detail
