// SPDX-License-Identifier: MIT
#include <sparse_experts/clustering/dbscan.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <limits>
#include <vector>

namespace se = sparse_experts;
using se::Index;
using se::IndexVector;

namespace {

/// The definition, pair by pair.
struct Oracle {
  std::vector<char> core;
  IndexVector labels;
};

template <class Scalar>
Oracle brute_force(const se::RowMatrix<Scalar>& x, double eps, Index min_samples,
                   const se::Vector<double>& weight) {
  const Index n = x.rows();
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const auto distance = [&](Index i, Index j) {
    double sum = 0;
    for (Index k = 0; k < x.cols(); ++k) {
      const double difference = static_cast<double>(x(i, k)) - static_cast<double>(x(j, k));
      sum += difference * difference;
    }
    return sum;
  };
  Oracle oracle{std::vector<char>(at(n), 0), IndexVector::Constant(n, -1)};
  for (Index i = 0; i < n; ++i) {
    double sum = 0;
    for (Index j = 0; j < n; ++j)
      if (distance(i, j) <= eps * eps) sum += weight.size() == 0 ? 1 : weight[j];
    oracle.core[at(i)] = sum >= static_cast<double>(min_samples) * (1 - 1e-9);
  }
  Index n_clusters = 0;
  for (Index first = 0; first < n; ++first) {
    if (!oracle.core[at(first)] || oracle.labels[first] >= 0) continue;
    std::vector<Index> todo{first};
    oracle.labels[first] = n_clusters;
    while (!todo.empty()) {
      const Index i = todo.back();
      todo.pop_back();
      for (Index j = 0; j < n; ++j)
        if (oracle.core[at(j)] && oracle.labels[j] < 0 && distance(i, j) <= eps * eps) {
          oracle.labels[j] = n_clusters;
          todo.push_back(j);
        }
    }
    ++n_clusters;
  }
  for (Index i = 0; i < n; ++i) {
    if (oracle.core[at(i)]) continue;
    double best = eps * eps;
    Index nearest = -1;
    for (Index j = 0; j < n; ++j)
      if (oracle.core[at(j)] && (distance(i, j) < best || (nearest < 0 && distance(i, j) == best))) {
        best = distance(i, j);
        nearest = j;
      }
    if (nearest >= 0) oracle.labels[i] = oracle.labels[nearest];
  }
  return oracle;
}

/// Random sets of every character: blobs, lattices (where distances equal eps), duplicates, lines far away.
template <class Scalar>
se::RowMatrix<Scalar> random_set(se::Random& random, Index n, Index p) {
  se::RowMatrix<Scalar> x(n, p);
  const Index kind = random.below(4);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < p; ++j) {
      double value = random.normal();
      if (kind == 0) value += 4 * static_cast<double>(i % 3);
      if (kind == 1) value = 0.1 * static_cast<double>(random.below(12));
      if (kind == 2) value = i % 2 == 1 && random.below(2) == 0 ? static_cast<double>(x(i - 1, j)) : value;
      if (kind == 3) value = j == 0 ? 1000 + 20 * random.uniform() : 0.1 * value - 500;
      x(i, j) = static_cast<Scalar>(value);
    }
  return x;
}

template <class Scalar>
void compare_with_brute_force(std::uint64_t seed) {
  se::Random random(seed);
  const Index p = 1 + random.below(18);  // grid to 3, tree to 16, tiles beyond
  const Index n = 1 + random.below(random.below(8) == 0 ? 400 : 100);
  const se::RowMatrix<Scalar> x = random_set<Scalar>(random, n, p);
  const double scales[] = {0.1, 0.3, 0.5, 1, 2, 8};
  const double eps = scales[random.below(6)];
  const Index min_samples = 1 + random.below(12);
  se::Vector<double> weight;
  if (random.below(3) == 0) {
    weight.resize(n);
    for (Index i = 0; i < n; ++i) weight[i] = 0.1 * static_cast<double>(random.below(40));
    weight[random.below(n)] = 1;
  }
  const Oracle oracle = brute_force(x, eps, min_samples, weight);
  for (const se::DBSCANAlgorithm algorithm :
       {se::DBSCANAlgorithm::grid, se::DBSCANAlgorithm::blocked, se::DBSCANAlgorithm::tree}) {
    const int threads = seed % 4 == 0 ? 3 : 1;
    se::DBSCAN<Scalar> db(
        {.eps = eps, .min_samples = min_samples, .n_threads = threads, .algorithm = algorithm});
    db.fit(x, weight);
    ASSERT_EQ(db.labels(), oracle.labels) << "seed " << seed << " n " << n << " p " << p << " eps " << eps;
    ASSERT_EQ(db.predict(x), oracle.labels);
    Index core = 0;
    for (Index i = 0; i < n; ++i)
      if (oracle.core[static_cast<std::size_t>(i)]) {
        ASSERT_EQ(db.core_sample_indices()[core], i);
        ++core;
      }
    ASSERT_EQ(db.core_sample_indices().size(), core);
    ASSERT_EQ(db.n_clusters(), std::max<Index>(oracle.labels.maxCoeff() + 1, 0));
  }
  se::DBSCAN<Scalar> sparse(
      {.eps = eps, .min_samples = min_samples, .algorithm = se::DBSCANAlgorithm::blocked});
  sparse.fit(se::SparseMatrix<Scalar>(x.sparseView()), weight);
  ASSERT_EQ(sparse.labels(), oracle.labels);
  ASSERT_EQ(sparse.predict(x), oracle.labels);
}

#ifdef SPARSE_EXPERTS_SANITIZER_BUILD
constexpr std::uint64_t n_sets = 40;
#else
constexpr std::uint64_t n_sets = 500;  // of each scalar type
#endif

TEST(DBSCAN, LabelsAreThoseOfBruteForceInDouble) {
  for (std::uint64_t seed = 0; seed < n_sets && !HasFatalFailure(); ++seed)
    compare_with_brute_force<double>(seed);
}
TEST(DBSCAN, LabelsAreThoseOfBruteForceInFloat) {
  for (std::uint64_t seed = 1000; seed < 1000 + n_sets && !HasFatalFailure(); ++seed)
    compare_with_brute_force<float>(seed);
}

TEST(DBSCAN, KnownAnswer) {  // labels of scikit-learn 1.2.1 as well: its manual's example
  const se::RowMatrix<double> x =
      (se::RowMatrix<double>(6, 2) << 1, 2, 2, 2, 2, 3, 8, 7, 8, 8, 25, 80).finished();
  se::DBSCAN<double> db({.eps = 3, .min_samples = 2});
  db.fit(x);
  EXPECT_EQ(db.labels(), (IndexVector(6) << 0, 0, 0, 1, 1, -1).finished());
  EXPECT_EQ(db.core_sample_indices(), (IndexVector(5) << 0, 1, 2, 3, 4).finished());
  EXPECT_EQ(db.n_clusters(), 2);
  const se::RowMatrix<double> queries =
      (se::RowMatrix<double>(4, 2) << 3, 4, 8, 11, 8, 11.1, 1e300, -1e300).finished();
  EXPECT_EQ(db.predict(queries), (IndexVector(4) << 0, 1, -1, -1).finished());
  EXPECT_TRUE(db.centers().isApprox((se::RowMatrix<double>(2, 2) << 5.0 / 3, 7.0 / 3, 8, 7.5).finished()));
}

TEST(DBSCAN, BorderSampleGoesToItsNearestCoreAndTheFirstOfEquallyNearOnes) {
  // Two dense ends on a line, one sample between them.
  se::Vector<double> x(11);
  x << 0, 0.1, 0.2, 0.3, 0.4, 2.4, 2.5, 2.6, 2.7, 2.8, 1.36;
  se::DBSCAN<double> db({.eps = 1.05, .min_samples = 5});
  db.fit(x);
  EXPECT_EQ(db.labels()[10], 0);
  x[10] = 1.42;
  db.fit(x);
  EXPECT_EQ(db.labels()[10], 1);
  x << 0, 0.25, 0.5, 0.75, 1, 3, 3.25, 3.5, 3.75, 4, 2;  // in the middle, exactly
  db.fit(x);
  EXPECT_EQ(db.labels()[10], 0);
  se::DBSCAN<double> blocked({.eps = 1.05, .min_samples = 5, .algorithm = se::DBSCANAlgorithm::blocked});
  blocked.fit(x);
  EXPECT_EQ(blocked.labels(), db.labels());
}

TEST(DBSCAN, WeightsActAsRepetitions) {
  const auto problem = test_support::make_blobs<double>(300, 3, 4, 5.0, 3);
  se::Random random(1);
  se::Vector<double> weight(300);
  std::vector<Index> rows;
  for (Index i = 0; i < 300; ++i) {
    weight[i] = static_cast<double>(1 + random.below(3));
    for (Index k = 0; k < static_cast<Index>(weight[i]); ++k) rows.push_back(i);
  }
  se::DBSCAN<double> weighted({.eps = 0.9, .min_samples = 9}), repeated({.eps = 0.9, .min_samples = 9});
  weighted.fit(problem.X, weight);
  repeated.fit(problem.X(rows, Eigen::all));
  for (std::size_t k = 0; k < rows.size(); ++k)
    EXPECT_EQ(repeated.labels()[static_cast<Index>(k)], weighted.labels()[rows[k]]);
  EXPECT_GT(weighted.n_clusters(), 1);
  weighted.fit(problem.X, se::Vector<double>::Ones(300));
  const IndexVector ones = weighted.labels();
  weighted.fit(problem.X);
  EXPECT_EQ(weighted.labels(), ones);
}

TEST(DBSCAN, TenTimesATenthIsOne) {
  const se::RowMatrix<double> x = se::RowMatrix<double>::Zero(10, 2);
  se::DBSCAN<double> db({.eps = 1, .min_samples = 1});
  db.fit(x, se::Vector<double>::Constant(10, 0.1));
  EXPECT_EQ(db.n_clusters(), 1);
  db.fit(x, se::Vector<double>::Constant(10, 0.0999));
  EXPECT_EQ(db.n_clusters(), 0);
}

TEST(DBSCAN, ManyTilesInHighDimension) {
  const auto problem = test_support::make_blobs<float>(900, 100, 5, 40.0, 8);
  const se::RowMatrix<float> x = problem.X.array() + 300.0f;
  const Oracle oracle = brute_force(x, 14.0, 6, {});
  EXPECT_GT(oracle.labels.maxCoeff(), 2);
  for (const int threads : {1, 2, 8}) {
    se::DBSCAN<float> db({.eps = 14.0, .min_samples = 6, .n_threads = threads});
    db.fit(x);
    EXPECT_EQ(db.labels(), oracle.labels);
    EXPECT_EQ(db.predict(x), oracle.labels);
  }
}

TEST(DBSCAN, TreeOfManyLeavesGivesTheLabelsOfTilesAtAnyNumberOfThreads) {
  se::Random random(11);
  for (const Index p : {1, 5, 16}) {
    se::RowMatrix<double> x(6000, p);
    for (Index i = 0; i < x.rows(); ++i)
      for (Index j = 0; j < p; ++j)
        x(i, j) = (i % 9 == 0 ? 6 : 1) * random.normal() + 8 * static_cast<double>(i % 4);
    const double eps = 0.02 + 0.16 * static_cast<double>(p);
    se::DBSCAN<double> tiles({.eps = eps, .min_samples = 6, .algorithm = se::DBSCANAlgorithm::blocked});
    tiles.fit(x);
    EXPECT_GT(tiles.n_clusters(), 1);
    for (const int n_threads : {1, 2, 8}) {
      se::DBSCAN<double> tree(
          {.eps = eps, .min_samples = 6, .n_threads = n_threads, .algorithm = se::DBSCANAlgorithm::tree});
      tree.fit(x);
      EXPECT_EQ(tree.labels(), tiles.labels()) << "p " << p << " threads " << n_threads;
      EXPECT_EQ(tree.predict(x), tiles.labels());
    }
  }
}

TEST(DBSCAN, EveryStorageGivesTheSameLabels) {
  const auto problem = test_support::make_blobs<double>(200, 3, 3, 6.0, 5);
  se::DBSCAN<double> db({.eps = 1.0, .min_samples = 4});
  db.fit(problem.X);
  const IndexVector labels = db.labels();
  EXPECT_EQ(db.predict(se::SparseMatrix<double>(problem.X.sparseView())), labels);
  EXPECT_EQ(db.fit(se::RowMatrix<double>(problem.X)).labels(), labels);
  EXPECT_EQ(db.fit(problem.X * 1.0).labels(), labels);
  EXPECT_EQ(db.fit(se::SparseMatrix<double>(problem.X.sparseView())).labels(), labels);
  EXPECT_EQ(db.fit(se::SparseRowMatrix<double>(problem.X.sparseView())).labels(), labels);
}

TEST(DBSCAN, ExtremeScales) {
  // An eps far below the spread: the cells cannot be numbered, the tiles take over.
  const auto problem = test_support::make_blobs<double>(400, 3, 2, 3.0, 6);
  se::RowMatrix<double> x = problem.X;
  x.row(0).setConstant(1e200);
  x.row(1).setConstant(-1e200);
  x.row(2) = x.row(3);
  se::DBSCAN<double> db({.eps = 1e-9, .min_samples = 2});
  db.fit(x);
  EXPECT_EQ(db.n_clusters(), 1);
  EXPECT_EQ(db.core_sample_indices(), (IndexVector(2) << 2, 3).finished());
  // Values whose squares leave the range of float.
  const se::RowMatrix<float> large = (problem.X * 1e30).cast<float>(),
                             small = (problem.X * 1e-30).cast<float>();
  for (const auto algorithm :
       {se::DBSCANAlgorithm::grid, se::DBSCANAlgorithm::blocked, se::DBSCANAlgorithm::tree}) {
    se::DBSCAN<float> big({.eps = 1e30, .min_samples = 4, .algorithm = algorithm});
    EXPECT_EQ(big.fit(large).labels(), brute_force(large, 1e30, 4, {}).labels);
    se::DBSCAN<float> tiny({.eps = 1e-30, .min_samples = 4, .algorithm = algorithm});
    EXPECT_EQ(tiny.fit(small).labels(), brute_force(small, 1e-30, 4, {}).labels);
  }
}

TEST(DBSCAN, AllNoiseAndOneSample) {
  const se::RowMatrix<double> x = (se::RowMatrix<double>(3, 1) << 0, 10, 20).finished();
  se::DBSCAN<double> db({.eps = 1, .min_samples = 2});
  db.fit(x);
  EXPECT_EQ(db.labels(), IndexVector::Constant(3, -1));
  EXPECT_EQ(db.n_clusters(), 0);
  EXPECT_EQ(db.core_sample_indices().size(), 0);
  EXPECT_EQ(db.predict(x), IndexVector::Constant(3, -1));
  EXPECT_EQ(db.centers().rows(), 0);
  se::DBSCAN<double> one({.eps = 1, .min_samples = 1});
  one.fit(x.topRows(1));
  EXPECT_EQ(one.labels()[0], 0);
}

TEST(DBSCAN, BadInputIsRejectedAndLeavesTheModelAlone) {
  se::RowMatrix<double> x = se::RowMatrix<double>::Zero(3, 2);
  const se::Vector<double> none;
  EXPECT_THROW(se::DBSCAN<double>({.eps = 0}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::DBSCAN<double>({.eps = -1}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::DBSCAN<double>({.eps = std::numeric_limits<double>::infinity()}).fit(x),
               std::invalid_argument);
  EXPECT_THROW(se::DBSCAN<double>({.eps = 1, .min_samples = 0}).fit(x), std::invalid_argument);
  EXPECT_THROW(se::DBSCAN<double>().fit(se::RowMatrix<double>(0, 2)), std::invalid_argument);
  EXPECT_THROW(se::DBSCAN<double>().labels(), std::logic_error);
  EXPECT_THROW(se::DBSCAN<double>().predict(x), std::logic_error);
  se::DBSCAN<double> db({.eps = 1, .min_samples = 2});
  db.fit(x);
  EXPECT_THROW(db.predict(x.leftCols(1)), std::invalid_argument);
  EXPECT_THROW(db.fit(x, (se::Vector<double>(3) << 1, -1, 1).finished()), std::invalid_argument);
  EXPECT_THROW(db.fit(x, se::Vector<double>::Ones(2)), std::invalid_argument);
  x(1, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(db.fit(x), std::invalid_argument);
  EXPECT_THROW(db.predict(x), std::invalid_argument);
  EXPECT_EQ(db.n_clusters(), 1);
  EXPECT_EQ(db.labels(), IndexVector::Zero(3));
}

}  // namespace
