// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Slots of centres in groups of `group_width` neighbours: the set is halved (at a multiple of the width)
/// along the line through two centres far from each other until it fits a group. Slots are sorted within a
/// group; the last group is padded with -1. Cost: O(K p log K).
template <class Scalar>
std::vector<std::int32_t> group_centers(const RowMatrix<Scalar>& centers, Index group_width) {
  std::vector<std::int32_t> slots(static_cast<std::size_t>(centers.rows()));
  for (std::size_t s = 0; s < slots.size(); ++s) slots[s] = static_cast<std::int32_t>(s);
  Vector<double> along(centers.rows());
  const Index p = centers.cols();
  const auto row = [&](std::int32_t k) { return centers.data() + k * p; };
  const auto farthest = [&](std::size_t begin, std::size_t end, std::int32_t from) {
    std::int32_t best = from;
    double distance = 0;
    for (std::size_t s = begin; s < end; ++s) {
      const double d = squared_gap(row(slots[s]), row(from), p);
      if (d > distance) {
        distance = d;
        best = slots[s];
      }
    }
    return best;
  };
  const auto split = [&](const auto& self, std::size_t begin, std::size_t end) -> void {
    const auto width = static_cast<std::size_t>(group_width), size = end - begin;
    if (size <= width) {
      for (std::size_t s = begin + 1; s < end; ++s)
        for (std::size_t t = s; t > begin && slots[t] < slots[t - 1]; --t) std::swap(slots[t - 1], slots[t]);
      return;
    }
    const std::int32_t one = farthest(begin, end, slots[begin]), other = farthest(begin, end, one);
    for (std::size_t s = begin; s < end; ++s)
      along[slots[s]] = squared_gap(row(slots[s]), row(one), p) - squared_gap(row(slots[s]), row(other), p);
    const std::size_t middle = begin + ((size + width - 1) / width + 1) / 2 * width;
    std::nth_element(slots.begin() + static_cast<std::ptrdiff_t>(begin),
                     slots.begin() + static_cast<std::ptrdiff_t>(middle),
                     slots.begin() + static_cast<std::ptrdiff_t>(end), [&](std::int32_t a, std::int32_t b) {
                       return along[a] < along[b] || (!(along[b] < along[a]) && a < b);
                     });
    self(self, begin, middle);
    self(self, middle, end);
  };
  split(split, 0, slots.size());
  while (slots.size() % static_cast<std::size_t>(group_width) != 0) slots.push_back(-1);
  return slots;
}

}  // namespace sparse_experts::detail
