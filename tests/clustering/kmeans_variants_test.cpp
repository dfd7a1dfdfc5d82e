// SPDX-License-Identifier: MIT
// Every exact variant returns the labels, centres and inertia of plain Lloyd, bit for bit.
#include "support/problems.hpp"
#include <sparse_experts/clustering/kmeans.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace se = sparse_experts;
using se::Index;

namespace {

constexpr se::KMeansAlgorithm all_algorithms[] = {se::KMeansAlgorithm::automatic,
                                                  se::KMeansAlgorithm::hamerly, se::KMeansAlgorithm::elkan,
                                                  se::KMeansAlgorithm::yinyang};

template <class X>
se::KMeans<typename X::Scalar> fitted(const X& x, const se::RowMatrix<typename X::Scalar>& start,
                                      se::KMeansAlgorithm algorithm, int n_threads, Index max_iter) {
  se::KMeans<typename X::Scalar> km({.n_clusters = start.rows(),
                                     .max_iter = max_iter,
                                     .tol = 0,
                                     .algorithm = algorithm,
                                     .n_threads = n_threads});
  km.fit(x, start);
  return km;
}

template <class Scalar>
void expect_same_bits(const se::KMeans<Scalar>& got, const se::KMeans<Scalar>& expected,
                      const std::string& what) {
  EXPECT_EQ(got.labels(), expected.labels()) << what;
  EXPECT_TRUE((got.centers().array() == expected.centers().array()).all()) << what;
  EXPECT_EQ(got.inertia(), expected.inertia()) << what;
  EXPECT_EQ(got.n_iter(), expected.n_iter()) << what;
}

template <class X>
void expect_variants_agree(const X& x, const se::RowMatrix<typename X::Scalar>& start,
                           const std::string& what, Index max_iter = 25) {
  const auto plain = fitted(x, start, se::KMeansAlgorithm::lloyd, 1, max_iter);
  for (const auto algorithm : all_algorithms)
    for (const int threads : {1, 3}) {
      const auto km = fitted(x, start, algorithm, threads, max_iter);
      expect_same_bits(km, plain, what + ", variant " + std::to_string(static_cast<int>(algorithm)));
      EXPECT_GT(km.counters().distance_evaluations, 0);
    }
}

se::Matrix<double> blobs(Index n, Index p, int k, double separation, std::uint64_t seed) {
  return test_support::make_blobs<double>(n, p, k, separation, seed).X;
}

TEST(KMeansVariants, AgreeOverShapes) {
  for (const Index p : {1, 2, 3, 8, 20, 65})
    for (const Index k : {1, 7, 16, 33, 150}) {
      const se::RowMatrix<double> x = blobs(700, p, 12, 6, static_cast<std::uint64_t>(p * 1000 + k));
      const std::string what = "p = " + std::to_string(p) + ", K = " + std::to_string(k);
      expect_variants_agree(x, se::RowMatrix<double>(x.topRows(k)), what);
      expect_variants_agree(se::RowMatrix<float>(x.cast<float>()),
                            se::RowMatrix<float>(x.topRows(k).cast<float>()), what + ", float");
    }
}

TEST(KMeansVariants, AgreeOnSparseRows) {
  se::Random random(4);
  const se::RowMatrix<double> x = test_support::sparsified(blobs(600, 70, 9, 8, 3), 0.1, random);
  const se::SparseRowMatrix<double> sparse = x.sparseView();
  for (const Index k : {5, 40, 130}) {
    expect_variants_agree(sparse, se::RowMatrix<double>(x.topRows(k)), "sparse");
    const auto from_sparse = fitted(sparse, x.topRows(k), se::KMeansAlgorithm::elkan, 1, 60);
    const auto from_dense = fitted(x, x.topRows(k), se::KMeansAlgorithm::lloyd, 1, 60);
    EXPECT_EQ(from_sparse.labels(), from_dense.labels());
    EXPECT_TRUE((from_sparse.centers().array() == from_dense.centers().array()).all());
  }
}

// Small integers: many samples lie exactly between two centres, and rounding decides nothing.
TEST(KMeansVariants, AgreeOnTies) {
  se::Random random(8);
  for (const Index p : {1, 2, 4, 12}) {
    se::RowMatrix<float> x(500, p);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(random.below(4));
    for (const Index k : {3, 10, 40}) expect_variants_agree(x, se::RowMatrix<float>(x.topRows(k)), "ties");
  }
}

// Scores of float data far from zero are mostly rounding: bounds must not be believed beyond it.
TEST(KMeansVariants, AgreeWhereFloatScoresAreRounded) {
  for (const double offset : {1e2, 1e4, 1e6}) {
    const se::RowMatrix<float> x = (blobs(400, 6, 5, 4, 9).array() + offset).matrix().cast<float>();
    expect_variants_agree(x, se::RowMatrix<float>(x.topRows(20)), "offset");
  }
  const se::RowMatrix<float> tiny = (blobs(400, 6, 5, 4, 9) * 1e-12).cast<float>();
  expect_variants_agree(tiny, se::RowMatrix<float>(tiny.topRows(8)), "tiny");
  const se::RowMatrix<double> huge = blobs(400, 6, 5, 4, 9) * 1e60;
  expect_variants_agree(huge, se::RowMatrix<double>(huge.topRows(8)), "huge");
}

TEST(KMeansVariants, AgreeWhenClustersRunEmpty) {
  se::RowMatrix<double> x = blobs(300, 4, 6, 8, 2);
  x.middleRows(100, 50).setOnes();
  se::RowMatrix<double> start = x.topRows(30);
  start.bottomRows(8).setConstant(500);
  start.row(3) = start.row(4);
  expect_variants_agree(x, start, "empty clusters");
}

TEST(KMeansVariants, BoundsSkipMostDistancesOfSeparatedClusters) {
  const se::RowMatrix<double> x = blobs(3000, 4, 30, 40, 5);
  for (const auto algorithm :
       {se::KMeansAlgorithm::hamerly, se::KMeansAlgorithm::elkan, se::KMeansAlgorithm::yinyang}) {
    const auto km = fitted(x, se::RowMatrix<double>(x.topRows(30)), algorithm, 1, 100);
    EXPECT_LT(km.counters().distance_evaluations, km.counters().lloyd_evaluations);
    EXPECT_GT(km.counters().skipped_share(), 0.3);
    EXPECT_EQ(km.counters().algorithm, algorithm);
  }
}

}  // namespace
