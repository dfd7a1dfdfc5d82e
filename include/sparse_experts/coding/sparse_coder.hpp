// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/coding/code_solver.hpp>
#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/encode_rows.hpp>
#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

namespace sparse_experts {

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
/// is kept: k^2 numbers in double. Float codes are found in float and certified in double (correlations, Gram
/// and gap); the few that miss tol are found in double. Thread-safe: one coder may encode from many threads,
/// each with its own workspace.
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
    Vector<double> correlations;
    detail::CodeWorkspace<double> exact;
    detail::CodeWorkspace<float> quick;  // of float coders
    Vector<float> quick_correlations;
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
    for (Index j = 0; j < dictionary_.rows(); ++j)
      largest_norm_ = std::max(largest_norm_, static_cast<double>(dictionary_.row(j).norm()));
    if constexpr (is_float) {
      quick_gram_.setZero(n_components(), detail::padded_to_panels<float>(n_components()));
      for (Index j = 0; j < n_components(); ++j)
        for (Index i = 0; i < n_components(); ++i) quick_gram_(j, i) = static_cast<float>(gram_(j, i));
    }
  }

  const Options& options() const { return options_; }
  /// k x p.
  const RowMatrix<Scalar>& dictionary() const { return dictionary_; }
  Index n_components() const { return dictionary_.rows(); }
  Index n_features() const { return dictionary_.cols(); }

  Workspace workspace() const {
    Workspace work{detail::SampleBuffer<Scalar>(n_features()),
                   Vector<double>::Zero(atoms_.padded()),
                   detail::CodeWorkspace<double>(n_components(), rank()),
                   {},
                   {}};
    if constexpr (is_float) {
      work.quick = detail::CodeWorkspace<float>(n_components(), rank());
      work.quick_correlations.setZero(quick_gram_.cols());
    }
    return work;
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
    const double squared_norm = detail::squared_norm(sample);
    if (!detail::is_finite(squared_norm)) detail::reject_sample(sample, 0);
    const Convergence result = solve(work.correlations.data(), squared_norm, work);
    code.derived().setZero();
    const detail::CodeState<double>& state = work.exact.state;
    for (Index i = 0; i < state.size; ++i)
      code.derived()[state.support[static_cast<std::size_t>(i)]] = static_cast<Scalar>(state.value[i]);
    return result;
  }

 private:
  template <class Rows>
  SparseRowMatrix<Scalar> transform_rows(const Rows& x, CodingReport* report) const {
    detail::check_features(x, n_features());
    const auto n_blocks = static_cast<std::size_t>(detail::block_count(x.rows(), detail::code_block));
    std::vector<detail::CodingSums> sums(n_blocks);
    std::vector<Workspace> workspaces(static_cast<std::size_t>(
        std::min(detail::resolve_threads(options_.n_threads), static_cast<Index>(n_blocks))));
    for (Workspace& work : workspaces) work = workspace();
    SparseRowMatrix<Scalar> codes = detail::encode_rows<Scalar>(
        x, atoms_, options_.n_threads,
        [&](const double* c, double squared_norm, Index, const detail::Block& block,
            detail::CodeRows<Scalar>& sink) {
          Workspace& work = workspaces[static_cast<std::size_t>(block.worker)];
          sums[static_cast<std::size_t>(block.id)].add(solve(c, squared_norm, work));
          const detail::CodeState<double>& state = work.exact.state;
          for (Index i = 0; i < state.size; ++i)
            sink.push(state.support[static_cast<std::size_t>(i)], static_cast<Scalar>(state.value[i]));
        });
    if (report)
      *report = detail::make_report(sums, options_.tol, codes.rows(), n_components(), codes.nonZeros());
    return codes;
  }

  /// Bound of the rank of the Gram, which no support outgrows.
  Index rank() const { return options_.alpha2 > 0 ? n_components() : std::min(n_components(), n_features()); }

  template <class Number>
  detail::CodeProblem<Number> problem(const RowMatrix<Number>& gram) const {
    return {gram.data(),       n_components(), gram.cols(),       rank(),       options_.alpha,
            options_.positive, options_.tol,   options_.max_iter, largest_norm_};
  }

  /// Leaves the code in work.exact.state, in ascending order.
  Convergence solve(const double* c, double squared_norm, Workspace& work) const {
    detail::CodeProblem<double> exact = problem(gram_);
    Convergence result;
    if constexpr (is_float) {
      for (Index j = 0; j < n_components(); ++j) work.quick_correlations[j] = static_cast<float>(c[j]);
      detail::CodeState<double>& state = work.exact.state;
      const Convergence quick = detail::solve_code(problem(quick_gram_), options_.algorithm, false,
                                                   work.quick_correlations.data(), squared_norm, work.quick);
      state.size = work.quick.state.size;
      std::copy_n(work.quick.state.support.begin(), state.size, state.support.begin());
      for (Index i = 0; i < state.size; ++i) state.value[i] = static_cast<double>(work.quick.state.value[i]);
      result = certified(exact, c, squared_norm, quick, state);
      if (!result && quick.n_iter < options_.max_iter) {
        exact.max_iter = options_.max_iter - quick.n_iter;
        exact.tol = 0.5 * options_.tol;  // room for the rounding to float
        result = detail::solve_code(exact, options_.algorithm, true, c, squared_norm, work.exact);
        result.n_iter += quick.n_iter;
        for (Index i = 0; i < state.size; ++i)
          state.value[i] = static_cast<double>(static_cast<float>(state.value[i]));
        result = certified(exact, c, squared_norm, result, state);
      }
    } else {
      result = detail::solve_code(exact, options_.algorithm, true, c, squared_norm, work.exact);
    }
    detail::sort_support(work.exact.state);
    return result;
  }

  /// The certificate of a float code in double.
  Convergence certified(const detail::CodeProblem<double>& exact, const double* c, double squared_norm,
                        Convergence found, detail::CodeState<double>& state) const {
    const auto peaks = detail::residual_correlations(exact, c, state);
    const auto now = detail::certificate(exact, c, state, peaks.value[peaks.largest()], squared_norm);
    found.value = now.value;
    found.objective = now.objective;
    found.tolerance = options_.tol;
    if (now.value <= options_.tol)
      found.status = Status::converged;
    else if (found.status == Status::converged)
      found.status = Status::stalled;
    return found;
  }

  static constexpr bool is_float = std::is_same_v<Scalar, float>;
  Options options_;
  RowMatrix<Scalar> dictionary_;
  detail::Atoms<double> atoms_;
  RowMatrix<double> gram_;
  RowMatrix<float> quick_gram_;  // of float coders
  double largest_norm_ = 0;
};

}  // namespace sparse_experts
