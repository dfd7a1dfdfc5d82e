// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/dictionary_options.hpp>
#include <sparse_experts/coding/online_dictionary_learning.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Learns a dictionary D (k x p, rows = atoms) with sparse codes S (n x k) of samples X (n x p):
///   min_{D, S}  1/n sum_i 1/2 |x_i - D's_i|^2 + alpha |s_i|_1 + alpha2/2 |s_i|^2,   |d_j| <= 1
/// (non-negative atoms and codes optional), by online learning on mini-batches or by alternation over all
/// samples. The objective is measured once a round on held-out samples (a round is one pass, or 65,536
/// samples of a longer one); fit stops when it falls by less than tol of itself. Convergence: value = that
/// relative decrease, objective = the held-out objective, n_iter = rounds. The same bits at any n_threads.
///   DictionaryLearning<float> learning({.n_components = 256, .alpha = 0.1, .seed = 0});
///   learning.fit(X);                       // or partial_fit(batch), again and again
///   learning.dictionary();                 // k x p
///   SparseMatrix<float, RowMajor> S = learning.transform(X);
/// k may exceed n: atoms beyond the distinct samples start as random directions. Samples of zeros have zero
/// codes. Errors: X empty, not finite, or with another number of features than before (the model then stays
/// as it is). Ref: Mairal, Bach, Ponce, Sapiro, "Online learning for matrix factorization and sparse coding",
/// JMLR 2010.
template <class Scalar>
class DictionaryLearning {
 public:
  using Options = DictionaryLearningOptions;

  explicit DictionaryLearning(Options options = Options()) : options_(std::move(options)) {
    detail::check_options(options_);
  }

  const Options& options() const { return options_; }

  /// Learns from the rows of X (dense or sparse, any storage order), from initial atoms by options.init.
  template <class X>
  const Convergence& fit(const Eigen::EigenBase<X>& x) {
    return detail::with_rows(x, [&](const auto& rows) -> const Convergence& {
      check(rows);
      return learn(rows, detail::initial_atoms(rows, options_));
    });
  }
  /// The same from given atoms (k x p; longer ones are scaled to unit norm): a warm start.
  template <class X, class D>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<D>& initial) {
    return detail::with_rows(x, [&](const auto& rows) -> const Convergence& {
      check(rows);
      detail::check_size("initial.rows()", initial.rows(), options_.n_components, "n_components");
      detail::check_size("initial.cols()", initial.cols(), rows.cols(), "X.cols()");
      detail::check_dictionary(initial, "initial");
      RowMatrix<Scalar> atoms = initial;
      for (Index j = 0; j < atoms.rows(); ++j)
        if (const Scalar norm = atoms.row(j).norm(); norm > Scalar(1)) atoms.row(j) /= norm;
      return learn(rows, std::move(atoms));
    });
  }

  /// One online step for each batch_size rows of X, in their order, after everything seen before. The first
  /// call takes the initial atoms from its rows. Convergence: objective = that of the codes of these rows
  /// over the atoms before the last step; the status stays max_iter, for there is always more to come.
  template <class X>
  const Convergence& partial_fit(const Eigen::EigenBase<X>& x) {
    return detail::with_rows(x, [&](const auto& rows) -> const Convergence& {
      check(rows);
      if (coder_) detail::check_size("X.cols()", rows.cols(), n_features(), "features of the samples before");
      if (state_.dictionary.size() == 0) start(detail::initial_atoms(rows, options_));
      CodingReport report;
      std::vector<Index> order(static_cast<std::size_t>(rows.rows()));
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Index>(i);
      const auto step = static_cast<std::size_t>(options_.batch_size);
      for (std::size_t i = 0; i < order.size(); i += step)
        report = detail::online_step(detail::gather_samples(rows, order, i, std::min(order.size(), i + step)),
                                     options_, state_);
      finish();
      convergence_ = {Status::max_iter, 0, options_.tol, report.mean_objective, state_.n_steps};
      return convergence_;
    });
  }

  bool is_fitted() const { return coder_.has_value(); }
  /// k x p.
  const RowMatrix<Scalar>& dictionary() const { return coder().dictionary(); }
  /// The encoder over the learnt atoms, with gap transform_tol.
  const SparseCoder<Scalar>& coder() const {
    detail::check_fitted(coder_.has_value(), "DictionaryLearning");
    return *coder_;
  }
  const Convergence& convergence() const { return convergence_; }
  Index n_components() const { return options_.n_components; }
  Index n_features() const { return coder().n_features(); }

  /// Codes of the rows of X, n x k.
  template <class X>
  SparseRowMatrix<Scalar> transform(const Eigen::EigenBase<X>& x, CodingReport* report = nullptr) const {
    return coder().transform(x, report);
  }

 private:
  template <class Rows>
  void check(const Rows& x) const {
    detail::check_not_empty(x.rows(), x.cols(), "X");
    detail::check_finite(x, "X");
  }

  void start(RowMatrix<Scalar> atoms) {
    state_.dictionary = std::move(atoms);
    state_.statistics.reset(state_.dictionary.rows(), state_.dictionary.cols());
    state_.n_steps = 0;
  }
  void finish() {
    coder_.emplace(state_.dictionary, detail::coder_options(options_, options_.transform_tol));
  }

  template <class Rows>
  const Convergence& learn(const Rows& x, RowMatrix<Scalar> atoms) {
    start(std::move(atoms));
    // The first rows of a random order are held out; without any the objective is measured on learning
    // samples.
    constexpr Index most_held_out = 2000, longest_round = 65536;
    Random random(options_.seed, 2);
    std::vector<Index> order = random.permutation(x.rows());
    const auto n = static_cast<double>(x.rows());
    const auto n_held = static_cast<std::size_t>(
        std::min<Index>({most_held_out, static_cast<Index>(options_.validation_fraction * n), x.rows() - 1}));
    const std::size_t n_measured =
        n_held > 0 ? n_held : std::min(order.size(), static_cast<std::size_t>(most_held_out));
    const auto measured = detail::gather_samples(x, order, 0, n_measured);
    order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n_held));

    const auto objective = [&] {
      CodingReport report;
      SparseCoder<Scalar>(state_.dictionary, detail::coder_options(options_, options_.code_tol))
          .transform(measured, &report);
      return report.mean_objective;
    };
    convergence_ = {Status::max_iter, 1, options_.tol, objective(), 0};
    const auto round_over = [&] {
      const double before = convergence_.objective;
      convergence_.objective = objective();
      convergence_.value = before > 0 ? std::max(0.0, before - convergence_.objective) / before : 0;
      ++convergence_.n_iter;
      if (convergence_.value <= options_.tol) convergence_.status = Status::converged;
      if (!detail::report_progress(options_.on_progress,
                                   {"dictionary_learning", convergence_.n_iter, convergence_.value,
                                    options_.tol, convergence_.objective}))
        convergence_.status = Status::stopped;
      return convergence_.status != Status::max_iter;
    };

    const auto step = static_cast<std::size_t>(options_.batch_size);
    bool over = false;
    for (Index pass = 0; pass < options_.max_iter && !over; ++pass) {
      if (options_.algorithm == DictionaryAlgorithm::batch) {
        detail::batch_step(x, options_, state_);
        over = round_over();
        continue;
      }
      random.shuffle(order);
      std::size_t since = 0;
      for (std::size_t i = 0; i < order.size() && !over; i += step) {
        const std::size_t end = std::min(order.size(), i + step);
        detail::online_step(detail::gather_samples(x, order, i, end), options_, state_);
        since += end - i;
        if (end == order.size() || since >= static_cast<std::size_t>(longest_round)) {
          over = round_over();
          since = 0;
        }
      }
    }
    finish();
    return convergence_;
  }

  Options options_;
  detail::DictionaryState<Scalar> state_;
  std::optional<SparseCoder<Scalar>> coder_;
  Convergence convergence_;
};

}  // namespace sparse_experts
