// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <cstdint>
#include <cstring>

/// The widest vectors that the compiler's target has, by the vector extensions of g++ and clang. Kernels use
/// one lane per centre and the same order of operations in every lane at any width, so that results do not
/// depend on the width.
namespace sparse_experts::detail {

#if defined(__AVX512F__)
inline constexpr int simd_bytes = 64, simd_registers = 32;
#elif defined(__AVX__)
inline constexpr int simd_bytes = 32, simd_registers = 16;
#else
inline constexpr int simd_bytes = 16, simd_registers = 16;
#endif

template <class Scalar>
struct Simd;
template <>
struct Simd<float> {
  typedef float Vec __attribute__((vector_size(simd_bytes)));
  using Lane = std::int32_t;
  typedef Lane Ints __attribute__((vector_size(simd_bytes)));
};
template <>
struct Simd<double> {
  typedef double Vec __attribute__((vector_size(simd_bytes)));
  using Lane = std::int64_t;
  typedef Lane Ints __attribute__((vector_size(simd_bytes)));
};

template <class Scalar>
inline constexpr Index simd_width = simd_bytes / static_cast<Index>(sizeof(Scalar));

template <class V, class Scalar>
inline V simd_load(const Scalar* from) {
  V v;
  std::memcpy(&v, from, sizeof(V));
  return v;
}

template <class V, class Scalar>
inline void simd_store(Scalar* to, const V& v) {
  std::memcpy(to, &v, sizeof(V));
}

}  // namespace sparse_experts::detail
