// SPDX-License-Identifier: MIT
#include <sparse_experts/clustering/balanced.hpp>
#include <sparse_experts/clustering/kmeans.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <algorithm>
#include <limits>
#include <vector>

namespace se = sparse_experts;
using se::Index;
using se::IndexVector;

namespace {

IndexVector sizes(const IndexVector& labels, Index n_clusters) {
  IndexVector counts = IndexVector::Zero(n_clusters);
  for (const Index k : labels) ++counts[k];
  return counts;
}

template <class Scalar>
double inertia(const se::RowMatrix<Scalar>& x, const se::RowMatrix<Scalar>& centers,
               const IndexVector& labels) {
  double sum = 0;
  for (Index i = 0; i < x.rows(); ++i)
    sum += (x.row(i) - centers.row(labels[i])).template cast<double>().squaredNorm();
  return sum;
}

/// Very uneven groups: three quarters of the rows in the first.
template <class Scalar>
se::RowMatrix<Scalar> uneven(Index n, Index p, std::uint64_t seed) {
  se::Random random(seed);
  se::RowMatrix<Scalar> x(n, p);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < p; ++j)
      x(i, j) = static_cast<Scalar>(random.normal() + (i % 4 == 0 && j == i / 4 % p ? 8 : 0));
  return x;
}

template <class T>
class Balanced : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Balanced, Scalars);

TYPED_TEST(Balanced, SizesObeyTheLimitInEveryIteration) {
  using Scalar = TypeParam;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const se::RowMatrix<Scalar> x = uneven<Scalar>(701, 5, seed);
    const Index n_clusters = 2 + static_cast<Index>(seed) * 3;
    for (const double delta : {0.0, 0.1, 0.5})
      for (const Index iterations : {1, 2, 50}) {
        se::BalancedKMeans<Scalar> model(
            {.n_clusters = n_clusters, .max_iter = iterations, .delta = delta, .seed = seed, .n_threads = 1});
        model.fit(x);
        const double limit = std::ceil((1 + delta) * 701.0 / static_cast<double>(n_clusters));
        EXPECT_EQ(static_cast<double>(model.capacity(701)), limit);
        EXPECT_LE(static_cast<double>(sizes(model.labels(), n_clusters).maxCoeff()), limit);
        EXPECT_NEAR(model.inertia(), inertia(x, model.centers(), model.labels()), 1e-4 * model.inertia());
      }
  }
}

TYPED_TEST(Balanced, ALimitThatNeverBindsGivesKMeans) {
  using Scalar = TypeParam;
  const se::RowMatrix<Scalar> x = uneven<Scalar>(400, 4, 3);
  const se::RowMatrix<Scalar> start = x.topRows(5);
  se::BalancedKMeans<Scalar> balanced({.n_clusters = 5, .tol = 0, .delta = 4, .n_threads = 1});
  se::KMeans<Scalar> plain({.n_clusters = 5, .tol = 0});
  EXPECT_TRUE(balanced.fit(x, start));
  plain.fit(x, start);
  EXPECT_EQ(balanced.labels(), plain.labels());
  EXPECT_EQ(balanced.centers(), plain.centers());
  EXPECT_EQ(balanced.predict(x), balanced.labels());
}

TYPED_TEST(Balanced, SameBitsAtAnyNumberOfThreadsAndStorage) {
  using Scalar = TypeParam;
  const se::RowMatrix<Scalar> x = uneven<Scalar>(3000, 6, 4);
  se::BalancedKMeans<Scalar> one({.n_clusters = 12, .delta = 0.05, .n_threads = 1});
  one.fit(x);
  for (const int threads : {2, 3, 8}) {
    se::BalancedKMeans<Scalar> many({.n_clusters = 12, .delta = 0.05, .n_threads = threads});
    many.fit(x);
    EXPECT_EQ(many.labels(), one.labels());
    EXPECT_EQ(many.centers(), one.centers());
    EXPECT_EQ(many.inertia(), one.inertia());
  }
  se::BalancedKMeans<Scalar> sparse({.n_clusters = 12, .delta = 0.05});
  sparse.fit(se::SparseMatrix<Scalar>(x.sparseView()));
  EXPECT_EQ(sparse.labels(), one.labels());
}

/// Least sum of squared distances over all labellings with at most `capacity` rows per centre, by
/// enumeration.
double best_assignment(const se::RowMatrix<double>& x, const se::RowMatrix<double>& centers, Index capacity,
                       Index i, std::vector<Index>& counts) {
  if (i == x.rows()) return 0;
  double best = std::numeric_limits<double>::max();
  for (Index k = 0; k < centers.rows(); ++k) {
    auto& count = counts[static_cast<std::size_t>(k)];
    if (count == capacity) continue;
    ++count;
    best = std::min(best, (x.row(i) - centers.row(k)).squaredNorm() +
                              best_assignment(x, centers, capacity, i + 1, counts));
    --count;
  }
  return best;
}

TEST(CappedAssignment, ComesCloseToTheBestOne) {
  double ours = 0, best = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const se::RowMatrix<double> x = uneven<double>(10, 2, seed);
    const se::RowMatrix<double> centers = x.topRows(3);
    using Rows = se::DenseRows<double>;
    const se::Vector<double> no_weights;
    const Rows rows(x.data(), 10, 2, Eigen::OuterStride<>(2));
    const se::detail::KMeansProblem<Rows> problem(rows, no_weights, 1);
    se::detail::CappedAssignment<se::detail::KMeansProblem<Rows>> step(problem, 3, 4);
    se::detail::Labels labels(10, -1);
    for (int call = 0; call < 10; ++call) step.assign(centers, labels);
    ours += problem.inertia(centers, labels);
    std::vector<Index> counts(3, 0);
    best += best_assignment(x, centers, 4, 0, counts);
  }
  EXPECT_GE(ours, best * (1 - 1e-12));
  EXPECT_LE(ours, 1.1 * best);
}

TEST(BalancedKMeans, PricesBeatFillingInOrder) {
  // Rows take their nearest centre with room, in order: what one would write without prices.
  const se::RowMatrix<double> x = uneven<double>(2000, 4, 9);
  se::BalancedKMeans<double> model({.n_clusters = 8, .max_iter = 40, .delta = 0.0, .n_threads = 1});
  const se::RowMatrix<double> start = x.topRows(8);
  model.fit(x, start);
  se::RowMatrix<double> centers = start;
  IndexVector labels(2000);
  for (int iteration = 0; iteration < 40; ++iteration) {
    IndexVector room = IndexVector::Constant(8, 250);
    for (Index i = 0; i < 2000; ++i) {
      Index best = -1;
      for (Index k = 0; k < 8; ++k)
        if (room[k] > 0 && (best < 0 || (x.row(i) - centers.row(k)).squaredNorm() <
                                            (x.row(i) - centers.row(best)).squaredNorm()))
          best = k;
      labels[i] = best;
      --room[best];
    }
    centers.setZero();
    for (Index i = 0; i < 2000; ++i) centers.row(labels[i]) += x.row(i) / 250;
  }
  EXPECT_LT(model.inertia(), 0.95 * inertia(x, centers, labels));
  EXPECT_EQ(sizes(model.labels(), 8), IndexVector::Constant(8, 250));
}

TEST(BalancedKMeans, DegenerateData) {
  const se::RowMatrix<double> equal = se::RowMatrix<double>::Ones(10, 2);
  se::BalancedKMeans<double> model({.n_clusters = 3, .delta = 0});
  model.fit(equal);
  EXPECT_LE(sizes(model.labels(), 3).maxCoeff(), 4);
  EXPECT_EQ(model.inertia(), 0);
  se::BalancedKMeans<double> one({.n_clusters = 1, .delta = 0});
  one.fit(equal);
  EXPECT_EQ(one.labels(), IndexVector::Zero(10));
  se::BalancedKMeans<double> all({.n_clusters = 10, .delta = 0});
  const se::RowMatrix<double> x = uneven<double>(10, 2, 1);
  all.fit(x);
  EXPECT_EQ(sizes(all.labels(), 10), IndexVector::Ones(10));
  EXPECT_NEAR(all.inertia(), 0, 1e-12);
}

TEST(BalancedKMeans, StopsWhenToldTo) {
  se::BalancedKMeans<double> model(
      {.n_clusters = 4, .tol = 0, .on_progress = [](const se::Progress& progress) {
         return progress.iteration < 2;
       }});
  const se::RowMatrix<double> x = uneven<double>(500, 3, 2);
  EXPECT_EQ(model.fit(x).status, se::Status::stopped);
  EXPECT_EQ(model.n_iter(), 2);
  EXPECT_EQ(model.labels().size(), 500);
}

TEST(BalancedKMeans, BadInputIsRejected) {
  const se::RowMatrix<double> x = uneven<double>(20, 3, 2);
  EXPECT_THROW(se::BalancedKMeans<double>({.n_clusters = 0}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::BalancedKMeans<double>({.n_clusters = 21}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::BalancedKMeans<double>({.n_clusters = 2, .delta = -0.1}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::BalancedKMeans<double>({.n_clusters = 2, .max_iter = 0}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::BalancedKMeans<double>({.n_clusters = 2}).fit(x, x.topRows(3)), std::invalid_argument);
  EXPECT_THROW(se::BalancedKMeans<double>({.n_clusters = 2}).fit(x, x.topLeftCorner(2, 2)),
               std::invalid_argument);
  EXPECT_THROW(se::BalancedKMeans<double>().predict(x), std::logic_error);
  se::RowMatrix<double> bad = x;
  bad(3, 1) = std::numeric_limits<double>::infinity();
  EXPECT_THROW(se::BalancedKMeans<double>({.n_clusters = 2}).fit(bad), std::invalid_argument);
}

}  // namespace
