// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <cstdint>

#if defined(__AVX512F__)
#define SPARSE_EXPERTS_CODING_BYTES 64
#elif defined(__AVX__)
#define SPARSE_EXPERTS_CODING_BYTES 32
#else
#define SPARSE_EXPERTS_CODING_BYTES 16
#endif

/// Vectors of one register of the target, by the compilers' vector extension. Longer ones would be lowered to
/// several registers, but badly: comparisons go through memory.
namespace sparse_experts::detail {

template <class Scalar>
struct Lanes;

template <>
struct Lanes<double> {
  typedef double Type __attribute__((vector_size(SPARSE_EXPERTS_CODING_BYTES)));
  typedef double Loose __attribute__((vector_size(SPARSE_EXPERTS_CODING_BYTES), aligned(8), may_alias));
  typedef std::int64_t Mask __attribute__((vector_size(SPARSE_EXPERTS_CODING_BYTES)));
};

template <>
struct Lanes<float> {
  typedef float Type __attribute__((vector_size(SPARSE_EXPERTS_CODING_BYTES)));
  typedef float Loose __attribute__((vector_size(SPARSE_EXPERTS_CODING_BYTES), aligned(4), may_alias));
  typedef std::int32_t Mask __attribute__((vector_size(SPARSE_EXPERTS_CODING_BYTES)));
};

/// Vector registers of the target.
inline constexpr Index register_count = SPARSE_EXPERTS_CODING_BYTES == 64 ? 32 : 16;

/// Scalars in one vector, and in one panel of four vectors: the unit to which atoms are padded.
template <class Scalar>
inline constexpr Index lane_width = SPARSE_EXPERTS_CODING_BYTES / static_cast<Index>(sizeof(Scalar));
template <class Scalar>
inline constexpr Index panel_width = 4 * lane_width<Scalar>;

template <class Scalar>
constexpr Index padded_to_panels(Index n) {
  return (n + panel_width<Scalar> - 1) / panel_width<Scalar> * panel_width<Scalar>;
}

template <class Scalar>
const typename Lanes<Scalar>::Loose& lanes(const Scalar* p) {
  return *reinterpret_cast<const typename Lanes<Scalar>::Loose*>(p);
}
template <class Scalar>
typename Lanes<Scalar>::Loose& lanes(Scalar* p) {
  return *reinterpret_cast<typename Lanes<Scalar>::Loose*>(p);
}

/// y += a x for n numbers.
template <class Scalar>
void add_scaled(Scalar a, const Scalar* x, Scalar* y, Index n) {
  constexpr Index w = lane_width<Scalar>;
  Index f = 0;
  for (; f + w <= n; f += w) lanes(y + f) += a * lanes(x + f);
  for (; f < n; ++f) y[f] += a * x[f];
}

}  // namespace sparse_experts::detail

#undef SPARSE_EXPERTS_CODING_BYTES
