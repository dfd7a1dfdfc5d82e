// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/gram_model.hpp>
#include <sparse_experts/solvers/newton_model.hpp>
#include <sparse_experts/solvers/packed_columns.hpp>
#include <sparse_experts/solvers/violator_gram.hpp>

#include <vector>

namespace sparse_experts::detail {

/// Minimises the model of a proximal Newton step on the Gram of the violators, in columns of norm 1.
template <class Real, Design D>
class GramStep {
 public:
  static constexpr std::size_t first_columns = 1000;

  explicit GramStep(const PackedColumns<D>& columns) : gram_(columns) {}

  /// The new weights of the working set (slots).
  Vector<double> minimise(const PackedColumns<D>& columns, const NewtonModel& model,
                          const std::vector<Index>& slots) {
    gram_.update(model.curvature);
    const auto m = static_cast<Index>(slots.size());
    Vector<double> scale(m), bias(m);
    const Index constant = gram_.size();
    const double bias_curvature = gram_(constant, constant);
    for (Index a = 0; a < m; ++a) {
      const Index slot = slots[static_cast<std::size_t>(a)];
      scale[a] = columns.norm(slot) > 0 ? 1 / columns.norm(slot) : 0;
      bias[a] = model.free_intercept && bias_curvature > 0 ? gram_(constant, slot) : 0;
    }
    Matrix<double> part(m, m);
    for (Index a = 0; a < m; ++a)
      for (Index b = a; b < m; ++b) {
        double h = gram_(slots[static_cast<std::size_t>(b)], slots[static_cast<std::size_t>(a)]);
        if (bias[a] != 0) h -= bias[a] * bias[b] / bias_curvature;
        part(a, b) = part(b, a) = h;
      }
    const Vector<double> slope = model.slope.cwiseProduct(scale);
    Vector<double> start = model.start.cwiseQuotient(scale);
    GramModel solver(part, slope, scale, start);
    solver.minimise(model.tol, 1000);
    return solver.x().cwiseProduct(scale);
  }

 private:
  ViolatorGram<Real, D> gram_;
};

}  // namespace sparse_experts::detail
