// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <cstdint>

/// Fixed vectors of 64 bytes by the compilers' vector extension. They are lowered to whatever the target has,
/// so the kernels built on them add the same numbers in the same order with SSE2, AVX2 and AVX-512.
namespace sparse_experts::detail {

template <class Scalar>
struct Lanes;

template <>
struct Lanes<double> {
  typedef double Type __attribute__((vector_size(64)));
  typedef double Loose __attribute__((vector_size(64), aligned(8), may_alias));
  typedef std::int64_t Mask __attribute__((vector_size(64)));
};

template <>
struct Lanes<float> {
  typedef float Type __attribute__((vector_size(64)));
  typedef float Loose __attribute__((vector_size(64), aligned(4), may_alias));
  typedef std::int32_t Mask __attribute__((vector_size(64)));
};

/// Scalars in one vector, and in one panel of four vectors: the unit to which atoms are padded.
template <class Scalar>
inline constexpr Index lane_width = 64 / static_cast<Index>(sizeof(Scalar));
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

}  // namespace sparse_experts::detail
