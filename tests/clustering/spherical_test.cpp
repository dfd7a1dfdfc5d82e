// SPDX-License-Identifier: MIT
#include <sparse_experts/clustering/spherical.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <limits>
#include <vector>

namespace se = sparse_experts;
using se::Index;
using se::IndexVector;

namespace {

/// Rows around a few directions, of lengths that differ by orders of magnitude.
template <class Scalar>
se::RowMatrix<Scalar> directions(Index n, Index p, Index k, std::uint64_t seed) {
  se::Random random(seed);
  const se::Matrix<double> axes = test_support::random_matrix<double>(k, p, random);
  se::RowMatrix<Scalar> x(n, p);
  for (Index i = 0; i < n; ++i) {
    const double length = std::exp(3 * random.normal());
    for (Index j = 0; j < p; ++j)
      x(i, j) = static_cast<Scalar>(length * (axes(i % k, j) + 0.3 * random.normal()));
  }
  return x;
}

template <class Scalar>
double objective(const se::RowMatrix<Scalar>& x, const se::RowMatrix<Scalar>& centers,
                 const IndexVector& labels) {
  double sum = 0;
  for (Index i = 0; i < x.rows(); ++i) {
    const auto row = x.row(i).template cast<double>(),
               center = centers.row(labels[i]).template cast<double>();
    sum += row.norm() > 0 ? 1 - row.dot(center) / (row.norm() * center.norm()) : 1.0;
  }
  return sum;
}

template <class T>
class Spherical : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Spherical, Scalars);

TYPED_TEST(Spherical, ObjectiveFallsInEveryIterationAndIsTheOneReported) {
  using Scalar = TypeParam;
  const double rounding = sizeof(Scalar) == 4 ? 1e-5 : 1e-11;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const se::RowMatrix<Scalar> x = directions<Scalar>(600, 8, 7, seed);
    std::vector<double> trace;
    se::SphericalKMeans<Scalar> model({.n_clusters = 9,
                                       .tol = 0,
                                       .seed = seed,
                                       .init = se::KMeansInit::random,
                                       .n_threads = 1,
                                       .on_progress = [&](const se::Progress& progress) {
                                         trace.push_back(progress.objective);
                                         return true;
                                       }});
    EXPECT_TRUE(model.fit(x));
    ASSERT_GT(trace.size(), 2u);
    for (std::size_t t = 1; t < trace.size(); ++t) EXPECT_LE(trace[t], trace[t - 1] * (1 + rounding));
    EXPECT_LE(model.inertia(), trace.back() * (1 + rounding));
    EXPECT_NEAR(model.inertia(), objective(x, model.centers(), model.labels()), rounding * 600);
    for (Index k = 0; k < 9; ++k) EXPECT_NEAR(static_cast<double>(model.centers().row(k).norm()), 1, 1e-6);
    EXPECT_EQ(model.predict(x * Scalar(2)), model.labels());
  }
}

TYPED_TEST(Spherical, LengthsOfRowsPlayNoPart) {
  using Scalar = TypeParam;
  const se::RowMatrix<Scalar> x = directions<Scalar>(300, 6, 4, 3);
  const se::RowMatrix<Scalar> unit = x.rowwise().normalized(), start = unit.topRows(4);
  se::SphericalKMeans<Scalar> a({.n_clusters = 4}), b({.n_clusters = 4});
  a.fit(x, start);
  b.fit(unit * Scalar(8), x.topRows(4));
  EXPECT_EQ(a.labels(), b.labels());
  for (Index i = 0; i < 300; ++i)
    EXPECT_EQ(a.labels()[i], a.labels()[i % 4]);  // the four directions are found
}

TYPED_TEST(Spherical, SparseAndThreadsGiveTheSameLabels) {
  using Scalar = TypeParam;
  se::Random random(5);
  const se::Matrix<Scalar> dense =
      test_support::sparsified(test_support::random_matrix<Scalar>(2000, 40, random), 0.1, random);
  se::SphericalKMeans<Scalar> one({.n_clusters = 10, .n_threads = 1});
  one.fit(dense);
  for (const int threads : {2, 3, 8}) {
    se::SphericalKMeans<Scalar> many({.n_clusters = 10, .n_threads = threads});
    many.fit(dense);
    EXPECT_EQ(many.labels(), one.labels());
    EXPECT_EQ(many.centers(), one.centers());
    EXPECT_EQ(many.inertia(), one.inertia());
  }
  se::SphericalKMeans<Scalar> sparse({.n_clusters = 10});
  sparse.fit(se::SparseMatrix<Scalar>(dense.sparseView()));
  EXPECT_EQ(sparse.labels(), one.labels());
  EXPECT_EQ(sparse.predict(dense), one.labels());
}

TEST(SphericalKMeans, TransformIsTheCosineDistance) {
  const se::RowMatrix<double> x = directions<double>(50, 5, 3, 1);
  se::SphericalKMeans<double> model({.n_clusters = 3});
  model.fit(x);
  const se::RowMatrix<double> distances = model.transform(x);
  for (Index i = 0; i < 50; ++i)
    for (Index k = 0; k < 3; ++k)
      EXPECT_NEAR(distances(i, k), 1 - x.row(i).dot(model.centers().row(k)) / x.row(i).norm(), 1e-12);
  se::Vector<double> squared(3);
  Index least = 0;
  distances.row(7).minCoeff(&least);
  EXPECT_EQ(model.squared_distances_into(x.row(7), squared), least);
}

TEST(SphericalKMeans, WeightsActAsRepetitions) {
  const se::RowMatrix<double> x = directions<double>(60, 4, 3, 2);
  se::Vector<double> weight(60);
  std::vector<Index> rows;
  for (Index i = 0; i < 60; ++i) {
    weight[i] = static_cast<double>(i % 3);
    for (Index r = 0; r < i % 3; ++r) rows.push_back(i);
  }
  se::SphericalKMeans<double> weighted({.n_clusters = 3, .n_init = 5}),
      repeated({.n_clusters = 3, .n_init = 5});
  weighted.fit_weighted(x, weight);
  repeated.fit(x(rows, Eigen::all));
  EXPECT_NEAR(weighted.inertia(), repeated.inertia(), 1e-9);
}

TEST(SphericalKMeans, ZeroRowsAndFewDirections) {
  se::RowMatrix<double> x = se::RowMatrix<double>::Zero(6, 3);
  x(1, 0) = 1e200;
  x(2, 0) = 1e-200;
  x(3, 1) = 5;
  se::SphericalKMeans<double> model({.n_clusters = 4});
  EXPECT_TRUE(model.fit(x));
  EXPECT_NEAR(model.inertia(), 3, 1e-12);  // three rows without direction
  EXPECT_EQ(model.labels()[1], model.labels()[2]);
  EXPECT_NE(model.labels()[1], model.labels()[3]);
  se::SphericalKMeans<double> all_zero({.n_clusters = 2});
  EXPECT_TRUE(all_zero.fit(se::RowMatrix<double>(se::RowMatrix<double>::Zero(4, 2))));
  EXPECT_TRUE(all_zero.centers().allFinite());
}

TEST(SphericalKMeans, BadInputIsRejected) {
  const se::RowMatrix<double> x = directions<double>(20, 3, 2, 2);
  EXPECT_THROW(se::SphericalKMeans<double>({.n_clusters = 0}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::SphericalKMeans<double>({.n_clusters = 21}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::SphericalKMeans<double>({.n_clusters = 2, .n_init = 0}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::SphericalKMeans<double>({.n_clusters = 2})
                   .fit(x, se::RowMatrix<double>(se::RowMatrix<double>::Zero(2, 3))),
               std::invalid_argument);
  EXPECT_THROW(se::SphericalKMeans<double>({.n_clusters = 2}).fit_weighted(x, -se::Vector<double>::Ones(20)),
               std::invalid_argument);
  EXPECT_THROW(se::SphericalKMeans<double>().centers(), std::logic_error);
}

}  // namespace
