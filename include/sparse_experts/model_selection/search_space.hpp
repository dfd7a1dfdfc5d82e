// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/model/encoder_options.hpp>
#include <sparse_experts/model/gate.hpp>
#include <sparse_experts/model/scaler.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace sparse_experts {

/// Experts of a candidate.
struct ExpertChoice {
  Index n_clusters = 0;  ///< K; 0: the shared expert alone
  Index top_k = 1;       ///< gate
  double beta = 4;       ///< gate
  double rho = 1;        ///< weight of the shared expert
};

/// A point of the search: scaling, representation, C and experts.
struct Candidate {
  Scaling scaling = Scaling::unit_norm;
  EncoderOptions representation = {};
  double C = 1;
  ExpertChoice experts = {};

  /// Options of the model that it stands for.
  template <class Model>
  typename Model::Options options() const {
    typename Model::Options options;
    options.scaling = scaling;
    options.representation = representation;
    options.clustering.n_clusters = experts.n_clusters;
    options.gate.top_k = experts.top_k;
    options.gate.beta = experts.beta;
    options.rho = experts.rho;
    options.expert.C = C;
    return options;
  }

  /// For example "center_unit_norm, feed_forward 512, C 1, K 0".
  std::string name() const {
    std::string text = std::string(to_string(scaling)) + ", " + to_string(representation.kind);
    if (representation.kind == EncoderKind::feed_forward || representation.kind == EncoderKind::triangle)
      text += ' ' + std::to_string(representation.n_components);
    text += ", C " + std::to_string(C) + ", K " + std::to_string(experts.n_clusters);
    if (experts.n_clusters > 0) text += " top " + std::to_string(experts.top_k);
    return text;
  }
};

/// What SparseExpertCV tries. An empty list stands for the defaults.
struct SearchSpace {
  std::vector<Candidate> representations = {};  ///< round 1; the linear model is always added
  std::vector<double> C = {};                   ///< round 2: values of C
  std::vector<ExpertChoice> experts = {};       ///< round 3; K = 0 is always among them
};

namespace detail {

/// Identity codes without experts: what nothing may be worse than.
template <class = void>
Candidate linear_candidate(bool sparse) {
  Candidate candidate;
  candidate.scaling = sparse ? Scaling::none : Scaling::standardize;
  candidate.representation.kind = EncoderKind::identity;
  return candidate;
}

/// Encoders that did well over many data sets, sized by n and p.
template <class = void>
std::vector<Candidate> default_representations(Index n, Index p, bool sparse) {
  std::vector<Candidate> all;
  const auto add = [&](Scaling scaling, EncoderKind kind, Index k, double density, double C) -> Candidate& {
    Candidate candidate;
    candidate.scaling = scaling;
    candidate.representation.kind = kind;
    candidate.representation.n_components = std::min(k, std::max<Index>(8, n / 2));
    candidate.representation.density = density;
    candidate.C = C;
    all.push_back(candidate);
    return all.back();
  };
  if (sparse) {
    add(Scaling::unit_norm, EncoderKind::identity, 0, 0.2, 1);
    return all;
  }
  const Index large = n >= 10000 ? 1500 : 800;
  if (p >= 32) {
    add(Scaling::center_unit_norm, EncoderKind::feed_forward, large / 2, 0.2, 1);
    Candidate& fast = add(Scaling::center_unit_norm, EncoderKind::feed_forward, large / 2, 0.2, 1);
    fast.representation.refine.rate = 1e-2;
    fast.representation.refine.dropout = 0.3;
    fast.representation.refine.input_dropout = 0.2;
    add(Scaling::unit_norm, EncoderKind::feed_forward, large, 0.2, 1);
    add(Scaling::center_unit_norm, EncoderKind::triangle, large, 0.1, 30);
  } else {
    Candidate& wide = add(Scaling::standardize, EncoderKind::feed_forward, large, 0.2, 1);
    wide.representation.refine.dropout = 0.2;
    wide.representation.refine.input_dropout = 0;
    Candidate& narrow = add(Scaling::standardize, EncoderKind::feed_forward, 200, 0.3, 1);
    narrow.representation.refine.dropout = 0.1;
    narrow.representation.refine.input_dropout = 0;
    add(Scaling::standardize, EncoderKind::triangle, 200, 0.3, 1);
    add(Scaling::standardize, EncoderKind::triangle, large, 0.05, 30);
  }
  return all;
}

template <class = void>
std::vector<ExpertChoice> default_experts(Index n) {
  std::vector<ExpertChoice> all;
  if (n >= 200) all.push_back({8, 2, 4, 1});
  if (n >= 2000) all.push_back({32, 4, 4, 1});
  return all;
}

}  // namespace detail

}  // namespace sparse_experts
