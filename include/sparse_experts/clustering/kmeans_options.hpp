// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>

#include <cstdint>

namespace sparse_experts {

/// How the nearest centre of every sample is found. All of them return the labels and centres of plain Lloyd,
/// bit for bit; they differ in time and memory only.
enum class KMeansAlgorithm {
  automatic,  ///< chosen by n, p, K and the density of X
  lloyd,      ///< every distance, every iteration
  hamerly,    ///< one lower bound per sample; O(n) memory
  elkan,      ///< one lower bound per sample and centre; O(n K) memory
  yinyang     ///< one lower bound per sample and group of centres; O(n K / 16) memory
};

/// Where the first centres come from.
enum class KMeansInit {
  kmeans_plus_plus,  ///< greedy k-means++ (Arthur, Vassilvitskii 2007), 2 + floor(log K) trials per centre
  random,            ///< K different rows of positive weight, uniformly
  kmeans_parallel    ///< k-means|| (Bahmani et al. 2012): 5 rounds of about 2 K candidates, for large K
};

/// Options of KMeans.
struct KMeansOptions {
  Index n_clusters = 8;  ///< K, 1 <= K <= number of rows of positive weight
  Index max_iter = 300;  ///< limit of iterations per start
  /// Stop when the squared shift of all centres is at most tol times the mean variance of the features
  /// (as scikit-learn does); 0: when no label changes.
  double tol = 1e-4;
  Index n_init = 1;                                        ///< number of starts; the least inertia wins
  std::uint64_t seed = 0;                                  ///< of the seeding
  KMeansInit init = KMeansInit::kmeans_plus_plus;          ///< used where no initial centres are given
  KMeansAlgorithm algorithm = KMeansAlgorithm::automatic;  ///< same result, other time
  int n_threads = 0;                                       ///< 0 = all; never changes a bit of the result
  ProgressCallback on_progress = {};                       ///< called after every iteration
};

/// What a fit has cost, summed over all starts (seeding not included).
struct KMeansCounters {
  KMeansAlgorithm algorithm = KMeansAlgorithm::lloyd;  ///< the variant that ran last
  std::int64_t distance_evaluations = 0;               ///< sample-centre pairs evaluated
  std::int64_t lloyd_evaluations = 0;  ///< what plain Lloyd evaluates: n K in each assignment step

  /// Share of the distances of plain Lloyd that bounds made unnecessary.
  double skipped_share() const {
    return lloyd_evaluations > 0
               ? 1 - static_cast<double>(distance_evaluations) / static_cast<double>(lloyd_evaluations)
               : 0.0;
  }
};

}  // namespace sparse_experts
