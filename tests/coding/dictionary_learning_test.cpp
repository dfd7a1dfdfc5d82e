// SPDX-License-Identifier: MIT
#include "coding/coding_problems.hpp"
#include <sparse_experts/coding/dictionary_learning.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

namespace se = sparse_experts;
using se::DictionaryAlgorithm;
using se::Index;

namespace {

constexpr DictionaryAlgorithm algorithms[] = {DictionaryAlgorithm::online, DictionaryAlgorithm::batch};

struct DictionaryLearning : testing::Test {
  se::Random random{11};
  se::RowMatrix<double> truth = test_support::unit_rows<double>(15, 10, random);
  se::RowMatrix<double> X = test_support::mixtures<double>(truth, 1500, 2, 0.01, random);
};

}  // namespace

TEST_F(DictionaryLearning, ComesNearTheAtomsThatMadeTheSamples) {
  const se::RowMatrix<double> fresh = test_support::mixtures<double>(truth, 500, 2, 0.01, random);
  se::CodingReport made, learnt;
  se::SparseCoder<double>(truth, {.alpha = 0.05}).transform(fresh, &made);
  for (const auto algorithm : algorithms) {
    se::DictionaryLearning<double> learning({.n_components = 20,
                                             .alpha = 0.05,
                                             .seed = 1,
                                             .batch_size = 64,
                                             .max_iter = 30,
                                             .algorithm = algorithm,
                                             .tol = 1e-4});
    learning.fit(X);
    learning.transform(fresh, &learnt);
    EXPECT_LE(learnt.mean_objective, 1.1 * made.mean_objective);
    EXPECT_LE(learning.dictionary().rowwise().norm().maxCoeff(), 1 + 1e-12);
  }
}

TEST_F(DictionaryLearning, ObjectiveOfTheHeldOutSamplesIsReportedAndStops) {
  for (const auto algorithm : algorithms) {
    std::vector<double> objectives;
    se::DictionaryLearningOptions options{.n_components = 20,
                                          .alpha = 0.05,
                                          .seed = 1,
                                          .batch_size = 64,
                                          .max_iter = 50,
                                          .algorithm = algorithm,
                                          .tol = 1e-3};
    options.on_progress = [&](const se::Progress& progress) {
      objectives.push_back(progress.objective);
      return true;
    };
    se::DictionaryLearning<double> learning(options);
    const se::Convergence result = learning.fit(X);
    EXPECT_EQ(result.status, se::Status::converged);
    EXPECT_EQ(result.n_iter, static_cast<Index>(objectives.size()));
    EXPECT_EQ(result.objective, objectives.back());
    EXPECT_LT(objectives.back(), objectives.front());
    EXPECT_LE(result.value, 1e-3);

    options.on_progress = [](const se::Progress& progress) { return progress.iteration < 2; };
    se::DictionaryLearning<double> stopped(options);
    EXPECT_EQ(stopped.fit(X).status, se::Status::stopped);
    EXPECT_EQ(stopped.convergence().n_iter, 2);
  }
}

TEST_F(DictionaryLearning, SparseSamplesThreadsAndStorageGiveTheSameAtoms) {
  const se::RowMatrix<double> some = test_support::sparsified<double>(X, 0.5, random);
  for (const auto algorithm : algorithms) {
    se::DictionaryLearningOptions options{
        .n_components = 20, .alpha = 0.05, .seed = 1, .max_iter = 2, .algorithm = algorithm, .n_threads = 1};
    se::DictionaryLearning<double> learning(options), other(options);
    learning.fit(some);
    other.fit(se::Matrix<double>(some));
    EXPECT_EQ(other.dictionary(), learning.dictionary());
    other.fit(se::SparseMatrix<double>(some.sparseView()));
    EXPECT_LE((other.dictionary() - learning.dictionary()).cwiseAbs().maxCoeff(), 1e-9);
    options.n_threads = 3;
    se::DictionaryLearning<double> threads(options);
    threads.fit(some);
    EXPECT_EQ(threads.dictionary(), learning.dictionary());
  }
}

TEST_F(DictionaryLearning, AtomsAndCodesAreNonNegativeWhereAsked) {
  // Samples of both signs, so that the constraints bind.
  for (const auto algorithm : algorithms)
    for (const auto init :
         {se::DictionaryInit::samples, se::DictionaryInit::random, se::DictionaryInit::kmeans})
      for (const bool atoms : {true, false}) {
        se::DictionaryLearning<double> learning({.n_components = 12,
                                                 .alpha = 0.05,
                                                 .max_iter = 2,
                                                 .positive_code = !atoms,
                                                 .positive_dict = atoms,
                                                 .init = init,
                                                 .algorithm = algorithm});
        learning.fit(X);
        const double least_atom = learning.dictionary().minCoeff();
        const double least_code = se::RowMatrix<double>(learning.transform(X)).minCoeff();
        EXPECT_GE(atoms ? least_atom : least_code, 0);
        EXPECT_LT(atoms ? least_code : least_atom, 0);
      }
}

TEST_F(DictionaryLearning, UnusedAtomsAreReplacedBySamples) {
  // Atoms orthogonal to all samples are never used.
  se::RowMatrix<double> wide = se::RowMatrix<double>::Zero(X.rows(), 14);
  wide.leftCols(10) = X;
  se::RowMatrix<double> initial = se::RowMatrix<double>::Zero(20, 14);
  for (Index j = 0; j < 20; ++j) initial(j, j < 4 ? 10 + j : j % 10) = 1;
  for (const auto algorithm : algorithms) {
    se::DictionaryLearning<double> learning({.n_components = 20,
                                             .alpha = 0.05,
                                             .seed = 1,
                                             .batch_size = 64,
                                             .max_iter = 3,
                                             .algorithm = algorithm});
    learning.fit(wide, initial);
    EXPECT_EQ(learning.dictionary().rightCols(4).cwiseAbs().maxCoeff(), 0);
  }
}

TEST_F(DictionaryLearning, EveryInitialisationLeadsToGoodAtoms) {
  std::vector<double> objectives;
  for (const auto init :
       {se::DictionaryInit::samples, se::DictionaryInit::random, se::DictionaryInit::kmeans}) {
    const se::DictionaryLearningOptions options{.n_components = 20,
                                                .alpha = 0.05,
                                                .seed = 1,
                                                .batch_size = 64,
                                                .max_iter = 10,
                                                .init = init,
                                                .tol = 1e-4};
    se::DictionaryLearning<double> learning(options);
    objectives.push_back(learning.fit(X).objective);
    se::DictionaryLearning<double> few(options);
    few.fit(X.topRows(9));
    EXPECT_TRUE(few.dictionary().allFinite());
  }
  const double best = *std::min_element(objectives.begin(), objectives.end());
  EXPECT_LE(objectives[0], 1.1 * best);
  EXPECT_LE(objectives[1], 1.25 * best);  // random directions are slower
  EXPECT_LE(objectives[2], 1.1 * best);
}

TEST_F(DictionaryLearning, PartialFitImprovesFromBatchToBatch) {
  se::DictionaryLearning<double> learning({.n_components = 20, .alpha = 0.05, .seed = 1, .batch_size = 50});
  learning.partial_fit(X.topRows(50));
  se::CodingReport before, after;
  learning.transform(X.bottomRows(300), &before);
  for (Index i = 50; i + 50 <= 1200; i += 50) learning.partial_fit(X.middleRows(i, 50));
  learning.transform(X.bottomRows(300), &after);
  EXPECT_LT(after.mean_objective, 0.9 * before.mean_objective);
}

TEST_F(DictionaryLearning, PartialFitTakesSparseBatchesAndContinuesAfterARejectedOne) {
  const se::RowMatrix<double> some = test_support::sparsified<double>(X, 0.5, random);
  const se::DictionaryLearningOptions options{.n_components = 20, .alpha = 0.05, .seed = 1, .batch_size = 64};
  se::DictionaryLearning<double> dense(options), sparse(options), disturbed(options);
  for (Index i = 0; i + 128 <= 640; i += 128) {
    const se::RowMatrix<double> batch = some.middleRows(i, 128);
    dense.partial_fit(batch);
    sparse.partial_fit(se::SparseMatrix<double>(batch.sparseView()));
    disturbed.partial_fit(batch);
    EXPECT_THROW(disturbed.partial_fit(batch.leftCols(9)), std::invalid_argument);
    EXPECT_THROW(disturbed.partial_fit(se::RowMatrix<double>(0, 10)), std::invalid_argument);
  }
  EXPECT_LE((sparse.dictionary() - dense.dictionary()).cwiseAbs().maxCoeff(), 1e-9);
  EXPECT_EQ(disturbed.dictionary(), dense.dictionary());
  EXPECT_EQ(disturbed.convergence().n_iter, 10);
}

TEST_F(DictionaryLearning, AWarmStartContinuesWhereTheLastFitEnded) {
  const se::DictionaryLearningOptions options{
      .n_components = 20, .alpha = 0.05, .seed = 1, .batch_size = 64, .max_iter = 5, .tol = 0};
  std::vector<double> first_round;
  se::DictionaryLearningOptions watched = options;
  watched.on_progress = [&](const se::Progress& progress) {
    if (progress.iteration == 1) first_round.push_back(progress.objective);
    return true;
  };
  se::DictionaryLearning<double> from_samples(watched), from_atoms(watched);
  const double end = from_samples.fit(X).objective;
  from_atoms.fit(X, from_samples.dictionary());
  ASSERT_EQ(first_round.size(), 2u);
  EXPECT_LT(first_round[1], first_round[0]);
  EXPECT_LE(first_round[1], 1.05 * end);
  // Atoms longer than one are scaled, shorter ones kept.
  se::DictionaryLearning<double> scaled(options);
  scaled.fit(X, 7 * from_samples.dictionary());
  EXPECT_LE(scaled.dictionary().rowwise().norm().maxCoeff(), 1 + 1e-12);
  // Partial fits go on from the statistics of a fit.
  const se::RowMatrix<double> before = from_atoms.dictionary();
  from_atoms.partial_fit(X.topRows(64));
  EXPECT_LT((from_atoms.dictionary() - before).norm(), 0.2 * before.norm());
  EXPECT_NE(from_atoms.dictionary(), before);
}

TEST_F(DictionaryLearning, DeadAtomsAreReplacedByTheSamplesWithTheLargestResiduals) {
  // Two unit atoms span the first two features; three more samples lie outside, of different lengths.
  se::RowMatrix<double> Y = se::RowMatrix<double>::Zero(8, 6);
  for (Index i = 0; i < 5; ++i) Y(i, i % 2) = 1;
  Y(5, 2) = 0.5;
  Y(6, 3) = 2;
  Y(7, 4) = -1;
  se::RowMatrix<double> initial = se::RowMatrix<double>::Zero(4, 6);
  initial(0, 0) = initial(1, 1) = initial(2, 5) = initial(3, 5) = 1;
  for (const int n_threads : {1, 3})
    for (const auto algorithm : algorithms) {
      se::DictionaryLearning<double> learning({.n_components = 4,
                                               .alpha = 0.05,
                                               .max_iter = 1,
                                               .algorithm = algorithm,
                                               .validation_fraction = 0,
                                               .n_threads = n_threads});
      learning.fit(Y, initial);
      EXPECT_EQ(learning.dictionary().row(2), Y.row(6) / 2);
      EXPECT_EQ(learning.dictionary().row(3), Y.row(7));
    }
}

TEST_F(DictionaryLearning, FloatLearnsAsDoubleDoes) {
  const se::DictionaryLearningOptions options{
      .n_components = 20, .alpha = 0.05, .seed = 1, .batch_size = 64, .max_iter = 5, .tol = 0};
  se::DictionaryLearning<double> wide(options);
  se::DictionaryLearning<float> narrow(options);
  const double objective = wide.fit(X).objective;
  EXPECT_NEAR(narrow.fit(se::RowMatrix<float>(X.cast<float>())).objective, objective, 0.02 * objective);
}

TEST_F(DictionaryLearning, MoreAtomsThanSamplesAndSamplesOfZeros) {
  se::DictionaryLearning<double> learning({.n_components = 30, .alpha = 0.05, .max_iter = 2});
  learning.fit(X.topRows(7));
  EXPECT_EQ(learning.dictionary().rows(), 30);
  EXPECT_TRUE(learning.dictionary().allFinite());
  learning.fit(se::RowMatrix<double>::Zero(9, 4));
  EXPECT_TRUE(learning.dictionary().allFinite());
  EXPECT_EQ(learning.transform(se::RowMatrix<double>::Zero(9, 4)).nonZeros(), 0);
}

TEST_F(DictionaryLearning, BadInputIsNamedAndLeavesTheModelAsItWas) {
  se::DictionaryLearning<double> learning({.n_components = 12, .alpha = 0.05, .max_iter = 1});
  EXPECT_THROW(learning.dictionary(), std::logic_error);
  EXPECT_THROW(learning.transform(X), std::logic_error);
  learning.partial_fit(X.topRows(100));
  const se::RowMatrix<double> atoms = learning.dictionary();
  EXPECT_THROW(learning.partial_fit(X.leftCols(9)), std::invalid_argument);
  se::RowMatrix<double> bad = X.topRows(3);
  bad(2, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(learning.partial_fit(bad), std::invalid_argument);
  EXPECT_THROW(learning.fit(bad), std::invalid_argument);
  EXPECT_THROW(learning.fit(se::RowMatrix<double>(0, 3)), std::invalid_argument);
  EXPECT_THROW(learning.fit(X, atoms.topRows(5)), std::invalid_argument);
  EXPECT_EQ(learning.dictionary(), atoms);
  using Learning = se::DictionaryLearning<double>;
  EXPECT_THROW(Learning({.n_components = 0}), std::invalid_argument);
  EXPECT_THROW(Learning({.alpha = -0.1}), std::invalid_argument);
}
