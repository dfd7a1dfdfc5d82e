// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>

#include <cstddef>
#include <cstring>
#include <vector>

namespace sparse_experts::detail {

// Width of a vector register and how many of them a tile of the kernel below spans.
#if defined(__AVX512F__)
#define SPARSE_EXPERTS_REGISTER_BYTES 64
inline constexpr int tile_vectors = 4;
#elif defined(__AVX__)
#define SPARSE_EXPERTS_REGISTER_BYTES 32
inline constexpr int tile_vectors = 2;
#else
#define SPARSE_EXPERTS_REGISTER_BYTES 16
inline constexpr int tile_vectors = 2;
#endif

/// Entries of a register. Buffers of B and C have rows padded to a multiple of it.
template <class Scalar>
inline constexpr Index register_lanes = static_cast<Index>(SPARSE_EXPERTS_REGISTER_BYTES / sizeof(Scalar));

template <class Scalar>
constexpr Index padded_width(Index n) {
  return (n + register_lanes<Scalar> - 1) / register_lanes<Scalar> * register_lanes<Scalar>;
}

template <class Scalar>
struct VectorRegister;
template <>
struct VectorRegister<float> {
  typedef float type __attribute__((vector_size(SPARSE_EXPERTS_REGISTER_BYTES)));
  typedef float unaligned __attribute__((vector_size(SPARSE_EXPERTS_REGISTER_BYTES), aligned(4), may_alias));
};
template <>
struct VectorRegister<double> {
  typedef double type __attribute__((vector_size(SPARSE_EXPERTS_REGISTER_BYTES)));
  typedef double unaligned __attribute__((vector_size(SPARSE_EXPERTS_REGISTER_BYTES), aligned(8), may_alias));
};

// A (n_rows x depth) read through strides.
template <class Scalar>
struct Strided {
  const Scalar* data;
  Index row_stride, col_stride;
};

// C tile (Rows x Vectors registers) = A rows times a packed tile of B (depth x Vectors registers), every sum
// in the order of depth.
template <int Rows, int Vectors, class Scalar>
void product_tile(Strided<Scalar> a, Index depth, const Scalar* b, Scalar* c, Index c_stride) {
  using Register = typename VectorRegister<Scalar>::type;
  using Unaligned = typename VectorRegister<Scalar>::unaligned;
  constexpr Index width = register_lanes<Scalar>;
  Register sum[std::size_t{Rows}][std::size_t{Vectors}];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < Vectors; ++v) sum[r][v] = Register{};
  for (Index m = 0; m < depth; ++m) {
    Register right[std::size_t{Vectors}];
#pragma GCC unroll 16
    for (int v = 0; v < Vectors; ++v)
      right[v] = *reinterpret_cast<const Unaligned*>(b + (m * Vectors + v) * width);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const Scalar left = a.data[r * a.row_stride + m * a.col_stride];
#pragma GCC unroll 16
      for (int v = 0; v < Vectors; ++v) sum[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < Vectors; ++v) *reinterpret_cast<Unaligned*>(c + r * c_stride + v * width) = sum[r][v];
}

template <int Vectors, class Scalar>
void product_columns(Index n_rows, Index depth, Strided<Scalar> a, const Scalar* b, Index b_stride, Scalar* c,
                     Index c_stride, std::vector<Scalar>& packed) {
  constexpr Index width = Vectors * register_lanes<Scalar>;
  packed.resize(static_cast<std::size_t>(depth * width));
  for (Index m = 0; m < depth; ++m)
    std::memcpy(packed.data() + m * width, b + m * b_stride,
                sizeof(Scalar) * static_cast<std::size_t>(width));
  Index r = 0;
  for (; r + 4 <= n_rows; r += 4)
    product_tile<4, Vectors>({a.data + r * a.row_stride, a.row_stride, a.col_stride}, depth, packed.data(),
                             c + r * c_stride, c_stride);
  for (; r < n_rows; ++r)
    product_tile<1, Vectors>({a.data + r * a.row_stride, a.row_stride, a.col_stride}, depth, packed.data(),
                             c + r * c_stride, c_stride);
}

/// C = A B with B (depth x n_cols) and C (n_rows x n_cols) row-major and padded: n_cols is a multiple of
/// register_lanes<Scalar>. Every entry of C is one sum in the order of depth, so its bits depend on nothing
/// else, in particular on no blocking and no number of threads.
template <class Scalar>
void row_product(Index n_rows, Index n_cols, Index depth, Strided<Scalar> a, const Scalar* b, Index b_stride,
                 Scalar* c, Index c_stride, int n_threads) {
  constexpr Index wide = tile_vectors * register_lanes<Scalar>;
  // Below about a tenth of a millisecond of work threads cost more than they bring.
  const bool small = n_rows * n_cols < (Index{1} << 23) / (depth + 1);
  parallel_blocks(n_cols, wide, small ? 1 : n_threads, [&](const Block& block) {
    std::vector<Scalar> packed;
    if (block.size() == wide)
      product_columns<tile_vectors>(n_rows, depth, a, b + block.begin, b_stride, c + block.begin, c_stride,
                                    packed);
    else
      for (Index j = block.begin; j < block.end; j += register_lanes<Scalar>)
        product_columns<1>(n_rows, depth, a, b + j, b_stride, c + j, c_stride, packed);
  });
}

}  // namespace sparse_experts::detail
