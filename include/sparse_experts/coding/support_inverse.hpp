// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <vector>

namespace sparse_experts::detail {

/// The inverse P = (G_AA)^-1 of the Gram on a growing and shrinking support A, kept by block elimination: an
/// atom is added or dropped in |A|^2 operations that have no chain of dependent steps (unlike triangular
/// solves). Rows are padded with zeros.
template <class Scalar>
class SupportInverse {
 public:
  explicit SupportInverse(Index capacity = 0)
      : stride_((capacity + w - 1) / w * w),
        p_(capacity * stride_),
        b_(Vector<Scalar>::Zero(stride_)),
        u_(Vector<Scalar>::Zero(stride_)) {}

  Index capacity() const { return stride_ == 0 ? 0 : p_.size() / stride_; }
  Index size() const { return size_; }
  Index padded_size() const { return (size_ + w - 1) / w * w; }
  const Scalar* row(Index i) const { return p_.data() + i * stride_; }
  /// u = P b of the last prepare().
  const Scalar* solved() const { return u_.data(); }

  /// Rows are written when they are added, up to the padded size of that moment: unused memory is not
  /// touched.
  void clear() { size_ = 0; }

  /// b = G_Aj; returns b's, what the support takes away from c_j.
  Scalar gather(const CodeProblem<Scalar>& problem, const int* support, const Scalar* value, Index j) {
    const Scalar* gram = problem.row(j);
    Scalar even = 0, odd = 0;
    Index i = 0;
    for (; i + 1 < size_; i += 2) {
      even += value[i] * (b_.data()[i] = gram[support[i]]);
      odd += value[i + 1] * (b_.data()[i + 1] = gram[support[i + 1]]);
    }
    if (i < size_) even += value[i] * (b_.data()[i] = gram[support[i]]);
    return even + odd;
  }

  /// u = P b for the gathered atom, and returns what it adds to the span: the Schur complement G_jj - b'u.
  Scalar prepare(Scalar diagonal) {
    using Vec = typename Lanes<Scalar>::Type;
    for (Index q = 0; q < size_; q += w) {
      Vec even{}, odd{};
      Index i = 0;
      for (; i + 1 < size_; i += 2) {
        even += b_.data()[i] * lanes(row(i) + q);
        odd += b_.data()[i + 1] * lanes(row(i + 1) + q);
      }
      if (i < size_) even += b_.data()[i] * lanes(row(i) + q);
      lanes(u_.data() + q) = even + odd;
    }
    Scalar even = 0, odd = 0;
    Index i = 0;
    for (; i + 1 < size_; i += 2) {
      even += b_.data()[i] * u_.data()[i];
      odd += b_.data()[i + 1] * u_.data()[i + 1];
    }
    if (i < size_) even += b_.data()[i] * u_.data()[i];
    return diagonal - (even + odd);
  }

  /// Adds the prepared atom: P <- [P + u u'/c, -u/c; -u'/c, 1/c], c = its Schur complement.
  void add(Scalar complement) {
    const Scalar inverse = Scalar(1) / complement;
    const Index t = size_, padded = (t + w) / w * w;  // of the new size
    // The new entry of u is -1, so that row t of the rank-one update is the new row.
    for (Index q = t; q < padded; ++q) u_.data()[q] = 0;
    u_.data()[t] = -1;
    Scalar* last = p_.data() + t * stride_;
    for (Index q = 0; q < padded; q += w) lanes(last + q) = typename Lanes<Scalar>::Type{};
    if (t % w == 0)
      for (Index i = 0; i < t; ++i) lanes(p_.data() + i * stride_ + t) = typename Lanes<Scalar>::Type{};
    for (Index i = 0; i <= t; ++i) {
      Scalar* to = p_.data() + i * stride_;
      const Scalar a = inverse * u_.data()[i];
      for (Index q = 0; q < padded; q += w) lanes(to + q) += a * lanes(u_.data() + q);
    }
    ++size_;
  }

  /// Drops entry r; the last entry takes its place.
  void remove(Index r) {
    const Index last = size_ - 1, padded = padded_size();
    std::copy(row(r), row(r) + padded, u_.data());
    const Scalar inverse = Scalar(1) / u_.data()[r];
    for (Index i = 0; i < size_; ++i) {
      Scalar* to = p_.data() + i * stride_;
      const Scalar a = inverse * u_.data()[i];
      for (Index q = 0; q < padded; q += w) lanes(to + q) -= a * lanes(u_.data() + q);
    }
    std::copy(row(last), row(last) + padded, p_.data() + r * stride_);
    for (Index i = 0; i < last; ++i) p_.data()[i * stride_ + r] = p_.data()[i * stride_ + last];
    for (Index i = 0; i < last; ++i) p_.data()[i * stride_ + last] = 0;
    size_ = last;
  }

 private:
  static constexpr Index w = lane_width<Scalar>;
  Index stride_ = 0, size_ = 0;
  Vector<Scalar> p_, b_, u_;
};

}  // namespace sparse_experts::detail
