// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/cluster_policy.hpp>
#include <sparse_experts/model/encoder.hpp>
#include <sparse_experts/model/l1_svm_expert.hpp>
#include <sparse_experts/model/pipeline.hpp>
#include <sparse_experts/model/scaler.hpp>
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
    // Round 1: representations. The codes of the best one so far are kept for the rounds after.
    const auto folds = make_folds(labels, options_.max_samples);
    std::vector<Fold> kept;
    std::size_t best = 0;
    for (const Candidate& candidate : first) {
      if (stopped_) break;
      const auto start = std::chrono::steady_clock::now();
      std::vector<Fold> codes;
      for (const Split& split : folds) codes.push_back(encode(rows, labels, split, candidate));
      try_one(codes, candidate, start, results);
      if (kept.empty() || results.back().accuracy > results[best].accuracy) {
        best = results.size() - 1;
        kept = std::move(codes);
      }
    }

    // Round 2: C, round 3: experts, on the codes of the winner.
    const auto compare = [&](const std::vector<Candidate>& candidates) {
      const std::size_t begin = results.size();
      for (const Candidate& candidate : candidates)
        if (!stopped_) try_one(kept, candidate, std::chrono::steady_clock::now(), results);
      best = choose_between(results, best, begin, results.size());
    };
    std::vector<Candidate> round;
    const double C = results[best].candidate.C;
    for (const double value :
         options_.space.C.empty() ? std::vector<double>{0.1 * C, 10 * C} : options_.space.C) {
      round.push_back(results[best].candidate);
      round.back().C = value;
    }
    compare(round);
    round.clear();
    for (const ExpertChoice& experts :
         options_.space.experts.empty() ? detail::default_experts(labels.size()) : options_.space.experts) {
      round.push_back(results[best].candidate);
      round.back().experts = experts;
    }
    compare(round);

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

  // Training and test part of a fold under one representation.
  struct Fold {
    SparseRowMatrix<Scalar> train_codes, test_codes;
    Targets<Scalar> targets;   // classes by their place in `classes`
    std::vector<int> classes;  // labels in the training part
    LabelVector test_labels;
  };

  template <class Rows>
  Fold encode(const Rows& rows, const LabelVector& labels, const Split& split,
              const Candidate& candidate) const {
    Fold fold;
    const LabelVector train_labels = take_rows(labels, split.train);
    fold.test_labels = take_rows(labels, split.test);
    fold.classes = detail::distinct_labels(train_labels);
    fold.targets.n_classes = static_cast<Index>(fold.classes.size());
    fold.targets.classes.resize(train_labels.size());
    for (Index i = 0; i < train_labels.size(); ++i)
      fold.targets.classes[i] = static_cast<int>(detail::class_of(fold.classes, train_labels[i]));
    EncoderOptions representation = candidate.representation;
    // A comparison needs fewer passes than the final fit.
    if (representation.refine.epochs < 0)
      representation.refine.epochs = std::clamp<Index>(240000 / train_labels.size(), 10, 60);
    Encoder<Scalar> encoder(representation);
    Scaler<Scalar> scaler(candidate.scaling);
    const auto train = detail::select_rows<Scalar>(rows, split.train),
               test = detail::select_rows<Scalar>(rows, split.test);
    detail::with_rows(train, [&](const auto& raw) {
      scaler.fit_rows(raw);
      const auto scaled = scaler.transform_rows(raw);
      detail::with_rows(scaled, [&](const auto& view) {
        encoder.fit(view, fold.targets, context());
        fold.train_codes = encoder.transform(view, options_.n_threads);
      });
    });
    detail::with_rows(test, [&](const auto& raw) {
      const auto scaled = scaler.transform_rows(raw);
      detail::with_rows(
          scaled, [&](const auto& view) { fold.test_codes = encoder.transform(view, options_.n_threads); });
    });
    return fold;
  }

  StageContext context() const { return {options_.seed, options_.n_threads, {}}; }

  void try_one(const std::vector<Fold>& folds, const Candidate& candidate,
               std::chrono::steady_clock::time_point start, std::vector<SearchResult>& results) {
    SearchResult result;
    result.candidate = candidate;
    const typename Model::Options options = candidate.template options<Model>();
    Index correct = 0;
    for (const Fold& fold : folds) {
      if (fold.classes.size() < 2) continue;
      detail::Pipeline<Scalar, Encoder<Scalar>, ClusterPolicy<Scalar>, L1SVMExpert<Scalar>> stages;
      stages.rho = options.rho;
      ClusterPolicy<Scalar> clustering(options.clustering);
      const SparseRows<Scalar> train = detail::sparse_view(fold.train_codes);
      clustering.fit(train, context());
      stages.gate.fit(clustering.anchors(), train, options.gate, options_.n_threads);
      L1SVMExpertOptions expert = options.expert;
      expert.tol = 1e-2;
      stages.fit_experts(fold.train_codes, stages.gate.weights(train, options_.n_threads), fold.targets,
                         expert, context());
      const Matrix<Scalar> scores = stages.score(
          fold.test_codes, stages.gate.weights(detail::sparse_view(fold.test_codes), options_.n_threads),
          options_.n_threads);
      for (Index i = 0; i < scores.rows(); ++i) {
        Index guess = scores.cols() == 1 && scores(i, 0) > Scalar(0) ? 1 : 0;
        for (Index c = 1; c < scores.cols(); ++c)
          if (scores(i, c) > scores(i, guess)) guess = c;
        correct += fold.classes[static_cast<std::size_t>(guess)] == fold.test_labels[i] ? 1 : 0;
      }
      result.n_samples += scores.rows();
    }
    const auto n = static_cast<double>(std::max<Index>(1, result.n_samples));
    result.accuracy = static_cast<double>(correct) / n;
    result.deviation = std::sqrt(std::max(1e-12, result.accuracy * (1 - result.accuracy)) / n);
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
