// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/encode_rows.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <cstddef>
#include <type_traits>
#include <vector>

namespace sparse_experts {

/// Options of SoftThresholdCoder.
struct SoftThresholdOptions {
  double alpha = 0.1;     ///< weight of |s|_1, >= 0
  double alpha2 = 0;      ///< weight of 1/2 |s|^2, >= 0
  bool positive = false;  ///< s >= 0
  int n_threads = 0;      ///< 0 = all
};

/// The sparse code of the identity dictionary in closed form:
///   argmin_s 1/2 |x - s|^2 + alpha |s|_1 + alpha2/2 |s|^2  =  sign(x) max(|x| - alpha, 0) / (1 + alpha2)
/// (max(x - alpha, 0) / (1 + alpha2) with s >= 0). Exact: there is no gap.
///   SoftThresholdCoder<double> coder(p, {.alpha = 0.1});
///   SparseMatrix<double, RowMajor> S = coder.transform(X);   // n x p
/// Errors: alpha or alpha2 negative, X with another number of columns or not finite.
template <class Scalar>
class SoftThresholdCoder {
 public:
  using Options = SoftThresholdOptions;
  struct Workspace {};  ///< none is needed; here for the common interface

  explicit SoftThresholdCoder(Index n_features, Options options = Options())
      : options_(options), n_features_(n_features) {
    detail::check_at_least("n_features", n_features, 1);
    detail::check_non_negative("alpha", options.alpha);
    detail::check_non_negative("alpha2", options.alpha2);
  }

  const Options& options() const { return options_; }
  Index n_components() const { return n_features_; }
  Index n_features() const { return n_features_; }
  Workspace workspace() const { return {}; }

  /// Codes of the rows of X (n x p; dense or sparse, any storage order) as n x p compressed rows.
  template <class X>
  SparseRowMatrix<Scalar> transform(const Eigen::EigenBase<X>& input, CodingReport* report = nullptr) const {
    return detail::with_rows(input, [&](const auto& x) {
      using Rows = std::decay_t<decltype(x)>;
      detail::check_samples(x, n_features_);
      const auto n_blocks = static_cast<std::size_t>(detail::block_count(x.rows(), detail::code_block));
      std::vector<detail::CodeRows<Scalar>> blocks(n_blocks);
      detail::parallel_blocks(x.rows(), detail::code_block, options_.n_threads,
                              [&](const detail::Block& block) {
                                detail::CodeRows<Scalar>& sink = blocks[static_cast<std::size_t>(block.id)];
                                for (Index i = block.begin; i < block.end; ++i) {
                                  const auto keep = [&](Index j, Scalar v) {
                                    if (const Scalar s = shrink(v); s != Scalar(0))
                                      sink.push(static_cast<int>(j), s);
                                  };
                                  if constexpr (detail::is_sparse<Rows>) {
                                    for (auto e = x.outerIndexPtr()[i]; e < x.outerIndexPtr()[i + 1]; ++e)
                                      keep(static_cast<Index>(x.innerIndexPtr()[e]), x.valuePtr()[e]);
                                  } else {
                                    for (Index j = 0; j < n_features_; ++j) keep(j, x(i, j));
                                  }
                                  sink.end_row();
                                }
                              });
      SparseRowMatrix<Scalar> codes = detail::assemble(blocks, x.rows(), n_features_, options_.n_threads);
      if (report) *report = detail::make_report({}, 0, codes.rows(), codes.cols(), codes.nonZeros());
      return codes;
    });
  }

  /// code = s(x), without allocation; the same bits as transform.
  template <class X, class Code>
  Convergence encode_into(const Eigen::MatrixBase<X>& x, Eigen::MatrixBase<Code>&& code,
                          Workspace& work) const {
    return encode_into(x, code, work);
  }
  template <class X, class Code>
  Convergence encode_into(const Eigen::MatrixBase<X>& x, Eigen::MatrixBase<Code>& code, Workspace&) const {
    detail::check_sample(x.derived(), n_features_);
    detail::check_size("code.size()", code.size(), n_features_, "features of the encoder");
    for (Index j = 0; j < n_features_; ++j) code.derived()[j] = shrink(x.derived()[j]);
    return {Status::converged, 0, 0, 0, 0};
  }

 private:
  Scalar shrink(Scalar x) const {
    const auto alpha = static_cast<Scalar>(options_.alpha), scale = static_cast<Scalar>(1 + options_.alpha2);
    if (x > alpha) return (x - alpha) / scale;
    if (x < -alpha && !options_.positive) return (x + alpha) / scale;
    return Scalar(0);
  }

  Options options_;
  Index n_features_;
};

}  // namespace sparse_experts
