// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
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

// Rows of a tile: with tile_vectors columns of registers, enough sums in flight to hide the latency of an
// addition, and few enough to stay in registers.
inline constexpr int row_tile = 6;
inline constexpr Index tile_depth = 256;  // a packed tile of B stays in the first cache level

// C (row_tile x vectors registers) += packed A (depth x row_tile) times packed B (depth x tile), every sum in
// the order of depth. `fresh`: C is not read, its sums start at zero.
template <int vectors, class Scalar>
void product_tile(Index depth, const Scalar* a, const Scalar* b, Scalar* c, Index c_stride, bool fresh) {
  using Register = typename VectorRegister<Scalar>::type;
  using Unaligned = typename VectorRegister<Scalar>::unaligned;
  constexpr Index width = register_lanes<Scalar>;
  Register sum[std::size_t{row_tile}][std::size_t{vectors}];
#pragma GCC unroll 16
  for (int r = 0; r < row_tile; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v)
      sum[r][v] = fresh ? Register{} : *reinterpret_cast<const Unaligned*>(c + r * c_stride + v * width);
  for (Index m = 0; m < depth; ++m) {
    Register right[std::size_t{vectors}];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v)
      right[v] = *reinterpret_cast<const Unaligned*>(b + (m * vectors + v) * width);
#pragma GCC unroll 16
    for (int r = 0; r < row_tile; ++r) {
      const Scalar left = a[m * row_tile + r];
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < row_tile; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) *reinterpret_cast<Unaligned*>(c + r * c_stride + v * width) = sum[r][v];
}

// One block of C by tiles of so many registers; `space` holds the packed parts of A and B.
template <int vectors, class Scalar>
void product_block(Index n_rows, Index n_cols, Index depth, Strided<Scalar> a, const Scalar* b,
                   Index b_stride, Scalar* c, Index c_stride, std::vector<Scalar>& space) {
  constexpr Index width = vectors * register_lanes<Scalar>;
  const Index n_tiles = (n_cols + width - 1) / width;
  space.resize(static_cast<std::size_t>((n_tiles * width + row_tile) * tile_depth));
  Scalar* const left = space.data() + n_tiles * width * tile_depth;
  Scalar edge[std::size_t{row_tile * width}];
  for (Index top = 0; top < depth; top += tile_depth) {
    const Index part = std::min(tile_depth, depth - top);
    for (Index t = 0; t < n_tiles; ++t) {
      const Index used = std::min(width, n_cols - t * width);
      Scalar* packed = space.data() + t * width * part;
      for (Index m = 0; m < part; ++m, packed += width) {
        std::copy_n(b + (top + m) * b_stride + t * width, used, packed);
        std::fill(packed + used, packed + width, Scalar(0));
      }
    }
    for (Index r = 0; r < n_rows; r += row_tile) {
      const Index rows = std::min<Index>(row_tile, n_rows - r);
      const Scalar* from = a.data + r * a.row_stride + top * a.col_stride;
      for (Index m = 0; m < part; ++m)
        for (Index i = 0; i < row_tile; ++i)
          left[m * row_tile + i] = i < rows ? from[i * a.row_stride + m * a.col_stride] : Scalar(0);
      for (Index t = 0; t < n_tiles; ++t) {
        Scalar* out = c + r * c_stride + t * width;
        const Scalar* packed = space.data() + t * width * part;
        const Index used = std::min(width, n_cols - t * width);
        if (rows == row_tile && used == width) {
          product_tile<vectors>(part, left, packed, out, c_stride, top == 0);
          continue;
        }
        // A tile over the edge is made beside and copied.
        for (Index i = 0; i < rows && top > 0; ++i) std::copy_n(out + i * c_stride, used, edge + i * width);
        product_tile<vectors>(part, left, packed, edge, width, top == 0);
        for (Index i = 0; i < rows; ++i) std::copy_n(edge + i * width, used, out + i * c_stride);
      }
    }
  }
}

/// C = A B with B (depth x n_cols) and C (n_rows x n_cols) row-major and padded: n_cols is a multiple of
/// register_lanes<Scalar>. Every entry of C is one sum in the order of depth, so its bits depend on nothing
/// else, in particular on no blocking and no number of threads.
template <class Scalar>
void row_product(Index n_rows, Index n_cols, Index depth, Strided<Scalar> a, const Scalar* b, Index b_stride,
                 Scalar* c, Index c_stride, int n_threads) {
  // A batch of 256 rows is one block.
  constexpr Index block_rows = 43 * row_tile, block_cols = 8 * tile_vectors * register_lanes<Scalar>;
  // Below about a tenth of a millisecond of work threads cost more than they bring.
  const bool small = n_rows * n_cols < (Index{1} << 23) / (depth + 1);
  const Index down = block_count(n_rows, block_rows);
  if (depth == 0) {
    for (Index r = 0; r < n_rows; ++r) std::fill_n(c + r * c_stride, n_cols, Scalar(0));
    return;
  }
  parallel_blocks(down * block_count(n_cols, block_cols), 1, small ? 1 : n_threads, [&](const Block& block) {
    const Index r = block.id % down * block_rows, j = block.id / down * block_cols;
    std::vector<Scalar> space;
    const auto make = [&]<int vectors>() {
      product_block<vectors>(std::min(block_rows, n_rows - r), std::min(block_cols, n_cols - j), depth,
                             {a.data + r * a.row_stride, a.row_stride, a.col_stride}, b + j, b_stride,
                             c + r * c_stride + j, c_stride, space);
    };
    // A few columns would leave most of a wide tile empty.
    if (n_cols <= register_lanes<Scalar>)
      make.template operator()<1>();
    else
      make.template operator()<tile_vectors>();
  });
}

}  // namespace sparse_experts::detail
