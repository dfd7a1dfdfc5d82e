// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

// What runs before an exception: compiled small, and out of the way of the check.
#if defined(__GNUC__)
#define SPARSE_EXPERTS_COLD __attribute__((cold, noinline))
#else
#define SPARSE_EXPERTS_COLD
#endif

/// Checks of what a caller can get wrong. Every message reads `<argument> = <got>, expected <expected>`.
namespace sparse_experts::detail {

/// What the caller gave, as text; %g for numbers. Compiled once, unlike a stream for every type.
inline std::string text_of(std::string_view got) { return std::string(got); }
inline std::string text_of(double got) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", got);
  return text;
}
template <std::integral Integer>
std::string text_of(Integer got) {
  return std::to_string(got);
}

[[noreturn]] SPARSE_EXPERTS_COLD inline void reject_text(std::string_view argument, const std::string& got,
                                                         std::string_view expected) {
  throw std::invalid_argument("sparse_experts: " + std::string(argument) + " = " + got + ", expected " +
                              std::string(expected));
}
template <class Got>
[[noreturn]] SPARSE_EXPERTS_COLD void reject(std::string_view argument, const Got& got,
                                             std::string_view expected) {
  reject_text(argument, text_of(got), expected);
}

/// Tests the exponent bits, so that -ffast-math cannot fold the test away.
inline bool is_finite(double x) {
  constexpr std::uint64_t exponent = 0x7FF0000000000000u;
  return (std::bit_cast<std::uint64_t>(x) & exponent) != exponent;
}
inline bool is_finite(float x) {
  constexpr std::uint32_t exponent = 0x7F800000u;
  return (std::bit_cast<std::uint32_t>(x) & exponent) != exponent;
}

/// True when all n values are finite; the loop has no branch, so that it vectorises.
template <class Scalar>
bool all_finite(const Scalar* x, Index n) {
  using Bits = std::conditional_t<sizeof(Scalar) == 8, std::uint64_t, std::uint32_t>;
  constexpr Bits exponent =
      sizeof(Scalar) == 8 ? static_cast<Bits>(0x7FF0000000000000u) : static_cast<Bits>(0x7F800000u);
  constexpr Index chunk = 4096;
  for (Index begin = 0; begin < n; begin += chunk) {
    const Index end = begin + chunk < n ? begin + chunk : n;
    Bits bad = 0;
    for (Index i = begin; i < end; ++i)
      bad |= static_cast<Bits>((std::bit_cast<Bits>(x[i]) & exponent) == exponent);
    if (bad != 0) return false;
  }
  return true;
}

SPARSE_EXPERTS_COLD inline std::string entry_name(std::string_view name, Index i, Index j, bool is_vector) {
  return std::string(name) + '(' + std::to_string(i) + (is_vector ? "" : ", " + std::to_string(j)) + ')';
}

/// All entries finite; the message names the first bad entry in storage order. Dense object with direct
/// access.
template <class Derived>
void check_finite(const Eigen::DenseBase<Derived>& x, std::string_view name) {
  static_assert(bool(Derived::Flags & Eigen::DirectAccessBit), "evaluate the expression first");
  const Derived& m = x.derived();
  if (m.size() == 0) return;
  const auto at = [&](Index outer, Index inner) {
    return Derived::IsRowMajor ? m.coeff(outer, inner) : m.coeff(inner, outer);
  };
  for (Index outer = 0; outer < m.outerSize(); ++outer) {
    const Index inner_size = m.innerSize();
    if (m.innerStride() == 1 && all_finite(m.data() + outer * m.outerStride(), inner_size)) continue;
    for (Index inner = 0; inner < inner_size; ++inner)
      if (!is_finite(at(outer, inner))) {
        const Index i = Derived::IsRowMajor ? outer : inner, j = Derived::IsRowMajor ? inner : outer;
        if (Derived::IsVectorAtCompileTime)
          reject(entry_name(name, inner, 0, true), at(outer, inner), "a finite value");
        reject(entry_name(name, i, j, false), at(outer, inner), "a finite value");
      }
  }
}

/// All stored entries finite. Sparse object with direct access (matrix, Map, Ref).
template <class Derived>
void check_finite(const Eigen::SparseCompressedBase<Derived>& x, std::string_view name) {
  const Derived& m = x.derived();
  if (m.isCompressed() && all_finite(m.valuePtr() + m.outerIndexPtr()[0], m.nonZeros())) return;
  for (Index outer = 0; outer < m.outerSize(); ++outer)
    for (typename Derived::InnerIterator it(m, outer); it; ++it)
      if (!is_finite(it.value()))
        reject(entry_name(name, it.row(), it.col(), false), it.value(), "a finite value");
}

[[noreturn]] SPARSE_EXPERTS_COLD inline void reject_empty(Index rows, Index cols, std::string_view name) {
  reject_text(std::string(name) + ".shape", std::to_string(rows) + " x " + std::to_string(cols),
              "at least 1 x 1");
}
[[noreturn]] SPARSE_EXPERTS_COLD inline void reject_size(std::string_view what, Index got, Index expected,
                                                         std::string_view reason) {
  reject_text(what, std::to_string(got), std::to_string(expected) + " (" + std::string(reason) + ')');
}
[[noreturn]] SPARSE_EXPERTS_COLD inline void reject_below(std::string_view name, Index got, Index least) {
  reject_text(name, std::to_string(got), "at least " + std::to_string(least));
}

/// At least one row and one column.
inline void check_not_empty(Index rows, Index cols, std::string_view name) {
  if (!(rows > 0 && cols > 0)) reject_empty(rows, cols, name);
}

/// A size that another argument dictates, e.g. check_size("y.size()", y.size(), X.rows(), "X.rows()").
inline void check_size(std::string_view what, Index got, Index expected, std::string_view reason) {
  if (got != expected) reject_size(what, got, expected, reason);
}

inline void check_positive(std::string_view name, double value) {
  if (!is_finite(value) || !(value > 0)) reject(name, value, "a finite value > 0");
}
inline void check_non_negative(std::string_view name, double value) {
  if (!is_finite(value) || !(value >= 0)) reject(name, value, "a finite value >= 0");
}
inline void check_in_unit_interval(std::string_view name, double value) {
  if (!is_finite(value) || !(value >= 0 && value <= 1)) reject(name, value, "a value in [0, 1]");
}
inline void check_at_least(std::string_view name, Index value, Index least) {
  if (value < least) reject_below(name, value, least);
}

/// Sample weights: empty (= all ones), or n finite values >= 0 whose sum is positive and finite.
template <class Derived>
void check_sample_weights(const Eigen::MatrixBase<Derived>& weights, Index n_samples) {
  if (weights.size() == 0) return;
  check_size("sample_weight.size()", weights.size(), n_samples, "one per row of X");
  double sum = 0;
  for (Index i = 0; i < weights.size(); ++i) {
    const double w = static_cast<double>(weights.derived().coeff(i));
    if (!is_finite(w) || !(w >= 0)) reject(entry_name("sample_weight", i, 0, true), w, "a finite value >= 0");
    sum += w;
  }
  if (!is_finite(sum) || !(sum > 0)) reject("sum of sample_weight", sum, "a finite value > 0");
}

[[noreturn]] SPARSE_EXPERTS_COLD inline void reject_unfitted(std::string_view model) {
  throw std::logic_error("sparse_experts: " + std::string(model) + " is not fitted, call fit first");
}

/// `predict` and the like before `fit`.
inline void check_fitted(bool fitted, std::string_view model) {
  if (!fitted) reject_unfitted(model);
}

}  // namespace sparse_experts::detail
