// SPDX-License-Identifier: MIT
#include <sparse_experts/clustering/kmeans.hpp>
#include <sparse_experts/clustering/mini_batch.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <limits>

namespace se = sparse_experts;
using se::Index;
using se::IndexVector;

namespace {

TEST(MiniBatchKMeans, ComesCloseToKMeans) {
  const auto problem = test_support::make_blobs<double>(6000, 8, 12, 9.0, 4);
  se::KMeans<double> full({.n_clusters = 12, .n_init = 3});
  full.fit(problem.X);
  se::MiniBatchKMeans<double> model({.n_clusters = 12, .batch_size = 256});
  model.fit(problem.X);
  EXPECT_LT(model.inertia(), 1.05 * full.inertia());
  EXPECT_EQ(model.predict(problem.X), model.labels());
  double inertia = 0;
  for (Index i = 0; i < 6000; ++i)
    inertia += (problem.X.row(i) - model.centers().row(model.labels()[i])).squaredNorm();
  EXPECT_NEAR(model.inertia(), inertia, 1e-9 * inertia);
}

TEST(MiniBatchKMeans, PartialFitKeepsTheMeanOfAllRowsGivenToACentre) {
  // One cluster: whatever the batches, the centre is the mean of all rows so far.
  const auto problem = test_support::make_blobs<float>(900, 5, 3, 2.0, 1);
  se::MiniBatchKMeans<float> model({.n_clusters = 1});
  for (Index batch = 0; batch < 9; ++batch) {
    model.partial_fit(problem.X.middleRows(100 * batch, 100));
    const se::RowVector<float> mean = problem.X.topRows(100 * (batch + 1)).colwise().mean();
    EXPECT_LT((model.centers().row(0) - mean).norm(), 1e-5f);
    EXPECT_EQ(model.labels().size(), 100);
  }
  EXPECT_EQ(model.n_iter(), 9);
}

TEST(MiniBatchKMeans, PartialFitFollowsTheDefinition) {
  const auto problem = test_support::make_blobs<double>(300, 4, 3, 4.0, 6);
  se::MiniBatchKMeans<double> model({.n_clusters = 3, .seed = 2});
  model.partial_fit(problem.X.topRows(100));
  se::RowMatrix<double> sums = se::RowMatrix<double>::Zero(3, 4);
  se::Vector<double> weights = se::Vector<double>::Zero(3);
  const auto add = [&](Index begin, const IndexVector& labels) {
    for (Index i = 0; i < labels.size(); ++i) {
      sums.row(labels[i]) += problem.X.row(begin + i);
      weights[labels[i]] += 1;
    }
  };
  add(0, model.labels());
  for (Index begin = 100; begin < 300; begin += 100) {
    const IndexVector expected = model.predict(problem.X.middleRows(begin, 100));
    model.partial_fit(problem.X.middleRows(begin, 100));
    EXPECT_EQ(model.labels(), expected);
    add(begin, expected);
    for (Index k = 0; k < 3; ++k) EXPECT_LT((weights[k] * model.centers().row(k) - sums.row(k)).norm(), 1e-9);
  }
}

TEST(MiniBatchKMeans, SameBitsAtAnyNumberOfThreadsAndForSparseRows) {
  const auto problem = test_support::make_blobs<double>(3000, 6, 5, 4.0, 2);
  se::MiniBatchKMeans<double> one({.n_clusters = 7, .batch_size = 500, .n_threads = 1});
  one.fit(problem.X);
  for (const int threads : {2, 3, 8}) {
    se::MiniBatchKMeans<double> many({.n_clusters = 7, .batch_size = 500, .n_threads = threads});
    many.fit(problem.X);
    EXPECT_EQ(many.labels(), one.labels());
    EXPECT_EQ(many.centers(), one.centers());
    EXPECT_EQ(many.inertia(), one.inertia());
  }
  se::MiniBatchKMeans<double> sparse({.n_clusters = 7, .batch_size = 500});
  sparse.fit(se::SparseMatrix<double>(problem.X.sparseView()));
  EXPECT_EQ(sparse.labels(), one.labels());
}

TEST(MiniBatchKMeans, RowsOfWeightZeroHaveNoInfluence) {
  auto problem = test_support::make_blobs<double>(500, 3, 3, 5.0, 8);
  se::Vector<double> weight = se::Vector<double>::Ones(500);
  for (Index i = 0; i < 500; i += 5) {
    problem.X.row(i).setConstant(1e6);
    weight[i] = 0;
  }
  se::MiniBatchKMeans<double> model({.n_clusters = 3, .batch_size = 100});
  model.fit_weighted(problem.X, weight);
  EXPECT_LT(model.centers().cwiseAbs().maxCoeff(), 100);
  EXPECT_LT(model.inertia(), 1e5);
}

TEST(MiniBatchKMeans, FewerDistinctRowsThanClusters) {
  se::RowMatrix<double> x(40, 2);
  for (Index i = 0; i < 40; ++i) x.row(i).setConstant(static_cast<double>(i % 2));
  se::MiniBatchKMeans<double> model({.n_clusters = 5, .batch_size = 7});
  model.fit(x);
  EXPECT_NEAR(model.inertia(), 0, 1e-12);
}

TEST(MiniBatchKMeans, StopsWhenToldTo) {
  const auto problem = test_support::make_blobs<double>(400, 3, 3, 1.0, 8);
  se::MiniBatchKMeans<double> model(
      {.n_clusters = 3,
       .batch_size = 50,
       .max_no_improvement = 0,
       .on_progress = [](const se::Progress& progress) { return progress.iteration < 3; }});
  EXPECT_EQ(model.fit(problem.X).status, se::Status::stopped);
  EXPECT_EQ(model.n_iter(), 3);
  EXPECT_EQ(model.labels().size(), 400);
}

TEST(MiniBatchKMeans, BadInputIsRejected) {
  const auto problem = test_support::make_blobs<double>(20, 3, 2, 1.0, 8);
  const se::Matrix<double>& x = problem.X;
  EXPECT_THROW(se::MiniBatchKMeans<double>({.n_clusters = 0}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::MiniBatchKMeans<double>({.n_clusters = 21}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::MiniBatchKMeans<double>({.n_clusters = 21}).partial_fit(x), std::invalid_argument);
  EXPECT_THROW(se::MiniBatchKMeans<double>({.n_clusters = 2, .batch_size = 0}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::MiniBatchKMeans<double>({.n_clusters = 2}).fit_weighted(x, se::Vector<double>::Zero(20)),
               std::invalid_argument);
  EXPECT_THROW(se::MiniBatchKMeans<double>().predict(x), std::logic_error);
  se::MiniBatchKMeans<double> model({.n_clusters = 2});
  model.partial_fit(x);
  EXPECT_THROW(model.partial_fit(x.leftCols(2)), std::invalid_argument);
  EXPECT_NO_THROW(model.partial_fit(x.topRows(1)));
}

}  // namespace
