// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>

namespace sparse_experts::detail {

/// The non-zero entries of one sample: `size` pairs (feature, value) in ascending order of the features.
template <class Scalar>
struct SparseSample {
  const int* feature = nullptr;
  const Scalar* value = nullptr;
  Index size = 0;
};

/// A dictionary D (k x p) stored for the product D x: panels of four vectors of atoms, each panel p x width
/// with the atoms contiguous and padded by zeros. A sample with m non-zeros costs k m multiplications and
/// reads only the rows of its non-zero features; a group of dense samples shares every load of D. Each entry
/// of D x is summed over the features in ascending order whichever way it is made, so a sample has the same
/// bits alone, in a batch, dense and sparse. Samples may be float where the atoms are double.
template <class Scalar>
class Atoms {
 public:
  static constexpr Index width = panel_width<Scalar>;
  /// Samples that share the loads of D in correlate_rows.
  static constexpr Index group = register_count >= 32 ? 6 : 3;

  Atoms() = default;
  template <class Derived>
  explicit Atoms(const Eigen::MatrixBase<Derived>& dictionary) {
    assign(dictionary);
  }

  template <class Derived>
  void assign(const Eigen::MatrixBase<Derived>& dictionary) {
    k_ = dictionary.rows();
    p_ = dictionary.cols();
    padded_ = padded_to_panels<Scalar>(k_);
    data_.setZero(padded_ * p_);
    for (Index panel = 0; panel < padded_; panel += width)
      for (Index f = 0; f < p_; ++f)
        for (Index j = panel; j < std::min(panel + width, k_); ++j)
          data_[panel * p_ + f * width + (j - panel)] = static_cast<Scalar>(dictionary.derived().coeff(j, f));
  }

  Index n_atoms() const { return k_; }
  Index n_features() const { return p_; }
  Index padded() const { return padded_; }

  /// out = D x for one sample given by its non-zeros; out has padded() entries.
  template <class In>
  void correlate(const SparseSample<In>& x, Scalar* out) const {
    correlate(&x, 1, out);
  }
  /// The same for several samples, row i of out (stride padded()) = D x_i; each panel passes through the
  /// cache once. Two panels at a time hide the latency of the additions.
  template <class In>
  void correlate(const SparseSample<In>* x, Index n_samples, Scalar* out) const {
    Index panel = 0;
    for (; panel + 2 * width <= padded_; panel += 2 * width)
      for (Index i = 0; i < n_samples; ++i) correlate_panels<2>(x[i], panel, out + i * padded_ + panel);
    if (panel < padded_)
      for (Index i = 0; i < n_samples; ++i) correlate_panels<1>(x[i], panel, out + i * padded_ + panel);
  }

  /// Row i of out (stride padded()) = D x_i for n_rows dense samples of the given stride.
  template <class In>
  void correlate_rows(const In* x, Index stride, Index n_rows, Scalar* out) const {
    // A run of samples that stays in the second-level cache while the panels pass.
    const Index run = std::max<Index>(group, (Index{65536} / std::max<Index>(1, p_)) / group * group);
    for (Index first = 0; first < n_rows; first += run) {
      const Index last = std::min(n_rows, first + run);
      for (Index panel = 0; panel < padded_; panel += width)
        for (Index i = first; i < last; i += group) {
          const In* rows = x + i * stride;
          Scalar* to = out + i * padded_ + panel;
          correlate_some<static_cast<std::size_t>(group)>(std::min(group, last - i), rows, stride, panel, to);
        }
    }
  }

 private:
  template <std::size_t Panels, class In>
  void correlate_panels(const SparseSample<In>& x, Index panel, Scalar* out) const {
    constexpr Index w = lane_width<Scalar>;
    const Scalar* base = data_.data() + panel * p_;
    typename Lanes<Scalar>::Type sum[Panels][4] = {};
    for (Index i = 0; i < x.size; ++i) {
      const Scalar* row = base + static_cast<Index>(x.feature[i]) * width;
      const auto v = static_cast<Scalar>(x.value[i]);
      for (std::size_t q = 0; q < Panels; ++q)
        for (std::size_t r = 0; r < 4; ++r)
          sum[q][r] += v * lanes(row + static_cast<Index>(q) * p_ * width + static_cast<Index>(r) * w);
    }
    for (std::size_t q = 0; q < Panels; ++q)
      for (std::size_t r = 0; r < 4; ++r) lanes(out + static_cast<Index>(q * 4 + r) * w) = sum[q][r];
  }

  template <std::size_t Most, class In>
  void correlate_some(Index rows, const In* x, Index stride, Index panel, Scalar* out) const {
    if constexpr (Most > 1)
      if (rows < static_cast<Index>(Most)) return correlate_some<Most - 1>(rows, x, stride, panel, out);
    correlate_group<Most>(x, stride, panel, out);
  }

  template <std::size_t Rows, class In>
  void correlate_group(const In* x, Index stride, Index panel, Scalar* out) const {
    using Vec = typename Lanes<Scalar>::Type;
    constexpr Index w = lane_width<Scalar>;
    const Scalar* base = data_.data() + panel * p_;
    Vec sum[Rows][4] = {};
    for (Index f = 0; f < p_; ++f) {
      const Scalar* row = base + f * width;
      const Vec a = lanes(row), b = lanes(row + w), c = lanes(row + 2 * w), d = lanes(row + 3 * w);
      for (std::size_t r = 0; r < Rows; ++r) {
        const auto v = static_cast<Scalar>(x[static_cast<Index>(r) * stride + f]);
        sum[r][0] += v * a;
        sum[r][1] += v * b;
        sum[r][2] += v * c;
        sum[r][3] += v * d;
      }
    }
    for (std::size_t r = 0; r < Rows; ++r)
      for (Index q = 0; q < 4; ++q) lanes(out + static_cast<Index>(r) * padded_ + q * w) = sum[r][q];
  }

  Index k_ = 0, p_ = 0, padded_ = 0;
  Vector<Scalar> data_;
};

}  // namespace sparse_experts::detail
