// SPDX-License-Identifier: MIT
#include <sparse_experts/model_selection/metrics.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <cmath>

namespace se = sparse_experts;
using se::Index;

namespace {

se::RowMatrix<double> pattern(Index n) {
  se::RowMatrix<double> x(n, 3);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < 3; ++j)
      x(i, j) = static_cast<double>((7 * i + 3 * j) % 11) + 0.25 * static_cast<double>((i * i + j) % 5);
  return x;
}

se::IndexVector thirds(const se::RowMatrix<double>& x) {
  se::IndexVector labels(x.rows());
  for (Index i = 0; i < x.rows(); ++i) labels[i] = x(i, 0) < 4 ? 0 : (x(i, 0) < 8 ? 1 : 2);
  return labels;
}

/// The definition, pair by pair.
double brute_silhouette(const se::RowMatrix<double>& x, const se::IndexVector& labels, Index n_clusters,
                        Index i) {
  se::Vector<double> sums = se::Vector<double>::Zero(n_clusters), counts = sums;
  for (Index j = 0; j < x.rows(); ++j)
    if (j != i) {
      sums[labels[j]] += (x.row(i) - x.row(j)).norm();
      counts[labels[j]] += 1;
    }
  if (counts[labels[i]] == 0) return 0;
  const double a = sums[labels[i]] / counts[labels[i]];
  double b = 1e300;
  for (Index e = 0; e < n_clusters; ++e)
    if (e != labels[i] && counts[e] > 0) b = std::min(b, sums[e] / counts[e]);
  return (b - a) / std::max(a, b);
}

TEST(ClusteringMetrics, AgreeWithScikitLearn) {  // 1.2.1: adjusted_rand_score, normalized_mutual_info_score
  se::IndexVector a(40), b(40);
  for (Index i = 0; i < 40; ++i) {
    a[i] = (i * i + i / 7) % 4;
    b[i] = (i * i + i / 6) % 7 / 2;
  }
  EXPECT_NEAR(se::adjusted_rand_index(a, b), -0.0512590875566326, 1e-14);
  EXPECT_NEAR(se::normalized_mutual_info(a, b), 0.02482025868761575, 1e-14);
}

TEST(ClusteringMetrics, NamesOfLabelsPlayNoPart) {
  const se::IndexVector a = (se::IndexVector(6) << 0, 0, 1, 1, -1, -1).finished();
  const se::LabelVector b = (se::LabelVector(6) << 5, 5, -3, -3, 2, 2).finished();
  EXPECT_DOUBLE_EQ(se::adjusted_rand_index(a, b), 1);
  EXPECT_DOUBLE_EQ(se::normalized_mutual_info(a, b), 1);
  const se::IndexVector ones = se::IndexVector::Ones(6);
  EXPECT_EQ(se::adjusted_rand_index(ones, ones), 1);
  EXPECT_EQ(se::normalized_mutual_info(ones, ones), 1);
  EXPECT_EQ(se::normalized_mutual_info(ones, a), 0);
  EXPECT_EQ(se::adjusted_rand_index(ones, a), 0);
  EXPECT_THROW(se::adjusted_rand_index(a, ones.head(5)), std::invalid_argument);
}

TEST(Silhouette, AgreesWithScikitLearn) {  // 1.2.1: silhouette_score, silhouette_samples
  const se::RowMatrix<double> x = pattern(40);
  const se::IndexVector labels = thirds(x);
  EXPECT_NEAR(se::silhouette(x, labels), 0.4215682611176795, 1e-14);
  const se::Vector<double> samples = se::silhouette_samples(x, labels);
  EXPECT_NEAR(samples[0], 0.6739995126458629, 1e-14);
  EXPECT_NEAR(samples[1], 0.4231588638068143, 1e-14);
  EXPECT_NEAR(samples[2], -0.5121666360298415, 1e-14);
}

TEST(Silhouette, MatchesTheDefinitionAcrossTilesStoragesAndThreads) {
  const auto problem = test_support::make_blobs<double>(333, 9, 4, 3.0, 11);
  se::RowMatrix<double> x = problem.X;
  for (Index i = 0; i < 20; ++i) x.row(i + 100) = x.row(i);  // duplicates, where products cancel
  se::IndexVector labels = problem.labels.cast<Index>();
  labels[5] = 4;  // a cluster of one
  const se::Vector<double> samples = se::silhouette_samples(x, labels, 1);
  for (Index i = 0; i < x.rows(); ++i) EXPECT_NEAR(samples[i], brute_silhouette(x, labels, 5, i), 1e-12);
  EXPECT_EQ(samples[5], 0);
  EXPECT_EQ(se::silhouette_samples(x, labels, 2), samples);
  EXPECT_EQ(se::silhouette_samples(x, labels, 5), samples);
  EXPECT_EQ(se::silhouette_samples(se::Matrix<double>(x), labels), samples);
  const se::SparseMatrix<double> sparse = x.sparseView();
  EXPECT_LT((se::silhouette_samples(sparse, labels) - samples).cwiseAbs().maxCoeff(), 1e-11);
}

TEST(Silhouette, FarFromTheOriginFloatKeepsItsDigits) {
  const auto problem = test_support::make_blobs<double>(150, 3, 3, 4.0, 2);
  const se::RowMatrix<float> x = (problem.X.array() + 4096.0).cast<float>();
  const se::IndexVector labels = problem.labels.cast<Index>();
  const se::Vector<double> samples = se::silhouette_samples(x, labels);
  for (Index i = 0; i < 150; ++i)
    EXPECT_NEAR(samples[i], brute_silhouette(x.cast<double>(), labels, 3, i), 1e-12);
}

TEST(Silhouette, SampledMeanIsTheMeanOfSomeCoefficients) {
  const auto problem = test_support::make_blobs<double>(400, 5, 3, 4.0, 7);
  const double exact = se::silhouette(problem.X, problem.labels);
  const double sampled = se::silhouette(problem.X, problem.labels, {.sample_size = 150, .seed = 1});
  EXPECT_NE(sampled, exact);
  EXPECT_NEAR(sampled, exact, 0.05);
  EXPECT_DOUBLE_EQ(se::silhouette(problem.X, problem.labels, {.sample_size = 400}), exact);
}

TEST(Silhouette, BadInputIsRejected) {
  const se::RowMatrix<double> x = pattern(10);
  EXPECT_THROW(se::silhouette(x, se::IndexVector::Zero(10)), std::invalid_argument);
  EXPECT_THROW(se::silhouette(x, se::IndexVector::Zero(9)), std::invalid_argument);
  EXPECT_THROW(se::silhouette(x, thirds(x), {.sample_size = -1}), std::invalid_argument);
}

}  // namespace
