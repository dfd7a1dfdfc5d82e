// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/active_set_code.hpp>
#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/coordinate_code.hpp>
#include <sparse_experts/coding/encode_rows.hpp>
#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/coding/homotopy_code.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <vector>

namespace sparse_experts {

enum class SparseCoderAlgorithm {
  automatic,           ///< active_set; coordinate_descent where a support outgrows 256 atoms
  coordinate_descent,  ///< cyclic coordinate descent on the Gram with active lists
  active_set,          ///< feature-sign search: exact in about as many steps as the code has non-zeros
  homotopy             ///< LARS with drops: exact, follows the solution from alpha_max down to alpha
};

/// Options of SparseCoder.
struct SparseCoderOptions {
  double alpha =
      0.1;  ///< weight of |s|_1, >= 0; compared with correlations d_j'x, so it scales with |x| |d_j|
  double alpha2 = 0;      ///< weight of 1/2 |s|^2, >= 0
  bool positive = false;  ///< s >= 0
  double tol = 1e-6;      ///< relative duality gap of each sample: gap / (|x|^2 / 2)
  Index max_iter = 1000;  ///< bounded mode: at most so many sweeps (or support changes) a sample, >= 1
  SparseCoderAlgorithm algorithm = SparseCoderAlgorithm::automatic;
  int n_threads = 0;  ///< 0 = all
};

/// Sparse codes of samples over a fixed dictionary D (k x p, rows = atoms):
///   s(x) = argmin_s  1/2 |x - D's|^2 + alpha |s|_1 + alpha2/2 |s|^2,   s >= 0 optional.
/// Atoms may have any length (a longer atom is cheaper to use); atoms of zeros are never used. The Gram D D'
/// is kept: k^2 numbers. Thread-safe: one coder may encode from many threads, each with its own workspace.
///   SparseCoder<float> coder(D, {.alpha = 0.1});
///   SparseMatrix<float, RowMajor> S = coder.transform(X);        // n x k
///   auto workspace = coder.workspace();
///   coder.encode_into(x, code, workspace);                       // one sample, no allocation
/// Errors: empty or non-finite D, alpha or alpha2 negative, X with another number of columns or not finite.
template <class Scalar>
class SparseCoder {
 public:
  using Options = SparseCoderOptions;

  /// Buffers for one thread; made by workspace().
  struct Workspace {
    detail::SampleBuffer<Scalar> sample;
    Vector<Scalar> correlations;
    detail::CodeState<Scalar> state;
    detail::CoordinateWorkspace<Scalar> coordinate;
    detail::ActiveSetWorkspace<Scalar> active_set;
    detail::HomotopyWorkspace<Scalar> homotopy;
  };

  template <class Derived>
  explicit SparseCoder(const Eigen::MatrixBase<Derived>& dictionary, Options options = Options())
      : options_(options) {
    detail::check_non_negative("alpha", options.alpha);
    detail::check_non_negative("alpha2", options.alpha2);
    detail::check_positive("tol", options.tol);
    detail::check_at_least("max_iter", options.max_iter, 1);
    detail::check_dictionary(dictionary, "dictionary");
    dictionary_ = dictionary;
    atoms_.assign(dictionary_);
    gram_ = detail::padded_gram(atoms_, dictionary_, options.alpha2);
    largest_norm_ = static_cast<double>(dictionary_.rowwise().norm().maxCoeff());
  }

  const Options& options() const { return options_; }
  /// k x p.
  const RowMatrix<Scalar>& dictionary() const { return dictionary_; }
  Index n_components() const { return dictionary_.rows(); }
  Index n_features() const { return dictionary_.cols(); }

  Workspace workspace() const {
    return {detail::SampleBuffer<Scalar>(n_features()),
            Vector<Scalar>::Zero(atoms_.padded()),
            detail::CodeState<Scalar>(n_components(), atoms_.padded()),
            detail::CoordinateWorkspace<Scalar>(n_components()),
            detail::ActiveSetWorkspace<Scalar>(std::min<Index>(256, rank())),
            detail::HomotopyWorkspace<Scalar>(atoms_.padded())};
  }

  /// Codes of the rows of X (n x p; dense or sparse, any storage order) as n x k compressed rows. The same
  /// bits at any n_threads.
  template <class X>
  SparseRowMatrix<Scalar> transform(const Eigen::EigenBase<X>& x, CodingReport* report = nullptr) const {
    return detail::with_rows(x, [&](const auto& rows) { return transform_rows(rows, report); });
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
  template <class Rows>
  SparseRowMatrix<Scalar> transform_rows(const Rows& x, CodingReport* report) const {
    detail::check_samples(x, n_features());
    const auto n_blocks = static_cast<std::size_t>(detail::block_count(x.rows(), detail::code_block));
    std::vector<detail::CodingSums> sums(n_blocks);
    std::vector<Workspace> workspaces;
    for (Index t = 0; t < std::min(detail::resolve_threads(options_.n_threads), static_cast<Index>(n_blocks));
         ++t)
      workspaces.push_back(workspace());
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
  }

  /// Bound of the rank of the Gram, which no support outgrows.
  Index rank() const { return options_.alpha2 > 0 ? n_components() : std::min(n_components(), n_features()); }

  /// Leaves the code in work.state, in ascending order.
  Convergence solve(const Scalar* c, double squared_norm, Workspace& work) const {
    const Convergence result = options_.positive ? solve_signed<true>(c, squared_norm, work)
                                                 : solve_signed<false>(c, squared_norm, work);
    detail::sort_support(work.state);
    return result;
  }

  template <bool Positive>
  Convergence solve_signed(const Scalar* c, double squared_norm, Workspace& work) const {
    const detail::CodeProblem<Scalar> problem{gram_.data(), n_components(),    gram_.cols(),
                                              rank(),       options_.alpha,    options_.positive,
                                              options_.tol, options_.max_iter, largest_norm_};
    bool warm = false;
    if (options_.algorithm != SparseCoderAlgorithm::coordinate_descent) {
      const Convergence result =
          options_.algorithm == SparseCoderAlgorithm::homotopy
              ? detail::homotopy_code<Positive>(problem, c, squared_norm, work.active_set, work.homotopy,
                                                work.state)
              : detail::active_set_code<Positive>(problem, c, squared_norm, work.active_set, work.state);
      if (result.status != Status::max_iter || result.n_iter >= options_.max_iter) return result;
      warm = true;
    }
    return detail::coordinate_code<Positive>(problem, c, squared_norm, work.coordinate, work.state, warm);
  }

  Options options_;
  RowMatrix<Scalar> dictionary_;
  detail::Atoms<Scalar> atoms_;
  RowMatrix<Scalar> gram_;
  double largest_norm_ = 0;
};

}  // namespace sparse_experts
