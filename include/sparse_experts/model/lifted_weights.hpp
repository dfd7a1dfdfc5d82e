// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
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
    const bool dense = 4 * n_non_zero_ > coef.size();
    value_.reserve(static_cast<std::size_t>(dense ? coef.size() : n_non_zero_));
    for (Index i = 0; i < coef.rows(); ++i) {
      if (!dense) begin_.push_back(static_cast<int>(value_.size()));
      for (Index c = 0; c < coef.cols(); ++c) {
        const Scalar w = coef(i, c);
        if (!dense && w == Scalar(0)) continue;
        value_.push_back(w);
        if (!dense) output_.push_back(static_cast<int>(c));
      }
    }
    if (!dense) begin_.push_back(static_cast<int>(value_.size()));
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
    const Index q = intercept_.size();
    SparseMatrix<Scalar> out(n_rows_, q);
    out.resizeNonZeros(n_non_zero_);
    std::vector<int> next(static_cast<std::size_t>(q) + 1, 0);
    for_entries([&](Index, Index c, Scalar w) { next[static_cast<std::size_t>(c) + 1] += w != Scalar(0); });
    for (Index c = 0; c < q; ++c) next[static_cast<std::size_t>(c) + 1] += next[static_cast<std::size_t>(c)];
    std::copy(next.begin(), next.end(), out.outerIndexPtr());
    for_entries([&](Index i, Index c, Scalar w) {
      if (w == Scalar(0)) return;
      const int at = next[static_cast<std::size_t>(c)]++;
      out.innerIndexPtr()[at] = static_cast<int>(i);
      out.valuePtr()[at] = w;
    });
    return out;
  }
  const Vector<Scalar>& intercept() const { return intercept_; }
  Index n_outputs() const { return intercept_.size(); }
  Index n_experts() const { return n_experts_; }
  Index n_rows() const { return n_rows_; }
  Index non_zeros() const { return n_non_zero_; }
  Index bytes() const {
    const auto scalar = static_cast<Index>(sizeof(Scalar)), index = static_cast<Index>(sizeof(int));
    const auto stored = static_cast<Index>(value_.size()), rows = static_cast<Index>(begin_.size());
    return begin_.empty() ? scalar * stored : (scalar + index) * stored + index * rows;
  }

 private:
  template <class F>
  void for_entries(F&& f) const {
    const Index q = intercept_.size();
    for (Index i = 0; i < n_rows_; ++i) {
      const auto row = static_cast<std::size_t>(i);
      const Index begin = begin_.empty() ? i * q : begin_[row],
                  end = begin_.empty() ? begin + q : begin_[row + 1];
      for (Index t = begin; t < end; ++t)
        f(i, begin_.empty() ? t - begin : output_[static_cast<std::size_t>(t)],
          value_[static_cast<std::size_t>(t)]);
    }
  }

  void add_row(Index row, Scalar factor, Scalar* out) const {
    if (begin_.empty()) {
      const Index q = intercept_.size();
      const Scalar* w = value_.data() + row * q;
      for (Index c = 0; c < q; ++c) out[c] += factor * w[c];
      return;
    }
    const int *begin = begin_.data() + row, *output = output_.data();
    const Scalar* w = value_.data();
    for (int t = begin[0]; t < begin[1]; ++t) out[output[t]] += factor * w[t];
  }

  // W by rows: all entries, or those that are not zero with their outputs and where each row begins.
  std::vector<Scalar> value_;
  std::vector<int> output_, begin_;
  Vector<Scalar> intercept_;
  Index n_components_ = 0, n_experts_ = 0, n_rows_ = 0, n_non_zero_ = 0;
  Scalar rho_ = 1;
};

}  // namespace sparse_experts
