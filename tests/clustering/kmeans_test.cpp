// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/clustering/kmeans.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <stdexcept>

namespace se = sparse_experts;
using se::Index;

namespace {

/// The definition, written as plainly as possible: double, distances by differences, means from scratch.
struct Plain {
  se::RowMatrix<double> centers;
  se::IndexVector labels;
  double inertia = 0;
};

Plain plain_lloyd(const se::RowMatrix<double>& x, const se::RowMatrix<double>& start, int iterations,
                  const se::Vector<double>& weights) {
  Plain state{start, se::IndexVector::Zero(x.rows()), 0};
  for (int it = 0; it <= iterations; ++it) {
    state.inertia = 0;
    for (Index i = 0; i < x.rows(); ++i) {
      state.inertia +=
          weights[i] *
          (state.centers.rowwise() - x.row(i)).rowwise().squaredNorm().minCoeff(&state.labels[i]);
    }
    if (it == iterations) break;
    for (Index k = 0; k < start.rows(); ++k) {
      se::RowVector<double> sum = se::RowVector<double>::Zero(x.cols());
      double weight = 0;
      for (Index i = 0; i < x.rows(); ++i)
        if (state.labels[i] == k) {
          sum += weights[i] * x.row(i);
          weight += weights[i];
        }
      if (weight > 0) state.centers.row(k) = sum / weight;
    }
  }
  return state;
}

template <class X>
X convert(const se::Matrix<double>& dense) {
  using Scalar = typename X::Scalar;
  const se::Matrix<Scalar> cast = dense.cast<Scalar>();
  if constexpr (se::detail::is_sparse<X>)
    return X(cast.sparseView());
  else
    return X(cast);
}

se::Matrix<double> mixture(Index n, Index p, Index k, std::uint64_t seed, double density) {
  se::Random random(seed);
  const se::Matrix<double> means = 3 * test_support::random_matrix<double>(k, p, random);
  se::Matrix<double> x = test_support::random_matrix<double>(n, p, random);
  for (Index i = 0; i < n; ++i) x.row(i) += means.row(i % k);
  return test_support::sparsified(std::move(x), density, random);
}

template <class X>
class KMeansContract : public ::testing::Test {
 protected:
  static constexpr double tolerance = sizeof(typename X::Scalar) == 4 ? 2e-5 : 1e-11;
};

using Storages = ::testing::Types<se::RowMatrix<double>, se::RowMatrix<float>, se::Matrix<double>,
                                  se::SparseRowMatrix<float>, se::SparseMatrix<double>,
                                  se::SparseRowMatrix<double, std::int64_t>>;
TYPED_TEST_SUITE(KMeansContract, Storages);

TYPED_TEST(KMeansContract, IteratesAreThoseOfPlainLloyd) {
  using Scalar = typename TypeParam::Scalar;
  for (const Index k : {1, 3, 17, 40}) {
    const se::Matrix<double> x = mixture(300, 11, k, 5, 0.6).cast<Scalar>().template cast<double>();
    const se::RowMatrix<double> start = x.topRows(k);
    se::Random random(1);
    se::Vector<double> weights(300);
    for (Index i = 0; i < 300; ++i) weights[i] = static_cast<double>(1 + random.below(4));
    const Plain expected = plain_lloyd(x, start, 4, weights);
    se::KMeans<Scalar> km({.n_clusters = k, .max_iter = 4, .tol = 0});
    km.fit(convert<TypeParam>(x), start.cast<Scalar>(), weights.cast<Scalar>());
    EXPECT_EQ(km.labels(), expected.labels) << k;
    EXPECT_LE((km.centers().template cast<double>() - expected.centers).cwiseAbs().maxCoeff(),
              this->tolerance * 10);
    EXPECT_NEAR(km.inertia(), expected.inertia, this->tolerance * expected.inertia);
  }
}

TYPED_TEST(KMeansContract, ConvergedFitIsAFixedPointAndPredictRepeatsTheLabels) {
  using Scalar = typename TypeParam::Scalar;
  const se::Matrix<double> x = mixture(400, 9, 6, 11, 0.7);
  const TypeParam input = convert<TypeParam>(x);
  se::KMeans<Scalar> km({.n_clusters = 6, .tol = 0, .n_init = 3, .seed = 4});
  EXPECT_TRUE(km.fit(input));
  EXPECT_EQ(km.convergence().value, 0);
  EXPECT_EQ(km.predict(input), km.labels());
  const se::RowMatrix<double> rows = x.cast<Scalar>().template cast<double>();
  const Plain next =
      plain_lloyd(rows, km.centers().template cast<double>(), 1, se::Vector<double>::Ones(400));
  EXPECT_EQ(next.labels, km.labels());
  EXPECT_LE((next.centers - km.centers().template cast<double>()).cwiseAbs().maxCoeff(),
            this->tolerance * 10);
  const auto distances = km.transform(input);
  double inertia = 0;
  for (Index i = 0; i < 400; ++i) {
    Index nearest = 0;
    const double d = static_cast<double>(distances.row(i).minCoeff(&nearest));
    EXPECT_EQ(nearest, km.labels()[i]);
    inertia += d * d;
  }
  EXPECT_NEAR(km.inertia(), inertia, this->tolerance * 10 * inertia);
}

TYPED_TEST(KMeansContract, SameBitsAtAnyNumberOfThreads) {
  using Scalar = typename TypeParam::Scalar;
  const TypeParam x = convert<TypeParam>(mixture(6000, 18, 20, 3, 0.8));
  se::KMeansOptions options{.n_clusters = 20, .max_iter = 8, .tol = 0, .n_init = 2, .seed = 9};
  options.n_threads = 1;
  se::KMeans<Scalar> one(options);
  one.fit(x);
  for (const int threads : {2, 3, 8}) {
    options.n_threads = threads;
    se::KMeans<Scalar> many(options);
    many.fit(x);
    EXPECT_EQ(many.labels(), one.labels());
    EXPECT_TRUE((many.centers().array() == one.centers().array()).all());
    EXPECT_EQ(many.inertia(), one.inertia());
    EXPECT_EQ(many.n_iter(), one.n_iter());
  }
}

TEST(KMeans, DenseAndSparseGiveTheSameBits) {
  const se::Matrix<double> x = mixture(500, 40, 12, 21, 0.2);
  const se::RowMatrix<float> dense = convert<se::RowMatrix<float>>(x);
  const se::SparseRowMatrix<float> sparse = convert<se::SparseRowMatrix<float>>(x);
  se::KMeans<float> a({.n_clusters = 12, .tol = 0}), b = a;
  a.fit(dense, dense.topRows(12));
  b.fit(sparse, dense.topRows(12));
  EXPECT_EQ(a.labels(), b.labels());
  EXPECT_TRUE((a.centers().array() == b.centers().array()).all());
}

TEST(KMeans, WeightsOfOnesChangeNothingAndZerosRemoveRows) {
  const se::RowMatrix<double> x = mixture(200, 5, 4, 2, 1.0);
  se::KMeans<double> plain({.n_clusters = 4, .tol = 0}), weighted = plain, removed = plain;
  plain.fit(x, x.topRows(4));
  weighted.fit(x, x.topRows(4), se::Vector<double>::Ones(200));
  EXPECT_TRUE((plain.centers().array() == weighted.centers().array()).all());
  se::Vector<double> half = se::Vector<double>::Ones(200);
  half.tail(100).setZero();
  weighted.fit(x, x.topRows(4), half);
  removed.fit(x.topRows(100), x.topRows(4));
  EXPECT_LE((weighted.centers() - removed.centers()).cwiseAbs().maxCoeff(), 1e-12);
  EXPECT_NEAR(weighted.inertia(), removed.inertia(), 1e-9 * removed.inertia());
  weighted.fit_weighted(x, half);
  EXPECT_TRUE(weighted.convergence());
}

TEST(KMeans, FarFromZeroFloatDataStillSplit) {
  se::Random random(3);
  se::RowMatrix<float> x(200, 3);
  for (Index i = 0; i < 200; ++i)
    for (Index j = 0; j < 3; ++j)
      x(i, j) = 10000.0f + static_cast<float>(i % 2) + 0.1f * static_cast<float>(random.uniform());
  se::KMeans<float> km({.n_clusters = 2, .tol = 0, .seed = 5});
  km.fit(x);
  for (Index i = 2; i < 200; ++i) EXPECT_EQ(km.labels()[i], km.labels()[i % 2]);
  EXPECT_NE(km.labels()[0], km.labels()[1]);
}

TEST(KMeans, EmptyClusterTakesTheFarthestSample) {
  se::RowMatrix<double> x(6, 1);
  x << 0, 1, 2, 10, 11, 30;
  se::RowMatrix<double> start(3, 1);
  start << 1, 12, 1000;  // nobody is nearest to 1000; 30 is farthest from its centre
  se::KMeans<double> km({.n_clusters = 3, .tol = 0});
  EXPECT_TRUE(km.fit(x, start));
  se::IndexVector expected(6);
  expected << 0, 0, 0, 1, 1, 2;
  EXPECT_EQ(km.labels(), expected);
  EXPECT_DOUBLE_EQ(km.centers()(2, 0), 30);
}

TEST(KMeans, FewerDistinctRowsThanClustersEndsWithZeroInertia) {
  se::RowMatrix<float> x(50, 2);
  for (Index i = 0; i < 50; ++i) x.row(i) << static_cast<float>(i % 3), 7.0f;
  for (const auto init :
       {se::KMeansInit::kmeans_plus_plus, se::KMeansInit::random, se::KMeansInit::kmeans_parallel}) {
    se::KMeans<float> km({.n_clusters = 5, .tol = 0, .init = init});
    EXPECT_TRUE(km.fit(x));
    EXPECT_EQ(km.inertia(), 0);
    EXPECT_LT(km.n_iter(), 10);
    EXPECT_LE(std::set<Index>(km.labels().begin(), km.labels().end()).size(), 3u);
  }
  const se::RowMatrix<float> same = se::RowMatrix<float>::Ones(10, 3);
  se::KMeans<float> km({.n_clusters = 4});
  EXPECT_TRUE(km.fit(same));
  EXPECT_EQ(km.inertia(), 0);
}

// 25 blobs far from each other: D^2 seeding finds all of them, where random rows do not.
TEST(KMeans, SeedingFindsSeparatedBlobs) {
  const Index k = 25, n = 1500;
  se::Random random(6);
  se::RowMatrix<float> x(n, 3);
  for (Index i = 0; i < n; ++i) {
    const Index blob = i % k, place[3] = {blob % 5, blob / 5, blob % 3};
    for (Index j = 0; j < 3; ++j)
      x(i, j) = static_cast<float>(100 * static_cast<double>(place[j]) + 0.1 * random.normal());
  }
  for (const auto init : {se::KMeansInit::kmeans_plus_plus, se::KMeansInit::kmeans_parallel})
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      se::KMeans<float> km({.n_clusters = k, .tol = 0, .seed = seed, .init = init});
      km.fit(x);
      EXPECT_LT(km.inertia(), 2.0 * static_cast<double>(n) * 3 * 0.01) << seed;
      for (const int threads : {2, 5}) {
        se::KMeans<float> again(
            {.n_clusters = k, .tol = 0, .seed = seed, .init = init, .n_threads = threads});
        again.fit(x);
        EXPECT_EQ(again.labels(), km.labels());
        EXPECT_TRUE((again.centers().array() == km.centers().array()).all());
      }
    }
}

TEST(KMeans, AsManyClustersAsRows) {
  const se::RowMatrix<double> x = mixture(20, 3, 4, 8, 1.0);
  se::KMeans<double> km({.n_clusters = 20, .tol = 0});
  EXPECT_TRUE(km.fit(x));
  EXPECT_EQ(km.inertia(), 0);
}

TEST(KMeans, SquaredDistancesOfOneSample) {
  const se::RowMatrix<float> x = mixture(100, 8, 5, 6, 1.0).cast<float>();
  se::KMeans<float> km({.n_clusters = 5});
  km.fit(x);
  const se::RowMatrix<float> distances = km.transform(x);
  se::Vector<float> out(5);
  for (Index i = 0; i < 100; ++i) {
    const se::Vector<float> sample = x.row(i);
    EXPECT_EQ(km.squared_distances_into(sample, out), km.labels()[i]);
    EXPECT_LE((out.cwiseSqrt() - distances.row(i).transpose()).cwiseAbs().maxCoeff(), 1e-4f);
    EXPECT_EQ(km.squared_distances_into(x.row(i), out), km.labels()[i]);
  }
}

TEST(KMeans, ProgressReportsAndStops) {
  const se::RowMatrix<double> x = mixture(500, 4, 9, 8, 1.0);
  int calls = 0;
  double last = std::numeric_limits<double>::max();
  se::KMeans<double> km({.n_clusters = 12, .tol = 0, .on_progress = [&](const se::Progress& progress) {
                           EXPECT_EQ(progress.iteration, ++calls);
                           EXPECT_LE(progress.objective, last * (1 + 1e-12));
                           last = progress.objective;
                           return calls < 2;
                         }});
  EXPECT_EQ(km.fit(x, x.topRows(12)).status, se::Status::stopped);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(km.predict(x), km.labels());
}

TEST(KMeans, BadInputIsNamed) {
  const se::RowMatrix<double> x = mixture(30, 3, 3, 1, 1.0);
  const auto rejects = [&](se::KMeansOptions options) {
    se::KMeans<double> km(options);
    EXPECT_THROW(km.fit(x), std::invalid_argument);
    EXPECT_THROW(km.predict(x), std::logic_error);
    EXPECT_THROW(km.labels(), std::logic_error);
  };
  rejects({.n_clusters = 0});
  rejects({.n_clusters = -3});
  rejects({.n_clusters = 31});
  rejects({.n_clusters = 3, .max_iter = 0});
  rejects({.n_clusters = 3, .tol = -1});
  rejects({.n_clusters = 3, .tol = std::numeric_limits<double>::quiet_NaN()});
  rejects({.n_clusters = 3, .n_init = 0});
  se::KMeansOptions negative_threads{.n_clusters = 3};
  negative_threads.n_threads = -1;
  rejects(negative_threads);

  se::KMeans<double> km({.n_clusters = 3});
  EXPECT_THROW(km.fit(se::RowMatrix<double>(0, 3)), std::invalid_argument);
  EXPECT_THROW(km.fit(x, x.topRows(2)), std::invalid_argument);
  EXPECT_THROW(km.fit(x, x.topLeftCorner(3, 2)), std::invalid_argument);
  se::RowMatrix<double> bad = x;
  bad(7, 1) = std::numeric_limits<double>::infinity();
  EXPECT_THROW(km.fit(bad), std::invalid_argument);
  EXPECT_THROW(km.fit(x, bad.middleRows(6, 3)), std::invalid_argument);
  EXPECT_THROW(km.fit_weighted(x, se::Vector<double>::Constant(30, -1)), std::invalid_argument);
  EXPECT_THROW(km.fit_weighted(x, se::Vector<double>::Ones(29)), std::invalid_argument);
  se::Vector<double> two = se::Vector<double>::Zero(30);
  two.head(2).setOnes();
  EXPECT_THROW(km.fit_weighted(x, two), std::invalid_argument);
  EXPECT_FALSE(km.is_fitted());

  km.fit(x);
  const se::RowMatrix<double> centers = km.centers();
  EXPECT_THROW(km.fit(bad), std::invalid_argument);
  EXPECT_EQ(km.centers(), centers);
  EXPECT_THROW(km.predict(x.leftCols(2)), std::invalid_argument);
  EXPECT_THROW(km.transform(bad), std::invalid_argument);
  try {
    km.fit(bad);
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("X(7, 1)"), std::string::npos) << error.what();
  }
}

}  // namespace

// Beyond these sizes the squares that assign samples are no floats any more; labels were wrong without a
// word.
TEST(KMeansRange, SizesWhoseSquaresAreNoFloatsAreRejected) {
  se::Random random(2);
  const se::RowMatrix<float> X = test_support::random_matrix<float>(60, 4, random);
  se::KMeans<float> kmeans({.n_clusters = 8, .tol = 0});
  for (const float size : {1e25f, 3e37f, 1e-25f, 1e-37f}) {
    const se::RowMatrix<float> scaled = X * size;
    EXPECT_THROW(kmeans.fit(scaled), std::invalid_argument) << size;
  }
  for (const float size : {1e15f, 1e-12f}) {
    const se::RowMatrix<float> scaled = X * size;
    kmeans.fit(scaled);
    const se::Matrix<float> distances = kmeans.transform(scaled);
    for (se::Index i = 0; i < X.rows(); ++i)
      EXPECT_EQ(distances(i, kmeans.labels()[i]), distances.row(i).minCoeff()) << size;
  }
}
