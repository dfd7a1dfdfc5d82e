// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>
#include <sparse_experts/model_selection/search_space.hpp>
#include <sparse_experts/model_selection/split.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

namespace sparse_experts {

struct SparseExpertCVOptions {
  Index n_folds = 3;                  ///< folds of a comparison
  std::uint64_t seed = 0;             ///< of folds, subsamples and models
  SearchSpace space = {};             ///< what is tried; empty lists: good defaults by the shape of the data
  Index max_samples = 6000;           ///< samples that take part in the comparisons, at most
  int n_threads = 0;                  ///< 0 = all
  ProgressCallback on_progress = {};  ///< called once per candidate; false stops and keeps the best so far
};

/// One candidate of the search.
struct SearchResult {
  Candidate candidate;
  double accuracy = 0;   ///< mean validation accuracy over the folds
  double deviation = 0;  ///< standard error of that mean
  double seconds = 0;    ///< of all its folds
  Index n_samples = 0;   ///< samples that took part
};

/// Chooses a SparseExpertModel by cross-validation on the training data alone.
///
/// Round 1 compares representations (and scalings) without experts on a stratified subsample. Round 2 refines
/// C around the best of them, and compares numbers of experts, gate widths and rho on the same codes. K = 0,
/// the model without experts, always takes part, and so does the linear model (identity codes, K = 0):
/// experts or codes are chosen only where they beat it by more than the noise of the comparison. The winner
/// is fitted on everything. Same seed, same choice, at any number of threads.
///     SparseExpertCV<float> search({.n_folds = 3, .seed = 0});
///     search.fit(X, labels);
///     search.best_model().predict(X_new);   // search.results(): what was tried
template <class Scalar>
class SparseExpertCV {
 public:
  using Model = SparseExpertModel<Scalar>;

  explicit SparseExpertCV(SparseExpertCVOptions options = SparseExpertCVOptions())
      : options_(std::move(options)) {
    detail::check_at_least("n_folds", options_.n_folds, 2);
    detail::check_at_least("max_samples", options_.max_samples, 10);
    detail::check_at_least("n_threads", options_.n_threads, 0);
    for (const double C : options_.space.C) detail::check_positive("space.C", C);
  }

  /// Throws std::invalid_argument on bad input; the search then stays as it was.
  template <class X, class Labels>
  const SparseExpertCV& fit(const Eigen::EigenBase<X>& x, const Labels& labels) {
    detail::check_not_empty(x.rows(), x.cols(), "X");
    const LabelVector y = detail::as_labels(labels);
    detail::check_size("labels.size()", y.size(), x.rows(), "X.rows()");
    if (detail::distinct_labels(y).size() < 2) detail::reject("number of classes in labels", 1, "at least 2");
    detail::check_at_least("n_samples", x.rows(), 2 * options_.n_folds);
    detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      search(rows, y);
    });
    return *this;
  }

  const Model& best_model() const {
    detail::check_fitted(best_.has_value(), "SparseExpertCV");
    return *best_;
  }
  /// Everything that was tried, in the order of the search.
  const std::vector<SearchResult>& results() const { return results_; }
  /// The chosen one.
  const SearchResult& best_result() const {
    detail::check_fitted(best_.has_value(), "SparseExpertCV");
    return results_[chosen_];
  }
  const SparseExpertCVOptions& options() const { return options_; }

 private:
  template <class Rows>
  void search(const Rows& rows, const LabelVector& labels) {
    constexpr bool sparse = detail::is_sparse<Rows>;
    std::vector<SearchResult> results;
    stopped_ = false;
    std::vector<Candidate> first = options_.space.representations.empty()
                                       ? detail::default_representations(rows.rows(), rows.cols(), sparse)
                                       : options_.space.representations;
    first.insert(first.begin(), detail::linear_candidate(sparse));
    // Round 1: representations.
    const auto folds = make_folds(labels, options_.max_samples);
    for (const Candidate& candidate : first) try_one(rows, labels, folds, candidate, results);
    std::size_t best = choose(results, 0, results.size());

    // Round 2: C, then the experts, around the winner.
    const std::size_t round_2 = results.size();
    Candidate centre = results[best].candidate;
    const std::vector<double> costs =
        options_.space.C.empty() ? std::vector<double>{0.1 * centre.C, 10 * centre.C} : options_.space.C;
    for (const double C : costs) {
      Candidate candidate = centre;
      candidate.C = C;
      try_one(rows, labels, folds, candidate, results);
    }
    best = choose_between(results, best, round_2, results.size());
    centre = results[best].candidate;
    const std::size_t round_3 = results.size();
    for (const ExpertChoice& experts :
         options_.space.experts.empty() ? detail::default_experts(labels.size()) : options_.space.experts) {
      Candidate candidate = centre;
      candidate.experts = experts;
      try_one(rows, labels, folds, candidate, results);
    }
    best = choose_between(results, best, round_3, results.size());

    typename Model::Options options = results[best].candidate.template options<Model>();
    options.seed = options_.seed;
    options.n_threads = options_.n_threads;
    Model model(options);
    model.fit(rows, labels);
    best_.emplace(std::move(model));
    results_ = std::move(results);
    chosen_ = best;
  }

  // Folds of a stratified subsample of at most n samples.
  std::vector<Split> make_folds(const LabelVector& labels, Index n) const {
    std::vector<Index> kept(static_cast<std::size_t>(labels.size()));
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = static_cast<Index>(i);
    if (labels.size() > n)
      kept =
          train_test_split(labels, {.test_size = static_cast<double>(n) / static_cast<double>(labels.size()),
                                    .seed = options_.seed})
              .test;
    const LabelVector part = take_rows(labels, kept);
    std::vector<Split> splits =
        StratifiedKFold({.n_folds = options_.n_folds, .seed = options_.seed}).split(part);
    for (Split& split : splits) {
      for (Index& i : split.train) i = kept[static_cast<std::size_t>(i)];
      for (Index& i : split.test) i = kept[static_cast<std::size_t>(i)];
    }
    return splits;
  }

  template <class Rows>
  void try_one(const Rows& rows, const LabelVector& labels, const std::vector<Split>& folds,
               const Candidate& candidate, std::vector<SearchResult>& results) {
    if (stopped_) return;
    const auto start = std::chrono::steady_clock::now();
    SearchResult result;
    result.candidate = candidate;
    double correct = 0;
    for (const Split& fold : folds) {
      typename Model::Options options = candidate.template options<Model>();
      options.output.kind = Calibration::none;
      options.expert.tol = 1e-2;
      options.seed = options_.seed;
      options.n_threads = options_.n_threads;
      Model model(options);
      const LabelVector train = take_rows(labels, fold.train), test = take_rows(labels, fold.test);
      if (detail::distinct_labels(train).size() < 2) continue;
      model.fit(detail::select_rows<Scalar>(rows, fold.train), train);
      correct +=
          model.score(detail::select_rows<Scalar>(rows, fold.test), test) * static_cast<double>(test.size());
      result.n_samples += test.size();
    }
    result.accuracy = correct / static_cast<double>(std::max<Index>(1, result.n_samples));
    result.deviation = std::sqrt(std::max(1e-12, result.accuracy * (1 - result.accuracy)) /
                                 static_cast<double>(std::max<Index>(1, result.n_samples)));
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    results.push_back(result);
    stopped_ = !detail::report_progress(options_.on_progress, {"search", static_cast<Index>(results.size()),
                                                               result.accuracy, 0, result.accuracy});
  }

  // The best of a range; the first of equals.
  static std::size_t choose(const std::vector<SearchResult>& results, std::size_t begin, std::size_t end) {
    std::size_t best = begin;
    for (std::size_t i = begin; i < end; ++i)
      if (results[i].accuracy > results[best].accuracy) best = i;
    return best;
  }
  // A more complex candidate must win by half a standard error.
  static std::size_t choose_between(const std::vector<SearchResult>& results, std::size_t current,
                                    std::size_t begin, std::size_t end) {
    if (begin == end) return current;
    const std::size_t other = choose(results, begin, end);
    const double margin = 0.5 * results[current].deviation;
    return results[other].accuracy > results[current].accuracy + margin ? other : current;
  }

  SparseExpertCVOptions options_;
  std::optional<Model> best_;
  std::vector<SearchResult> results_;
  std::size_t chosen_ = 0;
  bool stopped_ = false;
};

}  // namespace sparse_experts
