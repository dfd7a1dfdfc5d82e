// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/packed_columns.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

/// H = sum_i d_i u_i u_i', u_i = (x_i1 / |x_1|, …, x_im / |x_m|, 1 / sqrt(n)): the Gram of the weighted rows
/// over the packed columns and, in the last place, a constant column. Kept from one Newton step to the next:
/// only the rows whose weight d_i changed are added or removed, in panels of rows times columns and one
/// symmetric product a panel. A column that is new means a product over all weighted rows.
/// Cost: (rows changed) m^2 multiply-adds, one pass over the packed columns, m^2 memory.
template <class Real, Design D>
class ViolatorGram {
 public:
  explicit ViolatorGram(const PackedColumns<D>& columns)
      : columns_(columns), weights_(Vector<double>::Zero(columns.rows())) {}

  /// Bring H to the weights d >= 0.
  void update(const Vector<double>& d) {
    const Index n = d.size();
    Index set = 0, changed = 0;
    for (Index i = 0; i < n; ++i) {
      set += d[i] != 0;
      changed += d[i] != weights_[i];
    }
    if (size_ != columns_.size() || changed > set) {
      size_ = columns_.size();
      gram_.setZero(size_ + 1, size_ + 1);
      weights_.setZero();
      // Weights in units of their maximum keep float panels in range.
      unit_ = d.maxCoeff();
    }
    if (!(unit_ > 0)) return;
    for (const double sign : {1.0, -1.0}) {
      rows_.clear();
      factors_.clear();
      for (Index i = 0; i < n; ++i) {
        const double change = sign * (d[i] - weights_[i]);
        if (change <= 0) continue;
        rows_.push_back(static_cast<std::int32_t>(i));
        factors_.push_back(std::sqrt(change / unit_));
      }
      add_rows(static_cast<Real>(sign));
    }
    weights_ = d;
  }

  /// Entry (a, b) for a >= b, slots or size() for the constant column, in the scaled unit.
  double operator()(Index a, Index b) const {
    return unit_ * static_cast<double>(a >= b ? gram_(a, b) : gram_(b, a));
  }
  Index size() const { return size_; }

 private:
  static constexpr Index panel_rows = 256;

  void add_rows(Real sign) {
    const auto count = static_cast<Index>(rows_.size());
    if (count == 0) return;
    const Index n = columns_.rows();
    position_.assign(static_cast<std::size_t>(n), -1);
    cursor_.assign(static_cast<std::size_t>(size_), 0);
    for (Index k = 0; k < count; ++k)
      position_[static_cast<std::size_t>(rows_[static_cast<std::size_t>(k)])] = static_cast<std::int32_t>(k);
    for (Index begin = 0; begin < count; begin += panel_rows) {
      const Index height = std::min(panel_rows, count - begin);
      fill_panel(begin, height);
      gram_.template selfadjointView<Eigen::Lower>().rankUpdate(panel_.topRows(height).transpose(), sign);
    }
  }

  void fill_panel(Index begin, Index height) {
    panel_.setZero(panel_rows, size_ + 1);
    const std::int32_t last = rows_[static_cast<std::size_t>(begin + height - 1)];
    for (Index s = 0; s < size_; ++s) {
      const auto run = columns_.run(s);
      const double scale = columns_.norm(s) > 0 ? 1 / columns_.norm(s) : 0;
      Real* out = panel_.data() + s * panel_rows;
      if (!run.rows) {
        for (Index k = 0; k < height; ++k) {
          const auto at = static_cast<std::size_t>(begin + k);
          out[k] = static_cast<Real>(static_cast<double>(run.values[rows_[at]]) * scale * factors_[at]);
        }
        continue;
      }
      Index& cursor = cursor_[static_cast<std::size_t>(s)];
      for (; cursor < run.count && run.rows[cursor] <= last; ++cursor) {
        const std::int32_t at = position_[static_cast<std::size_t>(run.rows[cursor])];
        if (at < 0) continue;
        out[at - begin] = static_cast<Real>(static_cast<double>(run.values[cursor]) * scale *
                                            factors_[static_cast<std::size_t>(at)]);
      }
    }
    const double constant = 1 / std::sqrt(static_cast<double>(columns_.rows()));
    for (Index k = 0; k < height; ++k)
      panel_(k, size_) = static_cast<Real>(constant * factors_[static_cast<std::size_t>(begin + k)]);
  }

  const PackedColumns<D>& columns_;
  Index size_ = -1;
  double unit_ = 0;
  Matrix<Real> gram_;
  Matrix<Real> panel_;
  Vector<double> weights_;
  std::vector<std::int32_t> rows_, position_;
  std::vector<double> factors_;
  std::vector<Index> cursor_;
};

}  // namespace sparse_experts::detail
