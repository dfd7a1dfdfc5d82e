// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Leaves the points of `points` that are not certainly farther than the root of squared_eps from the box of
/// `others`. Points are columns: x[j][k], j < p.
inline void keep_near(const double* const* x, Index p, double squared_eps, const std::vector<Index>& others,
                      std::vector<Index>& points) {
  std::vector<double> low, high;
  for (Index j = 0; j < p; ++j) {
    low.push_back(x[j][others.front()]);
    high.push_back(low.back());
    for (const Index k : others) {
      low.back() = std::min(low.back(), x[j][k]);
      high.back() = std::max(high.back(), x[j][k]);
    }
  }
  std::size_t kept = 0;
  for (const Index k : points) {
    double sum = 0;
    for (Index j = 0; j < p; ++j) {
      const auto at = static_cast<std::size_t>(j);
      const double outside = std::max(std::max(low[at] - x[j][k], x[j][k] - high[at]), 0.0);
      sum += outside * outside;
    }
    if (!(sum > squared_eps * (1 + 1e-12))) points[kept++] = k;
  }
  points.resize(kept);
}

/// Is some point of a within the root of squared_eps of some point of b? Both have points. Drops what is too
/// far from the other's box, tries, halves the longer list along its widest side. In: lists of points, which
/// are left in another state.
inline bool any_pair_within(const double* const* x, Index p, double squared_eps, std::vector<Index>& a,
                            std::vector<Index>& b) {
  constexpr std::size_t small = 4096;
  const auto near = [&](Index k, Index l) {
    double sum = 0;
    for (Index j = 0; j < p; ++j) sum += (x[j][k] - x[j][l]) * (x[j][k] - x[j][l]);
    return sum <= squared_eps;
  };
  keep_near(x, p, squared_eps, b, a);
  if (a.empty()) return false;
  keep_near(x, p, squared_eps, a, b);
  if (b.empty()) return false;
  if (a.size() * b.size() <= small) {
    for (const Index k : a)
      for (const Index l : b)
        if (near(k, l)) return true;
    return false;
  }
  if (a.size() < b.size()) a.swap(b);
  if (near(a[a.size() / 2], b[b.size() / 2])) return true;
  const double* widest = x[0];
  double width = -1;
  for (Index j = 0; j < p; ++j) {
    double low = x[j][a.front()], high = low;
    for (const Index k : a) {
      low = std::min(low, x[j][k]);
      high = std::max(high, x[j][k]);
    }
    if (high - low > width) {
      width = high - low;
      widest = x[j];
    }
  }
  const auto middle = a.begin() + static_cast<std::ptrdiff_t>(a.size() / 2);
  std::nth_element(a.begin(), middle, a.end(), [widest](Index k, Index l) { return widest[k] < widest[l]; });
  std::vector<Index> half(middle, a.end()), rest = b;
  a.erase(middle, a.end());
  return any_pair_within(x, p, squared_eps, a, rest) || any_pair_within(x, p, squared_eps, half, b);
}

}  // namespace sparse_experts::detail
