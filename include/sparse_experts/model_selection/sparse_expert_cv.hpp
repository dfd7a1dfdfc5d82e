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
#include <sparse_experts/model_selection/search_result.hpp>
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
  Index max_samples = 6000;           ///< samples in the comparisons of round 1, three times as many later
  int n_threads = 0;                  ///< 0 = all
  ProgressCallback on_progress = {};  ///< called once per candidate; false stops and keeps the best so far
};

/// Chooses a SparseExpertModel by cross-validation on the training data alone.
///
/// Round 1 compares linear models over C and representations (with scalings) without experts on a stratified
/// subsample of max_samples, large dictionaries by a part of them. Round 2, where there are more samples:
/// the best linear model and the two best representations once more on a split of 3 max_samples. Round 3
/// moves C of the winner. Round 4 adds experts (K, gate, rho) to it, on the same codes. K = 0 always takes
/// part. Codes win over the linear model, and experts over K = 0, only by more than the standard error of
/// the difference on the same samples. The winner is fitted on everything. Same seed, same choice, at any
/// number of threads.
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
    trials_.clear();
    stopped_ = false;
    round_ = drawn_ = 1;
    const bool has_second_round = 2 * labels.size() > 3 * options_.max_samples;
    auto splits = make_folds(labels, options_.max_samples);

    // Round 1. The codes of the best of each kind are kept.
    Contest linear, best;
    for (const Candidate& candidate : detail::linear_candidates(sparse))
      enter(rows, labels, splits, candidate, linear);
    move_C(linear, 0);
    std::vector<Candidate> space = options_.space.representations.empty()
                                       ? detail::default_representations(rows.rows(), rows.cols(), sparse)
                                       : options_.space.representations;
    std::vector<std::size_t> entered;
    for (Candidate candidate : space) {
      if (stopped_) break;
      if (has_second_round)
        candidate.representation.n_components = std::min<Index>(candidate.representation.n_components, 500);
      entered.push_back(trials_.size());
      enter(rows, labels, splits, candidate, best);
    }

    // Round 2.
    if (has_second_round && !stopped_) {
      round_ = 2;
      splits = make_folds(labels, 3 * options_.max_samples);
      splits.resize(1);
      const Candidate winner = trials_[linear.trial].result.candidate;
      std::vector<std::size_t> order(entered.size());
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return trials_[entered[a]].result.accuracy > trials_[entered[b]].result.accuracy;
      });
      // A representation that is far behind the linear model is not worth its time.
      while (!order.empty() && beats(linear.trial, entered[order.back()], 2)) order.pop_back();
      if (order.size() > 2) order.resize(2);
      Contest last_linear, last_best;
      enter(rows, labels, splits, winner, last_linear);
      for (const std::size_t i : order) enter(rows, labels, splits, space[i], last_best);
      // A search that was stopped before the end of this round keeps the result of round 1.
      if (!stopped_) {
        drawn_ = 2;
        linear = std::move(last_linear);
        best = std::move(last_best);
      }
    }
    if (best.folds.empty() || !beats(best.trial, linear.trial, 1)) best = std::move(linear);

    // Round 3: C, round 4: experts, on the codes of the winner.
    round_ = 3;
    if (options_.space.C.empty())
      move_C(best, 1);
    else
      for (const double C : options_.space.C) {
        Candidate candidate = trials_[best.trial].result.candidate;
        if (candidate.C == C) continue;
        candidate.C = C;
        try_one(best.folds, candidate, std::chrono::steady_clock::now());
        if (beats(trials_.size() - 1, best.trial, 0)) best.trial = trials_.size() - 1;
      }
    round_ = 4;
    const std::size_t without = best.trial;
    const Index k = best.folds.front().train_codes.cols();
    for (const ExpertChoice& experts : options_.space.experts.empty()
                                           ? detail::default_experts(labels.size(), k)
                                           : options_.space.experts) {
      if (stopped_ || experts.n_clusters > best.folds.front().train_codes.rows()) continue;
      Candidate candidate = trials_[without].result.candidate;
      candidate.experts = experts;
      try_one(best.folds, candidate, std::chrono::steady_clock::now());
      const std::size_t last = trials_.size() - 1;
      if (beats(last, without, 1) && (best.trial == without || beats(last, best.trial, 0))) best.trial = last;
    }

    typename Model::Options options = trials_[best.trial].result.candidate.template options<Model>();
    options.seed = options_.seed;
    options.n_threads = options_.n_threads;
    Model model(options);
    best.folds.clear();
    model.fit(rows, labels);
    best_.emplace(std::move(model));
    results_.clear();
    for (const detail::SearchTrial& trial : trials_) results_.push_back(trial.result);
    chosen_ = best.trial;
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

  // The leading trial and its codes.
  struct Contest {
    std::size_t trial = 0;
    std::vector<Fold> folds;
  };

  // Tries a candidate; the better one and its codes stay in the contest.
  template <class Rows>
  void enter(const Rows& rows, const LabelVector& labels, const std::vector<Split>& splits,
             const Candidate& candidate, Contest& contest) {
    if (stopped_) return;
    const auto start = std::chrono::steady_clock::now();
    std::vector<Fold> folds;
    for (const Split& split : splits) folds.push_back(encode(rows, labels, split, candidate));
    try_one(folds, candidate, start);
    // More atoms have to win by more than chance easily gives.
    const Index n_atoms = trials_[contest.trial].result.candidate.representation.n_components;
    const double margin = candidate.representation.n_components > n_atoms ? 0.5 : 0;
    if (!contest.folds.empty() && !beats(trials_.size() - 1, contest.trial, margin)) return;
    contest.trial = trials_.size() - 1;
    contest.folds = std::move(folds);
  }

  // Steps of 10, then of 3, while they pay. `margin`: standard errors that a step has to bring.
  void move_C(Contest& contest, double margin) {
    for (const double step : {10.0, 0.1, 3.0, 1.0 / 3}) {
      // Steps in the second direction only where the first did not pay.
      for (int moves = 0; moves < (step > 5 || step < 0.2 ? 3 : 1) && !stopped_; ++moves) {
        Candidate candidate = trials_[contest.trial].result.candidate;
        candidate.C *= step;
        if (std::any_of(trials_.begin(), trials_.end(), [&](const detail::SearchTrial& t) {
              return t.result.round >= drawn_ && t.result.candidate.name() == candidate.name();
            }))
          break;
        try_one(contest.folds, candidate, std::chrono::steady_clock::now());
        if (!beats(trials_.size() - 1, contest.trial, margin)) break;
        contest.trial = trials_.size() - 1;
      }
    }
  }

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
    const Index enough = std::clamp<Index>(240000 / train_labels.size(), 10, 200);
    if (representation.refine.epochs < 0 || representation.refine.epochs > enough)
      representation.refine.epochs = enough;
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
               std::chrono::steady_clock::time_point start) {
    detail::SearchTrial trial;
    SearchResult& result = trial.result;
    result.candidate = candidate;
    result.round = round_;
    const typename Model::Options options = candidate.template options<Model>();
    for (const Fold& fold : folds) {
      if (fold.classes.size() < 2) continue;
      detail::Pipeline<Scalar, Encoder<Scalar>, ClusterPolicy<Scalar>, L1SVMExpert<Scalar>> stages;
      stages.rho = options.rho;
      ClusterOptions clusters = options.clustering;
      clusters.n_clusters = std::min(clusters.n_clusters, fold.train_codes.rows());
      ClusterPolicy<Scalar> clustering(clusters);
      const SparseRows<Scalar> train = detail::sparse_view(fold.train_codes);
      clustering.fit(train, context());
      stages.gate.fit(clustering.anchors(), train, options.gate, options_.n_threads);
      L1SVMExpertOptions expert = options.expert;
      // Choices need no certificate, and the worst candidates would take the longest.
      expert.tol = 1e-2;
      expert.max_iter = std::min<Index>(expert.max_iter, 30);
      stages.fit_experts(fold.train_codes, stages.gate.weights(train, options_.n_threads), fold.targets,
                         expert, context());
      const Matrix<Scalar> scores = stages.score(
          fold.test_codes, stages.gate.weights(detail::sparse_view(fold.test_codes), options_.n_threads),
          options_.n_threads);
      for (Index i = 0; i < scores.rows(); ++i) {
        Index guess = scores.cols() == 1 && scores(i, 0) > Scalar(0) ? 1 : 0;
        for (Index c = 1; c < scores.cols(); ++c)
          if (scores(i, c) > scores(i, guess)) guess = c;
        trial.hits.push_back(fold.classes[static_cast<std::size_t>(guess)] == fold.test_labels[i] ? 1 : 0);
      }
    }
    trial.finish(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    const double accuracy = result.accuracy;
    trials_.push_back(std::move(trial));
    stopped_ = !detail::report_progress(
        options_.on_progress, {"search", static_cast<Index>(trials_.size()), accuracy, 0, accuracy});
  }

  bool beats(std::size_t a, std::size_t b, double margin) const {
    return detail::beats(trials_[a], trials_[b], margin);
  }

  SparseExpertCVOptions options_;
  std::optional<Model> best_;
  std::vector<SearchResult> results_;
  std::vector<detail::SearchTrial> trials_;
  std::size_t chosen_ = 0;
  Index round_ = 1, drawn_ = 1;  // the present round, and the one that drew the present samples
  bool stopped_ = false;
};

}  // namespace sparse_experts
