// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>

#include <cmath>
#include <vector>

namespace sparse_experts {

/// Gap Safe screening: columns whose weight is zero at every optimum leave the problem, by proof.
///   |θ* - θ|² <= 2 gap in the norm of the dual, so |x_j'θ*| <= |x_j'θ| + |x_j| sqrt(2 gap),
/// and where that is below l1_j the optimality condition leaves w_j = 0 alone. Holds for l2 >= 0 and (without
/// the absolute value) for w >= 0. The optimum without these columns is the optimum, so later gaps, passes
/// and sweeps need not look at them. Ref: Fercoq, Gramfort, Salmon, ICML 2015; Ndiaye et al., JMLR 2017.
class GapSafeScreening {
 public:
  /// All columns that may have a weight.
  void restart(const ElasticNetPenalty& penalty, const Vector<double>& norms) {
    alive_.clear();
    for (Index j = 0; j < norms.size(); ++j)
      if (norms[j] > 0 && !penalty.excluded(j)) alive_.push_back(j);
    n_screened_ = 0;
  }

  /// `center` = X'θ at a feasible θ, `gap` = primal - dual value there. Columns that leave get a zero in
  /// `correlations`; one with a weight stays until the solver has made it zero.
  void test(const ElasticNetPenalty& penalty, const Vector<double>& norms, const Vector<double>& w,
            const Vector<double>& center, double gap, Vector<double>& correlations) {
    constexpr double slack = 1 - 1e-10;
    const double radius = std::sqrt(2 * gap);
    std::size_t kept = 0;
    for (const Index j : alive_) {
      const double size = penalty.positive() ? center[j] : std::abs(center[j]);
      if (w[j] == 0 && size + std::sqrt(norms[j]) * radius < slack * penalty.l1(j)) {
        correlations[j] = 0;
        ++n_screened_;
      } else {
        alive_[kept++] = j;
      }
    }
    alive_.resize(kept);
  }

  const std::vector<Index>& alive() const { return alive_; }
  Index n_screened() const { return n_screened_; }

 private:
  std::vector<Index> alive_;
  Index n_screened_ = 0;
};

}  // namespace sparse_experts
