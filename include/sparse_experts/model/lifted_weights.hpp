// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <utility>
#include <vector>

namespace sparse_experts {

/// W of Y = W'Phi(S) + b, ((K+1)(k+1)) x q, kept by rows: dense where most entries are used, sparse
/// otherwise.
template <class Scalar>
class LiftedWeights {
 public:
  LiftedWeights() = default;
  LiftedWeights(const Matrix<Scalar>& coef, Vector<Scalar> intercept, Index n_components, Index n_experts,
                double rho)
      : intercept_(std::move(intercept)),
        n_components_(n_components),
        n_experts_(n_experts),
        rho_(static_cast<Scalar>(rho)) {
    for (Index t = 0; t < coef.size(); ++t) n_non_zero_ += coef.data()[t] != Scalar(0) ? 1 : 0;
    n_rows_ = coef.rows();
    if (4 * n_non_zero_ > coef.size()) {
      dense_ = coef;
      return;
    }
    sparse_.resize(coef.rows(), coef.cols());
    sparse_.resizeNonZeros(n_non_zero_);
    Index at = 0;
    for (Index i = 0; i < coef.rows(); ++i) {
      sparse_.outerIndexPtr()[i] = static_cast<int>(at);
      for (Index c = 0; c < coef.cols(); ++c)
        if (coef(i, c) != Scalar(0)) {
          sparse_.innerIndexPtr()[at] = static_cast<int>(c);
          sparse_.valuePtr()[at++] = coef(i, c);
        }
    }
    sparse_.outerIndexPtr()[coef.rows()] = static_cast<int>(at);
  }

  /// Scores of one sample: code (count, index, value) under the gates (experts, weights). No allocation.
  template <class ExpertIndex>
  void score(Index count, const int* index, const Scalar* value, Index n_gates, const ExpertIndex* experts,
             const Scalar* weights, Scalar* out) const {
    const Index q = intercept_.size(), k = n_components_;
    for (Index c = 0; c < q; ++c) out[c] = intercept_[c];
    for (Index t = 0; t < count; ++t) {
      const Index j = index[t];
      add_row(j, rho_ * value[t], out);
      for (Index a = 0; a < n_gates; ++a)
        add_row((static_cast<Index>(experts[a]) + 1) * k + j, weights[a] * value[t], out);
    }
    const Index tail = (n_experts_ + 1) * k;
    add_row(tail, rho_, out);
    for (Index a = 0; a < n_gates; ++a) add_row(tail + 1 + static_cast<Index>(experts[a]), weights[a], out);
  }

  /// W as a sparse matrix, lifted features x q, as in GatedDesign.
  SparseMatrix<Scalar> coef() const {
    if (dense_.size() > 0) return dense_.sparseView(Scalar(0), Scalar(0));
    return sparse_;
  }
  const Vector<Scalar>& intercept() const { return intercept_; }
  Index n_outputs() const { return intercept_.size(); }
  Index n_experts() const { return n_experts_; }
  Index n_rows() const { return n_rows_; }
  Index non_zeros() const { return n_non_zero_; }
  Index bytes() const {
    const auto scalar = static_cast<Index>(sizeof(Scalar)), index = static_cast<Index>(sizeof(int));
    return dense_.size() > 0 ? scalar * dense_.size()
                             : (scalar + index) * sparse_.nonZeros() + index * (sparse_.rows() + 1);
  }

 private:
  void add_row(Index row, Scalar factor, Scalar* out) const {
    const Index q = intercept_.size();
    if (dense_.size() > 0) {
      const Scalar* w = dense_.data() + row * q;
      for (Index c = 0; c < q; ++c) out[c] += factor * w[c];
      return;
    }
    for (int t = sparse_.outerIndexPtr()[row]; t < sparse_.outerIndexPtr()[row + 1]; ++t)
      out[sparse_.innerIndexPtr()[t]] += factor * sparse_.valuePtr()[t];
  }

  RowMatrix<Scalar> dense_;
  SparseRowMatrix<Scalar> sparse_;
  Vector<Scalar> intercept_;
  Index n_components_ = 0, n_experts_ = 0, n_rows_ = 0, n_non_zero_ = 0;
  Scalar rho_ = 1;
};

}  // namespace sparse_experts
