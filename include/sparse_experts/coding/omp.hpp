// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/encode_rows.hpp>
#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/coding/support_inverse.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace sparse_experts {

/// Options of OmpCoder.
struct OmpOptions {
  Index n_nonzero = 10;  ///< at most so many atoms a sample, >= 1
  double tol = 0;        ///< stop when |x - D's|^2 <= tol |x|^2, in [0, 1]
  int n_threads = 0;     ///< 0 = all
};

/// Orthogonal matching pursuit over a dictionary D (k x p, rows = atoms): from s = 0, again and again take
/// the atom with the largest |d_j'r| / |d_j|, r = x - D's, and fit s by least squares on the atoms taken.
/// Atoms may have any length; atoms of zeros are never taken. Stops after n_nonzero atoms, at tol, or when no
/// atom is left that is independent of those taken. Batch form on the Gram (k^2 numbers): no residual is ever
/// made.
///   OmpCoder<double> coder(D, {.n_nonzero = 15});
///   SparseMatrix<double, RowMajor> S = coder.transform(X);   // n x k
/// Certificates: value = |x - D's|^2 / |x|^2, compared with tol; objective = 1/2 |x - D's|^2; n_iter = atoms
/// taken. Cost: k L^2 / 2 for L atoms, beside the correlations D x. Errors: empty or non-finite D, n_nonzero
/// < 1, X with another number of columns or not finite. Ref: Rubinstein, Zibulevsky, Elad, "Efficient
/// implementation of the K-SVD algorithm using batch orthogonal matching pursuit", 2008.
template <class Scalar>
class OmpCoder {
 public:
  using Options = OmpOptions;

  /// Buffers for one thread; made by workspace().
  struct Workspace {
    detail::SampleBuffer<Scalar> sample;
    Vector<Scalar> correlations;
    detail::CodeState<Scalar> state;
    detail::SupportInverse<Scalar> inverse;
  };

  template <class Derived>
  explicit OmpCoder(const Eigen::MatrixBase<Derived>& dictionary, Options options = Options())
      : options_(options) {
    detail::check_at_least("n_nonzero", options.n_nonzero, 1);
    detail::check_in_unit_interval("tol", options.tol);
    detail::check_dictionary(dictionary, "dictionary");
    dictionary_ = dictionary;
    scale_ = dictionary_.rowwise().norm();
    RowMatrix<Scalar> unit = dictionary_;
    for (Index j = 0; j < scale_.size(); ++j) {
      scale_[j] = scale_[j] > Scalar(0) ? Scalar(1) / scale_[j] : Scalar(0);
      unit.row(j) *= scale_[j];
    }
    atoms_.assign(unit);
    gram_ = detail::padded_gram(atoms_, unit, 0);
  }

  const Options& options() const { return options_; }
  const RowMatrix<Scalar>& dictionary() const { return dictionary_; }  ///< k x p
  Index n_components() const { return dictionary_.rows(); }
  Index n_features() const { return dictionary_.cols(); }

  Workspace workspace() const {
    return {detail::SampleBuffer<Scalar>(n_features()), Vector<Scalar>::Zero(atoms_.padded()),
            detail::CodeState<Scalar>(n_components(), atoms_.padded()),
            detail::SupportInverse<Scalar>(most_atoms())};
  }

  /// Codes of the rows of X (n x p; dense or sparse, any storage order) as n x k compressed rows. The same
  /// bits at any n_threads.
  template <class X>
  SparseRowMatrix<Scalar> transform(const Eigen::EigenBase<X>& input, CodingReport* report = nullptr) const {
    return detail::with_rows(input, [&](const auto& x) {
      detail::check_features(x, n_features());
      const Index n_blocks = detail::block_count(x.rows(), detail::code_block);
      std::vector<detail::CodingSums> sums(static_cast<std::size_t>(n_blocks));
      std::vector<Workspace> workspaces(
          static_cast<std::size_t>(std::min(detail::resolve_threads(options_.n_threads), n_blocks)));
      for (Workspace& work : workspaces) work = workspace();
      SparseRowMatrix<Scalar> codes = detail::encode_rows<Scalar>(
          x, atoms_, options_.n_threads,
          [&](const Scalar* c, double squared_norm, Index, const detail::Block& block,
              detail::CodeRows<Scalar>& sink) {
            Workspace& work = workspaces[static_cast<std::size_t>(block.worker)];
            sums[static_cast<std::size_t>(block.id)].add(solve(c, squared_norm, work));
            for (Index i = 0; i < work.state.size; ++i)
              sink.push(work.state.support[static_cast<std::size_t>(i)], work.state.value[i]);
          });
      if (report)
        *report = detail::make_report(sums, options_.tol, codes.rows(), n_components(), codes.nonZeros());
      return codes;
    });
  }

  /// code = s(x): x any dense vector of p, code a dense vector of k. No allocation. The same bits as
  /// transform.
  template <class X, class Code>
  Convergence encode_into(const Eigen::MatrixBase<X>& x, Eigen::MatrixBase<Code>&& code,
                          Workspace& work) const {
    return encode_into(x, code, work);
  }
  template <class X, class Code>
  Convergence encode_into(const Eigen::MatrixBase<X>& x, Eigen::MatrixBase<Code>& code,
                          Workspace& work) const {
    detail::check_sample(x.derived(), n_features());
    detail::check_size("code.size()", code.size(), n_components(), "atoms of the dictionary");
    const detail::SparseSample<Scalar> sample = work.sample.gather(x.derived());
    atoms_.correlate(sample, work.correlations.data());
    const Convergence result = solve(work.correlations.data(), detail::squared_norm(sample), work);
    code.derived().setZero();
    for (Index i = 0; i < work.state.size; ++i)
      code.derived()[work.state.support[static_cast<std::size_t>(i)]] = work.state.value[i];
    return result;
  }

 private:
  Index most_atoms() const { return std::min({options_.n_nonzero, n_components(), n_features()}); }

  /// Takes atoms one by one; a new one moves s along the column of the inverse that belongs to it.
  Convergence solve(const Scalar* c, double squared_norm, Workspace& work) const {
    constexpr Scalar eps = std::numeric_limits<Scalar>::epsilon();
    constexpr Index w = detail::lane_width<Scalar>;
    const detail::CodeProblem<Scalar> problem{
        gram_.data(), n_components(), gram_.cols(), most_atoms(), 0, false, 0, most_atoms(), 1};
    detail::CodeState<Scalar>& state = work.state;
    Scalar* value = state.value.data();
    work.inverse.clear();
    state.size = 0;
    double left = squared_norm;
    Convergence result{Status::max_iter, 1, options_.tol, 0.5 * squared_norm, 0};
    while (left > options_.tol * squared_norm && state.size < most_atoms()) {
      const auto peaks = detail::residual_correlations(problem, c, state);
      const std::size_t top = peaks.largest();
      const int j = peaks.index[top];
      if (!(peaks.value[top] > 16 * eps * static_cast<Scalar>(std::sqrt(squared_norm)))) break;
      work.inverse.gather(problem, state.support.data(), value, j);
      const Scalar complement = work.inverse.prepare(problem.diagonal(j));
      if (!(complement > 1000 * eps)) break;
      const Index t = state.size++;
      state.support[static_cast<std::size_t>(t)] = j;
      value[t] = 0;
      work.inverse.add(complement);
      const Scalar g = state.g[j];
      for (Index q = 0; q < state.size; q += w)
        detail::lanes(value + q) += g * detail::lanes(work.inverse.row(t) + q);
      left -= static_cast<double>(g) * static_cast<double>(g) / static_cast<double>(complement);
    }
    result.n_iter = state.size;
    result.value = squared_norm > 0 ? std::max(0.0, left) / squared_norm : 0;
    result.objective = 0.5 * std::max(0.0, left);
    if (result.value <= options_.tol || state.size == options_.n_nonzero)
      result.status = Status::converged;
    else
      result.status = Status::stalled;
    for (Index i = 0; i < state.size; ++i) value[i] *= scale_[state.support[static_cast<std::size_t>(i)]];
    detail::sort_support(state);
    return result;
  }

  Options options_;
  RowMatrix<Scalar> dictionary_;
  Vector<Scalar> scale_;  // 1 / |d_j|, 0 for atoms of zeros
  detail::Atoms<Scalar> atoms_;
  RowMatrix<Scalar> gram_;
};

}  // namespace sparse_experts
