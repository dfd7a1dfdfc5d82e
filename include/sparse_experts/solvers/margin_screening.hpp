// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>

#include <cmath>
#include <vector>

namespace sparse_experts::detail {

/// Which columns the passes over X look at along a path of C. With w at C known, the correlations c = X'(y a)
/// at C' = r C are guessed to lie within r - 1 of r c: columns with r |c_j| < 2 - r are expected at zero and
/// left out. This is a guess, not a proof (the sequential strong rule), so every point ends with a pass over
/// all columns: what was left out wrongly comes back, and the certificate is that of the whole problem.
/// Ref: Tibshirani et al., JRSS B 74 (2012), with lambda = 1 / C.
class MarginScreening {
 public:
  /// Correlations of all columns where a problem ended.
  void ended(const Vector<double>& correlations) { last_ = correlations; }

  /// The next problem on the same X, costs r times as high; starts from weights `coef`.
  void start(double r, const Vector<double>& coef) {
    columns_.clear();
    active_ = last_.size() == coef.size() && coef.size() > 0;
    if (!active_) return;
    for (Index j = 0; j < coef.size(); ++j)
      if (coef[j] != 0 || !(r * std::abs(last_[j]) < 2 - r)) columns_.push_back(j);
    // The list costs more than it saves where most columns are on it.
    active_ = 4 * static_cast<Index>(columns_.size()) < 3 * coef.size();
  }

  /// Columns are left out.
  bool active() const { return active_; }
  /// Those that are not, ascending.
  const std::vector<Index>& columns() const { return columns_; }
  Index n_screened() const { return active_ ? last_.size() - static_cast<Index>(columns_.size()) : 0; }

  /// Takes back every column that violates its condition.
  void take_back(const Vector<double>& correlations) {
    std::vector<Index> all;
    std::size_t known = 0;
    for (Index j = 0; j < correlations.size(); ++j) {
      const bool on_list = known < columns_.size() && columns_[known] == j;
      known += on_list;
      if (on_list || std::abs(correlations[j]) > 1) all.push_back(j);
    }
    columns_.swap(all);
  }

 private:
  Vector<double> last_;
  std::vector<Index> columns_;
  bool active_ = false;
};

}  // namespace sparse_experts::detail
