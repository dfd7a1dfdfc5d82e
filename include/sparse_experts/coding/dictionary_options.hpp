// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <cstdint>

namespace sparse_experts {

enum class DictionaryAlgorithm {
  online,  ///< mini-batches and sufficient statistics (Mairal et al. 2010)
  batch    ///< all codes, then all atoms, in turn
};

enum class DictionaryInit {
  samples,  ///< distinct random samples scaled to unit norm
  random,   ///< random directions: needs more passes than the others
  kmeans    ///< directions of a short K-means on the sphere, of at most 20 samples an atom
};

/// Options of DictionaryLearning.
struct DictionaryLearningOptions {
  Index n_components = 100;  ///< atoms k
  double alpha = 0.1;        ///< weight of |s|_1, >= 0
  std::uint64_t seed = 0;    ///< of the initial atoms, the held-out samples and the order of the mini-batches
  Index batch_size = 256;    ///< samples of a mini-batch
  Index max_iter = 10;       ///< passes over the samples
  bool positive_code = false;
  bool positive_dict = false;
  DictionaryInit init = DictionaryInit::samples;
  DictionaryAlgorithm algorithm = DictionaryAlgorithm::online;
  double tol = 1e-3;       ///< stop when a round lowers the held-out objective by less than this share of it
  double alpha2 = 0;       ///< weight of 1/2 |s|^2
  double code_tol = 1e-4;  ///< relative duality gap of the codes while learning
  double transform_tol = 1e-6;  ///< relative duality gap of the codes of transform
  double validation_fraction =
      0.05;           ///< share of the samples (at most 2000) kept from learning to measure the objective
  int n_threads = 0;  ///< 0 = all
  ProgressCallback on_progress = {};  ///< once a round; stage "dictionary_learning"
};

namespace detail {

inline void check_options(const DictionaryLearningOptions& options) {
  check_at_least("n_components", options.n_components, 1);
  check_non_negative("alpha", options.alpha);
  check_at_least("batch_size", options.batch_size, 1);
  check_at_least("max_iter", options.max_iter, 1);
  check_non_negative("tol", options.tol);
  check_non_negative("alpha2", options.alpha2);
  check_positive("code_tol", options.code_tol);
  check_positive("transform_tol", options.transform_tol);
  check_in_unit_interval("validation_fraction", options.validation_fraction);
}

inline SparseCoderOptions coder_options(const DictionaryLearningOptions& options, double tol) {
  SparseCoderOptions coder;
  coder.alpha = options.alpha;
  coder.alpha2 = options.alpha2;
  coder.positive = options.positive_code;
  coder.tol = tol;
  coder.n_threads = options.n_threads;
  return coder;
}

}  // namespace detail

}  // namespace sparse_experts
