// SPDX-License-Identifier: MIT
#include <sparse_experts/model_selection/sparse_expert_cv.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;

SearchSpace small_space() {
  SearchSpace space;
  Candidate codes;
  codes.representation.n_components = 32;
  codes.representation.refine.epochs = 2;
  space.representations = {codes};
  space.C = {1};
  space.experts = {{2, 1, 4, 1}};
  return space;
}

// The sign of the class flips from one cluster to the other: no linear model can do it.
test_support::Classification<double> twisted(Index n) {
  Random random(9);
  test_support::Classification<double> data{test_support::random_matrix<double>(n, 3, random),
                                            LabelVector(n)};
  for (Index i = 0; i < n; ++i) {
    const double side = i % 2 == 0 ? 1 : -1;
    data.labels[i] = side * data.X(i, 1) > 0 ? 1 : 0;
    data.X(i, 0) += 6 * side;
  }
  return data;
}

TEST(SparseExpertCV, FindsExpertsWhereALinearModelFails) {
  const auto data = twisted(240);
  SearchSpace space = small_space();
  space.representations[0].representation.kind = EncoderKind::identity;
  space.representations[0].scaling = Scaling::standardize;
  SparseExpertCV<double> search({.n_folds = 3, .seed = 1, .space = space});
  search.fit(data.X, data.labels);
  EXPECT_EQ(search.best_result().candidate.experts.n_clusters, 2);
  EXPECT_GT(search.best_model().score(data.X, data.labels), 0.95);
  EXPECT_LT(search.results().front().accuracy, 0.7) << "the linear model is always tried, first";
  EXPECT_EQ(search.results().front().candidate.experts.n_clusters, 0);
}

TEST(SparseExpertCV, StaysLinearWhereThatIsBest) {
  const auto data = test_support::make_blobs<double>(150, 4, 2, 3.0, 3);
  SparseExpertCV<double> search({.n_folds = 3, .seed = 1, .space = small_space()});
  search.fit(data.X, data.labels);
  EXPECT_EQ(search.best_result().candidate.experts.n_clusters, 0);
  double best = 0;
  for (const SearchResult& one : search.results()) best = std::max(best, one.accuracy);
  EXPECT_GE(search.best_result().accuracy, best - 0.02);
}

TEST(SparseExpertCV, SameChoiceAndBitsAtAnyNumberOfThreads) {
  const auto data = test_support::make_blobs<float>(150, 4, 3, 1.5, 3);
  Matrix<float> scores[2];
  for (int t = 0; t < 2; ++t) {
    SparseExpertCV<float> search({.n_folds = 2, .seed = 1, .space = small_space(), .n_threads = t + 1});
    search.fit(data.X, data.labels);
    scores[t] = search.best_model().decision_function(data.X);
  }
  EXPECT_EQ(scores[0], scores[1]);
}

// An empty space is the default search: linear models over C, representations, C, experts.
TEST(SparseExpertCV, DefaultSearchHasTheSameBitsAtAnyNumberOfThreads) {
  const auto data = twisted(240);
  const Matrix<float> X = data.X.cast<float>();
  Matrix<float> scores[2];
  for (int t = 0; t < 2; ++t) {
    SparseExpertCV<float> search({.n_folds = 2, .seed = 4, .n_threads = t + 1});
    search.fit(X, data.labels);
    scores[t] = search.best_model().decision_function(X);
    EXPECT_GT(search.best_model().score(X, data.labels), 0.93) << search.best_result().candidate.name();
    Index linear = 0;
    for (const SearchResult& one : search.results()) {
      linear += one.round == 1 && one.candidate.representation.kind == EncoderKind::identity;
      EXPECT_NE(one.round, 2) << "there are no more samples for it";
      EXPECT_EQ(one.n_samples, 240);
    }
    EXPECT_GE(linear, 4);
    EXPECT_EQ(search.results().back().round, 4);
  }
  EXPECT_EQ(scores[0], scores[1]);
}

TEST(SparseExpertCV, SecondRoundSeesMoreSamples) {
  const auto data = test_support::make_blobs<float>(400, 4, 3, 1.5, 3);
  SparseExpertCV<float> search({.n_folds = 2, .seed = 1, .space = small_space(), .max_samples = 60});
  search.fit(data.X, data.labels);
  Index first = 0, second = 0;
  for (const SearchResult& one : search.results()) {
    if (one.round == 1) first = one.n_samples;
    if (one.round == 2) second = one.n_samples;
  }
  EXPECT_EQ(first, 60);
  EXPECT_EQ(second, 90) << "one of two parts of 3 * 60 samples";
  EXPECT_TRUE(search.best_model().is_fitted());
}

TEST(SparseExpertCV, LeavesOutMoreExpertsThanSamplesOfAFold) {
  const auto data = test_support::make_blobs<double>(60, 4, 2, 3.0, 3);
  SearchSpace space = small_space();
  space.experts = {{1000, 1, 4, 1}};
  SparseExpertCV<double> search({.n_folds = 2, .space = space});
  search.fit(data.X, data.labels);
  for (const SearchResult& one : search.results()) EXPECT_EQ(one.candidate.experts.n_clusters, 0);
}

// Wins count on the same samples: nine of ten right on both sides is no difference, whatever the two errors.
TEST(SparseExpertCV, ComparesOnTheSamplesWhereOneOfTwoIsRight) {
  detail::SearchTrial a, b;
  a.hits.assign(100, 1);
  b.hits.assign(100, 1);
  EXPECT_FALSE(detail::beats(a, b, 0));
  for (std::size_t i = 0; i < 4; ++i) b.hits[i] = 0;
  EXPECT_TRUE(detail::beats(a, b, 1.9));
  EXPECT_FALSE(detail::beats(a, b, 2)) << "a win of 4 among 4 different samples is 2 standard errors";
  EXPECT_FALSE(detail::beats(b, a, 0));
  for (std::size_t i = 4; i < 8; ++i) a.hits[i] = 0;
  EXPECT_FALSE(detail::beats(a, b, 0));
}

TEST(SparseExpertCV, CanBeStopped) {
  const auto data = test_support::make_blobs<double>(60, 4, 2, 3.0, 3);
  SparseExpertCVOptions options{.n_folds = 2, .space = small_space()};
  options.on_progress = [](const Progress& progress) { return progress.iteration < 2; };
  SparseExpertCV<double> search(options);
  search.fit(data.X, data.labels);
  EXPECT_EQ(search.results().size(), 2U);
  EXPECT_TRUE(search.best_model().is_fitted());
}

TEST(SparseExpertCV, RejectsBadInput) {
  const auto data = test_support::make_blobs<double>(60, 4, 2, 3.0, 3);
  EXPECT_THROW(SparseExpertCV<double>({.n_folds = 1}), std::invalid_argument);
  SearchSpace space = small_space();
  space.C = {-1};
  EXPECT_THROW(SparseExpertCV<double>({.space = space}), std::invalid_argument);
  SparseExpertCV<double> search;
  EXPECT_THROW((void)search.best_model(), std::logic_error);
  EXPECT_THROW(search.fit(data.X, LabelVector::Ones(60)), std::invalid_argument);
  EXPECT_THROW(search.fit(data.X, LabelVector::Ones(6)), std::invalid_argument);
  EXPECT_THROW(search.fit(Matrix<double>(0, 2), LabelVector(0)), std::invalid_argument);
}

}  // namespace
