// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/direct_code.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

namespace sparse_experts {

/// Options of FeedForwardCoder.
struct FeedForwardOptions {
  double theta =
      0.1;  ///< threshold, >= 0, in the unit of d_j'x (cosines, when atoms and samples have unit norm)
  int n_threads = 0;  ///< 0 = all
};

/// Feed-forward codes over a dictionary D (k x p, rows = atoms), without iteration:
///   s = max(D x - theta, 0)
/// Cost: k times the non-zeros of x. Ref: Coates, Ng, "The importance of encoding versus training with sparse
/// coding and vector quantization", ICML 2011.
///   FeedForwardCoder<float> coder(D, {.theta = 0.1});
///   SparseMatrix<float, RowMajor> S = coder.transform(X);   // n x k
/// Errors: empty or non-finite D, theta negative, X with another number of columns or not finite.
template <class Scalar>
class FeedForwardCoder {
 public:
  using Options = FeedForwardOptions;
  using Workspace = detail::DirectWorkspace<Scalar>;  ///< buffers for one thread; made by workspace()

  template <class Derived>
  explicit FeedForwardCoder(const Eigen::MatrixBase<Derived>& dictionary, Options options = Options())
      : options_(options) {
    detail::check_non_negative("theta", options.theta);
    detail::check_dictionary(dictionary, "dictionary");
    dictionary_ = dictionary;
    atoms_.assign(dictionary_);
  }

  const Options& options() const { return options_; }
  const RowMatrix<Scalar>& dictionary() const { return dictionary_; }  ///< k x p
  Index n_components() const { return dictionary_.rows(); }
  Index n_features() const { return dictionary_.cols(); }
  Workspace workspace() const { return detail::direct_workspace(atoms_); }

  /// Codes of the rows of X (n x p; dense or sparse, any storage order) as n x k compressed rows. `report`
  /// receives the density; there is no gap.
  template <class X>
  SparseRowMatrix<Scalar> transform(const Eigen::EigenBase<X>& x, CodingReport* report = nullptr) const {
    return detail::direct_transform(x, atoms_, options_.n_threads, report, rule());
  }

  /// code = s(x), without allocation; the same bits as transform.
  template <class X, class Code>
  Convergence encode_into(const Eigen::MatrixBase<X>& x, Eigen::MatrixBase<Code>&& code,
                          Workspace& work) const {
    return detail::direct_encode(x.derived(), code.derived(), atoms_, work, rule());
  }
  template <class X, class Code>
  Convergence encode_into(const Eigen::MatrixBase<X>& x, Eigen::MatrixBase<Code>& code,
                          Workspace& work) const {
    return detail::direct_encode(x.derived(), code.derived(), atoms_, work, rule());
  }

 private:
  auto rule() const {
    return [theta = static_cast<Scalar>(options_.theta), k = n_components()](const Scalar* c, double,
                                                                             auto&& push) {
      for (Index j = 0; j < k; ++j)
        if (c[j] > theta) push(j, c[j] - theta);
    };
  }

  Options options_;
  RowMatrix<Scalar> dictionary_;
  detail::Atoms<Scalar> atoms_;
};

}  // namespace sparse_experts
