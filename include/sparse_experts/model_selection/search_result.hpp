// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/model_selection/search_space.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sparse_experts {

/// One candidate of the search.
struct SearchResult {
  Candidate candidate;
  double accuracy = 0;   ///< mean validation accuracy over the folds
  double deviation = 0;  ///< standard error of that mean
  double seconds = 0;    ///< of all its folds
  Index n_samples = 0;   ///< validation samples
  Index round = 1;       ///< of the search; rounds may see different samples
};

namespace detail {

/// Right (1) or wrong (0) for every validation sample of a result.
struct SearchTrial {
  SearchResult result;
  std::vector<char> hits;

  void finish(double seconds) {
    result.n_samples = static_cast<Index>(hits.size());
    const auto n = static_cast<double>(std::max<Index>(1, result.n_samples));
    result.accuracy = static_cast<double>(std::count(hits.begin(), hits.end(), char{1})) / n;
    result.deviation = std::sqrt(std::max(1e-12, result.accuracy * (1 - result.accuracy)) / n);
    result.seconds = seconds;
  }
};

/// True when a is right on more samples than b, by more than `margin` standard errors of the difference.
/// Both are trials on the same samples, so only those count where one of the two is right.
inline bool beats(const SearchTrial& a, const SearchTrial& b, double margin) {
  double gain = 0, different = 0;
  for (std::size_t i = 0; i < std::min(a.hits.size(), b.hits.size()); ++i) {
    const int d = a.hits[i] - b.hits[i];
    gain += d;
    different += d * d;
  }
  return gain > margin * std::sqrt(different);
}

}  // namespace detail

}  // namespace sparse_experts
