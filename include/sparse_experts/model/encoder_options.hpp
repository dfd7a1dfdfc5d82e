// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/refine_options.hpp>

namespace sparse_experts {

/// How a scaled sample x becomes its code s.
enum class EncoderKind {
  identity,        ///< s = x
  soft_threshold,  ///< s = sign(x) max(|x| - alpha, 0) / (1 + alpha2): the exact code for D = I
  feed_forward,    ///< s = max(D x - theta, 0)
  triangle         ///< s_j = max(theta mean_l |x - c_l| - |x - c_j|, 0)
};

/// Where the atoms come from.
enum class AtomSource {
  kmeans,    ///< centres of a short K-means
  exemplars  ///< different training samples, at random
};

constexpr const char* to_string(EncoderKind kind) {
  switch (kind) {
    case EncoderKind::identity:
      return "identity";
    case EncoderKind::soft_threshold:
      return "soft_threshold";
    case EncoderKind::feed_forward:
      return "feed_forward";
    case EncoderKind::triangle:
      return "triangle";
  }
  return "unknown";
}

struct EncoderOptions {
  EncoderKind kind = EncoderKind::feed_forward;  ///< the encoder
  Index n_components = 512;                      ///< k; at most the number of training samples
  AtomSource atoms = AtomSource::exemplars;      ///< where D comes from
  double alpha = 0.1;                            ///< L1 weight: soft_threshold
  double alpha2 = 0;                             ///< L2 weight: soft_threshold
  bool nonnegative = false;                      ///< s >= 0: soft_threshold
  double density = 0.2;                          ///< share of non-zeros at the start: feed_forward, triangle
  double theta = -1;                             ///< explicit threshold instead of density; < 0: from density
  Matrix<double> dictionary = {};                ///< given atoms, k x p; empty: made as `atoms` says
  RefineOptions refine = {};                     ///< supervised refinement of feed-forward atoms
};

namespace detail {

/// Axes that n_axes = -1 stands for: below some hundred features the passes are cheap without.
constexpr Index default_axes(Index n_features) { return n_features > 200 ? 96 : 0; }

template <class = void>
void check_encoder_options(const EncoderOptions& options, Index n_features) {
  check_non_negative("representation.alpha", options.alpha);
  check_non_negative("representation.alpha2", options.alpha2);
  check_in_unit_interval("representation.density", options.density);
  if (options.dictionary.size() > 0) {
    check_size("representation.dictionary.cols()", options.dictionary.cols(), n_features, "X.cols()");
    check_finite(options.dictionary, "representation.dictionary");
  }
  check_positive("representation.refine.rate", options.refine.rate);
  check_at_least("representation.refine.batch_size", options.refine.batch_size, 0);
  check_at_least("representation.refine.epochs", options.refine.epochs, -1);
  check_at_least("representation.refine.n_axes", options.refine.n_axes, -1);
  check_non_negative("representation.refine.l1", options.refine.l1);
  if (!(options.refine.input_dropout >= 0 && options.refine.input_dropout <= 0.9))
    reject("representation.refine.input_dropout", options.refine.input_dropout, "a value in [0, 0.9]");
  if (!(options.refine.dropout >= 0 && options.refine.dropout <= 0.9))
    reject("representation.refine.dropout", options.refine.dropout, "a value in [0, 0.9]");
}

}  // namespace detail

}  // namespace sparse_experts
