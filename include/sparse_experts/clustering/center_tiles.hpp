// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/simd.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace sparse_experts::detail {

/// K centres (K x p) laid out for the score kernels of `scores.hpp`.
///
/// A slot holds one centre; `width` slots fill one vector, up to `max_vectors` vectors form a panel, and a
/// panel stores feature after feature: data[j * n_vectors * width + slot]. Slots left over at the end hold a
/// centre whose score is the largest number there is.
///
/// The score of centre c for a row x is
///   s(x, c) = |c'|^2 / 2 + m'c' - x'c',   c' = c - m,   so that   |x - c|^2 = |x - m|^2 + 2 s(x, c),
/// with an origin m (the mean of the data, say) that keeps float scores accurate when the data lie far from
/// zero while x itself is not touched (zeros stay zeros). x'c' is summed over the features in ascending
/// order, one chain per centre. Zeros of x add nothing to such a chain, so dense and sparse rows and every
/// shape of the kernel give the same bits: scores may be compared for equality, and equal scores go to the
/// lower index.
template <class Scalar>
class CenterTiles {
 public:
  static constexpr Index width = simd_width<Scalar>;
  static constexpr Index max_vectors = simd_registers >= 32 ? 8 : 4;

  struct Panel {
    Index first_slot = 0;
    Index n_vectors = 0;
  };

  /// Packs all centres in their order; `origin` is empty (zero) or has p entries.
  void pack(const RowMatrix<Scalar>& centers, const RowVector<Scalar>& origin) {
    std::vector<std::int32_t> slots(static_cast<std::size_t>(centers.rows()));
    for (std::size_t k = 0; k < slots.size(); ++k) slots[k] = static_cast<std::int32_t>(k);
    pack(centers, origin, slots);
  }

  /// Packs centre slots[s] into slot s, -1 leaves it empty, in panels of at most `panel_vectors`.
  void pack(const RowMatrix<Scalar>& centers, const RowVector<Scalar>& origin,
            const std::vector<std::int32_t>& slots, Index panel_vectors = max_vectors) {
    n_centers_ = centers.rows();
    n_features_ = centers.cols();
    const Index used = static_cast<Index>(slots.size());
    const Index n_vectors = std::max<Index>(1, (used + width - 1) / width);
    set_panels(n_vectors, panel_vectors);
    const auto n_slots = static_cast<std::size_t>(n_vectors * width);
    ids_ = std::vector<std::int32_t>(n_slots, -1);
    std::copy(slots.begin(), slots.end(), ids_.begin());
    bias_ = Numbers(n_slots, std::numeric_limits<Scalar>::max());
    data_.resize(n_slots * static_cast<std::size_t>(n_features_));
    const double origin_norm = std::sqrt(squared_length(origin.data(), origin.size()));
    double largest = 0;
    for (const Panel& panel : panels_)
      for (Index s = 0; s < panel.n_vectors * width; ++s)
        largest = std::max(largest, pack_slot(centers, origin, panel, s));
    largest_norm_ = largest;
    largest_bias_ = largest * (largest / 2 + origin_norm);
  }

  /// Adds offsets[k] to every score of centre k from now on.
  void add_to_scores(const Vector<double>& offsets) {
    for (std::size_t slot = 0; slot < ids_.size(); ++slot)
      if (ids_[slot] >= 0)
        bias_[slot] = static_cast<Scalar>(static_cast<double>(bias_[slot]) + offsets[ids_[slot]]);
  }

  Index n_centers() const { return n_centers_; }
  Index n_features() const { return n_features_; }
  Index n_slots() const { return static_cast<Index>(ids_.size()); }
  const std::vector<Panel>& panels() const { return panels_; }
  const Scalar* panel_data(const Panel& panel) const { return data_.data() + panel.first_slot * n_features_; }
  const Scalar* bias(Index slot) const { return bias_.data() + slot; }
  const std::int32_t* ids(Index slot) const { return ids_.data() + slot; }

  /// Largest |c - m|, and a bound of |bias|: what rounding of the scores scales with.
  double largest_norm() const { return largest_norm_; }
  double largest_bias() const { return largest_bias_; }

  /// Bound of |computed - exact score| for a row of norm |x| with `terms` non-zero entries.
  double score_error(double row_norm, Index terms) const {
    constexpr double eps = static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    return eps * (static_cast<double>(terms + 4) * row_norm * largest_norm_ + 4 * largest_bias_);
  }

 private:
  using Numbers = std::vector<Scalar, Eigen::aligned_allocator<Scalar>>;

  /// Panels of nearly equal width, none wider than `widest`.
  void set_panels(Index n_vectors, Index widest) {
    const Index n_panels = (n_vectors + widest - 1) / widest;
    panels_.clear();
    for (Index i = 0, first = 0; i < n_panels; ++i) {
      const Index size = (n_vectors - first) / (n_panels - i) + ((n_vectors - first) % (n_panels - i) != 0);
      panels_.push_back({first * width, size});
      first += size;
    }
  }

  /// Returns |c'| of the centre in slot s of the panel.
  double pack_slot(const RowMatrix<Scalar>& centers, const RowVector<Scalar>& origin, const Panel& panel,
                   Index s) {
    const Index stride = panel.n_vectors * width;
    const auto slot = static_cast<std::size_t>(panel.first_slot + s);
    Scalar* to = data_.data() + panel.first_slot * n_features_ + s;
    if (ids_[slot] < 0) {
      for (Index j = 0; j < n_features_; ++j) to[j * stride] = 0;
      return 0;
    }
    const Scalar* center = centers.data() + ids_[slot] * n_features_;
    double square = 0, cross = 0;
    for (Index j = 0; j < n_features_; ++j) {
      const Scalar m = origin.size() == 0 ? Scalar(0) : origin[j];
      const Scalar c = center[j] - m;
      square += static_cast<double>(c) * static_cast<double>(c);
      cross += static_cast<double>(m) * static_cast<double>(c);
      to[j * stride] = c;
    }
    bias_[slot] = static_cast<Scalar>(square / 2 + cross);
    return std::sqrt(square);
  }

  Index n_centers_ = 0, n_features_ = 0;
  double largest_norm_ = 0, largest_bias_ = 0;
  std::vector<Panel> panels_;
  std::vector<std::int32_t> ids_;
  Numbers bias_, data_;
};

}  // namespace sparse_experts::detail
