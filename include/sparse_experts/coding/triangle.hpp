// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/direct_code.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>

namespace sparse_experts {

/// Options of TriangleCoder.
struct TriangleOptions {
  double theta = 1;   ///< share of the mean distance beyond which a centre is silent, > 0
  int n_threads = 0;  ///< 0 = all
};

/// Triangle codes over given centres c_1 … c_k (k x p, e.g. of K-means):
///   s_j = max(theta dbar(x) - |x - c_j|, 0),   dbar(x) = mean_j |x - c_j|
/// With theta = 1 about half of the entries are zero, fewer are non-zero with a smaller theta. Distances come
/// from |x|^2 - 2 c_j'x + |c_j|^2, so those far below |x| carry its rounding. Cost: k times the non-zeros of
/// x. Ref: Coates, Lee, Ng, "An analysis of single-layer networks in unsupervised feature learning", AISTATS
/// 2011.
///   TriangleCoder<double> coder(kmeans.centers(), {.theta = 1});
///   SparseMatrix<double, RowMajor> S = coder.transform(X);   // n x k
/// Errors: empty or non-finite centres, theta not positive, X with another number of columns or not finite.
template <class Scalar>
class TriangleCoder {
 public:
  using Options = TriangleOptions;
  /// Buffers for one thread; made by workspace().
  using Workspace = detail::DirectWorkspace<Scalar>;

  template <class Derived>
  explicit TriangleCoder(const Eigen::MatrixBase<Derived>& centers, Options options = Options())
      : options_(options) {
    detail::check_positive("theta", options.theta);
    detail::check_dictionary(centers, "centers");
    centers_ = centers;
    atoms_.assign(centers_);
    squared_norms_ = centers_.rowwise().squaredNorm();
  }

  const Options& options() const { return options_; }
  const RowMatrix<Scalar>& centers() const { return centers_; }  ///< k x p
  Index n_components() const { return centers_.rows(); }
  Index n_features() const { return centers_.cols(); }
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
    return [this](const Scalar* c, double squared_norm, auto&& push) {
      const auto xx = static_cast<Scalar>(squared_norm);
      const auto distance = [&](Index j) {
        return std::sqrt(std::max(Scalar(0), xx - 2 * c[j] + squared_norms_[j]));
      };
      double sum = 0;
      for (Index j = 0; j < n_components(); ++j) sum += static_cast<double>(distance(j));
      const auto reach = static_cast<Scalar>(options_.theta * sum / static_cast<double>(n_components()));
      for (Index j = 0; j < n_components(); ++j)
        if (const Scalar value = reach - distance(j); value > 0) push(j, value);
    };
  }

  Options options_;
  RowMatrix<Scalar> centers_;
  Vector<Scalar> squared_norms_;
  detail::Atoms<Scalar> atoms_;
};

}  // namespace sparse_experts
