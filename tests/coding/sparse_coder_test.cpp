// SPDX-License-Identifier: MIT
#include "coding/coding_problems.hpp"
#include <sparse_experts/coding/sparse_coder.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

namespace se = sparse_experts;
using se::Index;
using se::SparseCoderAlgorithm;

namespace {

constexpr SparseCoderAlgorithm algorithms[] = {
    SparseCoderAlgorithm::automatic, SparseCoderAlgorithm::coordinate_descent,
    SparseCoderAlgorithm::active_set, SparseCoderAlgorithm::homotopy};

template <class Scalar_, bool Positive>
struct Case {
  using Scalar = Scalar_;
  static constexpr bool positive = Positive;
};

template <class C>
struct SparseCoderContract : testing::Test {
  using S = typename C::Scalar;
  static constexpr double rounding = 1e-12;  // of float codes too: they are certified in double
  se::Random random{7};
  se::RowMatrix<S> D = test_support::unit_rows<S>(45, 20, random);
  se::RowMatrix<S> X = test_support::mixtures<S>(D, 300, 4, 0.1, random);
};
using Cases = testing::Types<Case<double, false>, Case<double, true>, Case<float, false>, Case<float, true>>;
TYPED_TEST_SUITE(SparseCoderContract, Cases);

}  // namespace

TYPED_TEST(SparseCoderContract, GapsHoldWhenRecomputedFromScratch) {
  using Scalar = typename TypeParam::Scalar;
  for (const auto algorithm : algorithms)
    for (const double alpha : {0.01, 0.1, 0.5})
      for (const double alpha2 : {0.0, 0.3}) {
        const se::SparseCoder<Scalar> coder(this->D, {.alpha = alpha,
                                                      .alpha2 = alpha2,
                                                      .positive = TypeParam::positive,
                                                      .tol = 1e-5,
                                                      .max_iter = 100000,
                                                      .algorithm = algorithm});
        se::CodingReport report;
        const se::SparseRowMatrix<Scalar> codes = coder.transform(this->X, &report);
        EXPECT_EQ(report.n_unconverged, 0);
        EXPECT_TRUE(report.convergence);
        const se::RowMatrix<Scalar> dense = codes;
        double sum = 0, largest = 0, objective = 0;
        for (Index i = 0; i < dense.rows(); ++i) {
          const auto exact =
              test_support::gap_of_code(this->X.row(i).transpose(), this->D, dense.row(i).transpose(), alpha,
                                        alpha2, TypeParam::positive);
          sum += exact.gap;
          largest = std::max(largest, exact.gap);
          objective += exact.objective;
        }
        const double n = static_cast<double>(dense.rows());
        EXPECT_LE(largest, 1e-5 + this->rounding);
        EXPECT_NEAR(report.max_gap, largest, this->rounding);
        EXPECT_NEAR(report.mean_gap, sum / n, this->rounding);
        EXPECT_NEAR(report.mean_objective, objective / n, this->rounding * (1 + objective / n));
        if (TypeParam::positive) {
          EXPECT_GE(dense.minCoeff(), Scalar(0));
        }
      }
}

TYPED_TEST(SparseCoderContract, CodesAreZeroIffAlphaIsAtLeastTheLargestCorrelation) {
  using Scalar = typename TypeParam::Scalar;
  const se::Vector<Scalar> x = this->X.row(0);
  const se::Vector<Scalar> c = this->D * x;
  const double peak = static_cast<double>(TypeParam::positive ? c.maxCoeff() : c.cwiseAbs().maxCoeff());
  se::Vector<Scalar> code(this->D.rows());
  for (const auto algorithm : algorithms)
    for (const double factor : {1.001, 0.99}) {
      const se::SparseCoder<Scalar> coder(
          this->D, {.alpha = factor * peak, .positive = TypeParam::positive, .algorithm = algorithm});
      auto workspace = coder.workspace();
      EXPECT_TRUE(coder.encode_into(x, code, workspace));
      EXPECT_EQ((code.array() == 0).all(), factor > 1);
    }
}

TYPED_TEST(SparseCoderContract, StorageThreadsAndSingleSamplesGiveTheSameBits) {
  using Scalar = typename TypeParam::Scalar;
  const se::RowMatrix<Scalar> some = test_support::sparsified<Scalar>(this->X, 0.4, this->random);
  for (const auto algorithm : algorithms) {
    se::SparseCoderOptions options{
        .alpha = 0.1, .positive = TypeParam::positive, .algorithm = algorithm, .n_threads = 1};
    const se::SparseCoder<Scalar> coder(this->D, options);
    const se::RowMatrix<Scalar> codes = coder.transform(some);
    const se::Matrix<Scalar> by_columns = some;
    const se::SparseMatrix<Scalar> sparse_columns = some.sparseView();
    const se::SparseRowMatrix<Scalar, std::int64_t> sparse_rows = some.sparseView();
    EXPECT_EQ(se::RowMatrix<Scalar>(coder.transform(by_columns)), codes);
    EXPECT_EQ(se::RowMatrix<Scalar>(coder.transform(sparse_columns)), codes);
    EXPECT_EQ(se::RowMatrix<Scalar>(coder.transform(sparse_rows)), codes);
    for (const int n_threads : {2, 5}) {
      options.n_threads = n_threads;
      EXPECT_EQ(se::RowMatrix<Scalar>(se::SparseCoder<Scalar>(this->D, options).transform(some)), codes);
    }
    auto workspace = coder.workspace();
    se::RowMatrix<Scalar> one_by_one(codes.rows(), codes.cols());
    for (Index i = 0; i < some.rows(); ++i) coder.encode_into(some.row(i), one_by_one.row(i), workspace);
    EXPECT_EQ(one_by_one, codes);
  }
}

TEST(SparseCoder, AtomsOfAnyLengthAndOfZerosHaveADocumentedResult) {
  se::Random random(3);
  se::RowMatrix<double> D = test_support::unit_rows<double>(12, 6, random);
  const se::RowMatrix<double> X = test_support::mixtures<double>(D, 50, 2, 0.05, random);
  D.row(3) *= 40;
  D.row(5) *= 1e-3;
  D.row(7).setZero();
  for (const auto algorithm : algorithms) {
    const se::SparseCoder<double> coder(D, {.alpha = 0.05, .max_iter = 100000, .algorithm = algorithm});
    se::CodingReport report;
    const se::RowMatrix<double> codes = coder.transform(X, &report);
    EXPECT_TRUE(report.convergence);
    EXPECT_TRUE((codes.col(7).array() == 0).all());
    for (Index i = 0; i < X.rows(); ++i)
      EXPECT_LE(
          test_support::gap_of_code(X.row(i).transpose(), D, codes.row(i).transpose(), 0.05, 0, false).gap,
          2e-6);
  }
}

TEST(SparseCoder, AlphaZeroIsLeastSquares) {
  se::Random random(5);
  const se::RowMatrix<double> D = test_support::unit_rows<double>(8, 12, random);
  const se::RowMatrix<double> X = test_support::unit_rows<double>(20, 12, random);
  for (const auto algorithm : algorithms) {
    const se::SparseCoder<double> coder(
        D, {.alpha = 0, .tol = 1e-9, .max_iter = 100000, .algorithm = algorithm});
    const se::RowMatrix<double> codes = coder.transform(X);
    EXPECT_LE(((X - codes * D) * D.transpose()).cwiseAbs().maxCoeff(), 1e-8);
  }
}

// Fewer features than a code would like to use, repeated and opposite atoms: the support cannot grow beyond
// the rank.
TEST(SparseCoder, DependentAtomsAreExchanged) {
  se::Random random(21);
  se::RowMatrix<double> D = test_support::unit_rows<double>(40, 5, random);
  D.middleRows(10, 5) = D.topRows(5);
  D.middleRows(15, 5) = -D.middleRows(5, 5);
  const se::RowMatrix<double> X = test_support::unit_rows<double>(300, 5, random);
  for (const bool positive : {false, true})
    for (const double alpha : {1e-2, 1e-4, 1e-6}) {
      const se::SparseCoder<double> coder(D, {.alpha = alpha, .positive = positive, .tol = 1e-8});
      se::CodingReport report;
      const se::RowMatrix<double> codes = coder.transform(X, &report);
      EXPECT_TRUE(report.convergence) << report.max_gap;
      for (Index i = 0; i < X.rows(); ++i) {
        EXPECT_LE(
            test_support::gap_of_code(X.row(i).transpose(), D, codes.row(i).transpose(), alpha, 0, positive)
                .gap,
            1.1e-8);
        EXPECT_LE((codes.row(i).array() != 0).count(), 5);
      }
    }
}

TEST(SparseCoder, SupportsBeyondTheActiveSetAreLeftToCoordinateDescent) {
  se::Random random(22);
  const se::RowMatrix<double> D = test_support::unit_rows<double>(120, 300, random);
  const se::detail::Atoms<double> atoms(D);
  const se::RowMatrix<double> gram = se::detail::padded_gram(atoms, D, 0);
  const se::Vector<double> x = test_support::unit_rows<double>(1, 300, random).row(0);
  se::Vector<double> c = se::Vector<double>::Zero(atoms.padded());
  c.head(120) = D * x;
  const se::detail::CodeProblem<double> problem{gram.data(), 120,  gram.cols(), 120, 1e-4,
                                                false,       1e-9, 100000,      1};
  for (const auto algorithm : algorithms) {
    se::detail::CodeWorkspace<double> work(120, 16);  // room for 16 atoms
    const auto result = se::detail::solve_code(problem, algorithm, true, c.data(), x.squaredNorm(), work);
    EXPECT_TRUE(result) << result.value;
    EXPECT_GT(work.state.size, 100);
    se::Vector<double> code = se::Vector<double>::Zero(120);
    for (Index i = 0; i < work.state.size; ++i)
      code[work.state.support[static_cast<std::size_t>(i)]] = work.state.value[i];
    EXPECT_LE(test_support::gap_of_code(x, D, code, 1e-4, 0, false).gap, 1.1e-9);
  }
}

// Coordinate descent would need hundreds of thousands of sweeps for these.
TEST(SparseCoder, DenseCodesOverManyAtomsAreExact) {
  se::Random random(23);
  const se::RowMatrix<double> D = test_support::unit_rows<double>(600, 400, random);
  const se::RowMatrix<double> X = test_support::unit_rows<double>(3, 400, random);
  const se::SparseCoder<double> coder(D, {.alpha = 1e-4, .tol = 1e-9, .max_iter = 20000});
  se::CodingReport report;
  const se::RowMatrix<double> codes = coder.transform(X, &report);
  EXPECT_TRUE(report.convergence) << report.max_gap;
  EXPECT_GT((codes.array() != 0).count(), 3 * 256);
  for (Index i = 0; i < X.rows(); ++i)
    EXPECT_LE(
        test_support::gap_of_code(X.row(i).transpose(), D, codes.row(i).transpose(), 1e-4, 0, false).gap,
        1.1e-9);
}

// Rounding in the inverse of a nearly singular Gram once led to codes far worse than none.
TEST(SparseCoder, TinyTolerancesAreReachedOnNearlyDependentAtoms) {
  for (const double similarity : {0.93, 0.97})
    for (std::uint64_t seed = 0; seed < 15; ++seed) {
      se::Random random(seed);
      const auto smooth_rows = [&](Index rows) {
        se::RowMatrix<double> x(rows, 47);
        for (Index i = 0; i < rows; ++i) {
          double state = 0;
          for (Index f = 0; f < 47; ++f) x(i, f) = state = similarity * state + random.normal();
          x.row(i) /= x.row(i).norm();
        }
        return x;
      };
      se::RowMatrix<double> D = smooth_rows(97);
      const se::RowMatrix<double> X = smooth_rows(20);
      for (Index j = 1; j < 97; j += 10) D.row(j) = D.row(j / 2);  // some atoms twice
      for (const auto algorithm : {SparseCoderAlgorithm::active_set, SparseCoderAlgorithm::homotopy}) {
        const se::SparseCoder<double> coder(
            D, {.alpha = 2e-4, .tol = 1e-9, .max_iter = 20000, .algorithm = algorithm});
        se::CodingReport report;
        const se::RowMatrix<double> codes = coder.transform(X, &report);
        EXPECT_EQ(report.n_unconverged, 0) << "seed " << seed << " gap " << report.max_gap;
        for (Index i = 0; i < X.rows(); ++i)
          EXPECT_LE(
              test_support::gap_of_code(X.row(i).transpose(), D, codes.row(i).transpose(), 2e-4, 0, false)
                  .gap,
              1.1e-9);
      }
    }
}

TEST(SparseCoder, FloatObjectivesAreWithinTheToleranceOfDoubleOnes) {
  se::Random random(31);
  const se::RowMatrix<double> D = test_support::unit_rows<double>(128, 40, random);
  const se::RowMatrix<double> X = test_support::mixtures<double>(D, 200, 4, 0.1, random);
  const se::RowMatrix<float> Df = D.cast<float>(), Xf = X.cast<float>();
  for (const double alpha : {0.3, 0.05, 0.005}) {
    // The exact codes of the very numbers that float sees.
    const se::SparseCoder<double> exact(Df.cast<double>().eval(), {.alpha = alpha, .tol = 1e-12});
    const se::SparseCoder<float> quick(Df, {.alpha = alpha, .tol = 1e-6});
    auto exact_work = exact.workspace();
    auto quick_work = quick.workspace();
    se::Vector<double> code(128);
    se::Vector<float> quick_code(128);
    for (Index i = 0; i < X.rows(); ++i) {
      const double best = exact.encode_into(Xf.row(i).cast<double>().eval(), code, exact_work).objective;
      const se::Convergence found = quick.encode_into(Xf.row(i), quick_code, quick_work);
      EXPECT_TRUE(found);
      const double half = 0.5 * Xf.row(i).cast<double>().squaredNorm();
      EXPECT_GE(found.value, (found.objective - best) / half - 1e-12);
      EXPECT_LE((found.objective - best) / half, 1e-6);
    }
  }
}

TEST(SparseCoder, SamplesOfZerosAndEmptyBatchesHaveZeroCodes) {
  se::Random random(5);
  const se::SparseCoder<double> coder(test_support::unit_rows<double>(8, 5, random), {.alpha = 0.1});
  se::CodingReport report;
  EXPECT_EQ(coder.transform(se::RowMatrix<double>::Zero(3, 5), &report).nonZeros(), 0);
  EXPECT_TRUE(report.convergence);
  EXPECT_EQ(coder.transform(se::RowMatrix<double>(0, 5)).rows(), 0);
}

TEST(SparseCoder, BoundedModeSaysHowFarItGot) {
  se::Random random(9);
  const se::RowMatrix<double> D = test_support::unit_rows<double>(60, 20, random);
  const se::RowMatrix<double> X = test_support::mixtures<double>(D, 40, 5, 0.1, random);
  for (const auto algorithm : algorithms) {
    const se::SparseCoder<double> coder(D,
                                        {.alpha = 0.01, .tol = 1e-10, .max_iter = 3, .algorithm = algorithm});
    se::CodingReport report;
    const se::RowMatrix<double> codes = coder.transform(X, &report);
    EXPECT_EQ(report.convergence.status, se::Status::max_iter);
    EXPECT_LE(report.convergence.n_iter, 3);
    double largest = 0;
    for (Index i = 0; i < X.rows(); ++i)
      largest = std::max(
          largest,
          test_support::gap_of_code(X.row(i).transpose(), D, codes.row(i).transpose(), 0.01, 0, false).gap);
    EXPECT_NEAR(report.max_gap, largest, 1e-12);
    EXPECT_GT(largest, 1e-10);
  }
}

TEST(SparseCoder, BadInputIsNamed) {
  se::Random random(1);
  se::RowMatrix<double> D = test_support::unit_rows<double>(4, 3, random);
  using Coder = se::SparseCoder<double>;
  const auto construct = [&](se::SparseCoderOptions options) { Coder coder(D, options); };
  EXPECT_THROW(construct({.alpha = -1}), std::invalid_argument);
  EXPECT_THROW(construct({.alpha2 = -1}), std::invalid_argument);
  EXPECT_THROW(construct({.tol = 0}), std::invalid_argument);
  EXPECT_THROW(construct({.max_iter = 0}), std::invalid_argument);
  EXPECT_THROW(Coder(se::RowMatrix<double>(0, 3)), std::invalid_argument);
  const Coder coder(D);
  se::RowMatrix<double> X = se::RowMatrix<double>::Zero(2, 3);
  EXPECT_THROW(coder.transform(se::RowMatrix<double>::Zero(2, 4)), std::invalid_argument);
  X(1, 2) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(coder.transform(X), std::invalid_argument);
  auto workspace = coder.workspace();
  se::Vector<double> code(4), short_code(3);
  EXPECT_THROW(coder.encode_into(X.row(1), code, workspace), std::invalid_argument);
  EXPECT_THROW(coder.encode_into(X.row(0), short_code, workspace), std::invalid_argument);
  EXPECT_THROW(coder.encode_into(se::Vector<double>::Zero(4), code, workspace), std::invalid_argument);
  X(1, 2) = 1e200;  // its square is no number
  EXPECT_THROW(coder.transform(X), std::invalid_argument);
  EXPECT_THROW(coder.encode_into(X.row(1), code, workspace), std::invalid_argument);
  D(1, 1) = std::numeric_limits<double>::infinity();
  EXPECT_THROW(Coder coder2(D), std::invalid_argument);
}
