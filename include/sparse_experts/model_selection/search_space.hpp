// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/model/encoder_options.hpp>
#include <sparse_experts/model/gate.hpp>
#include <sparse_experts/model/scaler.hpp>

#include <algorithm>
#include <cstdio>
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

  /// For example "center_unit_norm, feed_forward 512 (rate 0.005, dropout 0.5 0.1), C 1, K 0".
  std::string name() const {
    const auto number = [](double value) {
      char text[32];
      std::snprintf(text, sizeof(text), "%.3g", value);
      return std::string(text);
    };
    std::string text = std::string(to_string(scaling)) + ", " + to_string(representation.kind);
    if (uses_atoms()) text += ' ' + std::to_string(representation.n_components);
    if (is_refined())
      text += " (rate " + number(representation.refine.rate) + ", dropout " +
              number(representation.refine.dropout) + ' ' + number(representation.refine.input_dropout) + ')';
    text += ", C " + number(C) + ", K " + std::to_string(experts.n_clusters);
    if (experts.n_clusters > 0)
      text += " top " + std::to_string(experts.top_k) + ", rho " + number(experts.rho);
    return text;
  }

  bool uses_atoms() const {
    return representation.kind == EncoderKind::feed_forward || representation.kind == EncoderKind::triangle;
  }
  bool is_refined() const {
    return representation.kind == EncoderKind::feed_forward && representation.refine.epochs != 0;
  }
};

/// What SparseExpertCV tries. An empty list stands for the defaults by the shape of the data, so that an
/// empty space is the whole default search; the linear model always takes part.
struct SearchSpace {
  std::vector<Candidate> representations = {};  ///< round 1
  std::vector<double> C = {};                   ///< round 3: values of C; empty: steps of 10 while they pay
  std::vector<ExpertChoice> experts =
      {};  ///< round 4; K = 0 is always among them; K above the samples of a fold is left out
};

namespace detail {

/// Identity codes without experts: what nothing may be worse than.
template <class = void>
std::vector<Candidate> linear_candidates(bool sparse) {
  std::vector<Candidate> all;
  for (const Scaling scaling : {sparse ? Scaling::none : Scaling::standardize, Scaling::unit_norm}) {
    Candidate candidate;
    candidate.scaling = scaling;
    candidate.representation.kind = EncoderKind::identity;
    all.push_back(candidate);
  }
  return all;
}

/// Passes over n samples of p features that refine k atoms: enough for a small set, and for a large one what
/// about 1.5e13 multiplications and additions pay for.
template <class = void>
Index search_epochs(Index n, Index p, Index k) {
  const Index width = default_axes(p) > 0 ? default_axes(p) + p * default_axes(p) / (3 * k) : p;
  const double pass = 6.0 * static_cast<double>(n) * static_cast<double>(width + 10) * static_cast<double>(k);
  return static_cast<Index>(
      std::clamp(1.5e13 / pass, 8.0, std::clamp(1.8e6 / static_cast<double>(n), 60.0, 200.0)));
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
    candidate.representation.refine.epochs = search_epochs(n, p, candidate.representation.n_components);
    candidate.C = C;
    all.push_back(candidate);
    return all.back();
  };
  const auto refined = [&](Scaling scaling, Index k, double rate, double dropout, double input_dropout) {
    RefineOptions& refine = add(scaling, EncoderKind::feed_forward, k, 0.2, 1).representation.refine;
    refine.rate = rate;
    refine.dropout = dropout;
    refine.input_dropout = input_dropout;
  };
  // Few atoms and few passes: for noisy labels, where the others learn the samples by heart.
  const auto gentle = [&](Scaling scaling) {
    RefineOptions& refine = add(scaling, EncoderKind::feed_forward, 64, 0.2, 1).representation.refine;
    refine.dropout = 0.3;
    refine.epochs = std::clamp<Index>(200000 / n, 4, 40);
  };
  const Index large = n >= 30000 ? 2000 : (n >= 10000 ? 1000 : 500);
  if (sparse) {
    // On thousands of sparse features (text) atoms lose to the linear model, which stands beside them.
    if (p >= 2000) return all;
    refined(Scaling::standardize, 200, 5e-3, 0.5, 0.2);
    gentle(Scaling::unit_norm);
    gentle(Scaling::standardize);
    return all;
  }
  gentle(Scaling::standardize);
  if (p >= 32) {
    refined(Scaling::center_unit_norm, large, 5e-3, 0.5, 0.2);
    refined(Scaling::center_unit_norm, large, 1e-2, 0.3, 0.2);
    refined(Scaling::standardize, large / 2, 5e-3, 0.5, 0.2);
    refined(Scaling::unit_norm, large, 5e-3, 0.5, 0.1);
    add(Scaling::center_unit_norm, EncoderKind::triangle, large, 0.1, 30);
  } else {
    refined(Scaling::standardize, 2 * large, 5e-3, 0.2, 0);
    refined(Scaling::standardize, 200, 5e-3, 0.1, 0);
    refined(Scaling::standardize, 200, 5e-3, 0.5, 0.1);
    add(Scaling::standardize, EncoderKind::triangle, 200, 0.3, 1);
    add(Scaling::standardize, EncoderKind::triangle, large, 0.05, 30);
  }
  return all;
}

/// For codes of k components. Problems of too many lifted features are not worth their time.
template <class = void>
std::vector<ExpertChoice> default_experts(Index n, Index k) {
  std::vector<ExpertChoice> all;
  if (n >= 200 && k <= 10000) all.push_back({8, 2, 4, 1});
  if (n >= 2000 && k <= 2000) all.push_back({32, 4, 4, 1});
  return all;
}

}  // namespace detail

}  // namespace sparse_experts
