// SPDX-License-Identifier: MIT
#include "linear/l1_svm_oracle.hpp"
#include "support/problems.hpp"
#include <sparse_experts/linear/l1_svm.hpp>

#include <gtest/gtest.h>

namespace {

using namespace test_support;

constexpr se::L1SVMSolver solvers[] = {se::L1SVMSolver::automatic, se::L1SVMSolver::coordinate_newton,
                                       se::L1SVMSolver::working_set, se::L1SVMSolver::proximal_newton};

template <class Scalar_, class MatrixType_>
struct Case {
  using Scalar = Scalar_;
  using MatrixType = MatrixType_;
};

template <class C>
class L1SVMContract : public ::testing::Test {
 protected:
  static typename C::MatrixType converted(const se::Matrix<typename C::Scalar>& x) {
    if constexpr (se::detail::is_sparse<typename C::MatrixType>)
      return x.sparseView();
    else
      return x;
  }
};
using Cases = ::testing::Types<Case<double, se::Matrix<double>>, Case<double, se::SparseMatrix<double>>,
                               Case<float, se::RowMatrix<float>>, Case<float, se::SparseRowMatrix<float>>>;
TYPED_TEST_SUITE(L1SVMContract, Cases);

RealVector signs_of(const se::LabelVector& labels, int positive) {
  return (labels.array() == positive).select(RealVector::Ones(labels.size()), Real(-1));
}

TYPED_TEST(L1SVMContract, GapHoldsWhenRecomputedFromScratch) {
  using Scalar = typename TypeParam::Scalar;
  const auto problem = make_blobs<Scalar>(90, 12, 3, 1.5, 1);
  const se::Matrix<Scalar> dense = [&] {
    se::Random random(2);
    return sparsified<Scalar>(problem.X, 0.6, random);
  }();
  const auto X = this->converted(dense);
  const RealMatrix reference = dense.template cast<Real>();
  for (const se::L1SVMSolver solver : solvers)
    for (const bool logistic : {false, true})
      for (const bool bias : {false, true}) {
        se::L1SVM<Scalar> svm({.C = 0.5,
                               .tol = 1e-6,
                               .loss = logistic ? se::L1SVMLoss::logistic : se::L1SVMLoss::squared_hinge,
                               .fit_intercept = bias,
                               .solver = solver});
        ASSERT_TRUE(svm.fit(X, problem.labels));
        ASSERT_EQ(svm.coef().cols(), 3);
        for (int c = 0; c < 3; ++c) {
          const RealVector y = signs_of(problem.labels, c), cost = RealVector::Constant(90, Real(0.5));
          const RealVector w = svm.coef().col(c).template cast<Real>();
          const Real b = svm.intercept()[c];
          const Real primal = svm_objective(reference, y, cost, w, b, logistic);
          const Real lower = svm_lower_bound(reference, y, cost, w, b, logistic, bias);
          const se::Convergence& claim = svm.class_convergence()[static_cast<std::size_t>(c)];
          EXPECT_LE(claim.value, 1e-6);
          EXPECT_NEAR(static_cast<double>(primal / claim.objective), 1, sizeof(Scalar) == 8 ? 1e-12 : 1e-5);
          // The bound here is cruder than the solver's, hence the factor.
          EXPECT_LE(static_cast<double>((primal - lower) / primal), sizeof(Scalar) == 8 ? 1e-5 : 1e-3);
          if (!bias) {
            EXPECT_EQ(b, 0);
          }
        }
      }
}

TYPED_TEST(L1SVMContract, PredictsTheLargestDecisionValue) {
  using Scalar = typename TypeParam::Scalar;
  auto problem = make_blobs<Scalar>(120, 8, 4, 5, 3);
  problem.labels = problem.labels.array() * 10 - 7;
  const auto X = this->converted(problem.X);
  se::L1SVM<Scalar> svm({.C = 1, .tol = 1e-4});
  svm.fit(X, problem.labels);
  EXPECT_EQ(svm.classes(), (std::vector<int>{-7, 3, 13, 23}));
  const se::Matrix<Scalar> scores = svm.decision_function(X);
  const se::LabelVector guess = svm.predict(X);
  ASSERT_EQ(scores.cols(), 4);
  for (Index i = 0; i < 120; ++i) {
    Index best = 0;
    scores.row(i).maxCoeff(&best);
    EXPECT_EQ(guess[i], svm.classes()[static_cast<std::size_t>(best)]);
    const Scalar direct = problem.X.row(i).dot(svm.coef().col(2).transpose()) + svm.intercept()[2];
    EXPECT_NEAR(scores(i, 2), direct, 1e-4);
  }
  EXPECT_GT(svm.score(X, problem.labels), 0.95);
}

TEST(L1SVM, EverySolverFindsTheSameObjective) {
  const auto problem = make_blobs<double>(150, 20, 2, 1, 4);
  for (const bool logistic : {false, true})
    for (const double C : {0.01, 0.3, 20.0}) {
      double first = 0;
      for (const se::L1SVMSolver solver : solvers) {
        se::L1SVM<double> svm({.C = C,
                               .tol = 1e-9,
                               .loss = logistic ? se::L1SVMLoss::logistic : se::L1SVMLoss::squared_hinge,
                               .solver = solver,
                               .max_iter = 20000});
        ASSERT_TRUE(svm.fit(problem.X, problem.labels)) << static_cast<int>(solver) << " C " << C;
        if (first == 0) first = svm.convergence().objective;
        EXPECT_NEAR(svm.convergence().objective / first, 1, 2e-9) << static_cast<int>(solver);
      }
    }
}

TEST(L1SVM, AGridSearchFindsNothingBetter) {
  const auto problem = make_blobs<double>(12, 2, 2, 1, 5);
  const RealMatrix X = problem.X.cast<Real>();
  const RealVector y = signs_of(problem.labels, 1), cost = RealVector::Constant(12, Real(0.7));
  for (const bool logistic : {false, true}) {
    const se::L1SVMLoss loss = logistic ? se::L1SVMLoss::logistic : se::L1SVMLoss::squared_hinge;
    for (const se::L1SVMSolver solver : solvers) {
      se::L1SVM<double> svm({.C = 0.7, .tol = 1e-10, .loss = loss, .solver = solver, .max_iter = 20000});
      ASSERT_TRUE(svm.fit(problem.X, problem.labels));
      const Real optimum = svm.convergence().objective;
      Real best = optimum + 1;
      for (int i = -20; i <= 20; ++i)
        for (int j = -20; j <= 20; ++j)
          for (int k = -20; k <= 20; ++k) {
            const RealVector w =
                svm.coef().col(0).cast<Real>() + RealVector{{Real(0.01) * i, Real(0.01) * j}};
            const Real b = svm.intercept()[0] + Real(0.01) * k;
            best = std::min(best, svm_objective(X, y, cost, w, b, logistic));
          }
      EXPECT_GE(static_cast<double>(best / optimum), 1 - 1e-9);
    }
  }
}

TEST(L1SVM, CoefficientsAreZeroBelowTheSmallestUsefulC) {
  // Without a bias: at w = 0 the slope of column j is 2 C x_j'y, so all weights stay zero up to C_min.
  const auto problem = make_blobs<double>(80, 10, 2, 1, 6);
  const se::Vector<double> y = signs_of(problem.labels, 1).cast<double>();
  const double c_min = 1 / (2 * (problem.X.transpose() * y).cwiseAbs().maxCoeff());
  for (const se::L1SVMSolver solver : solvers) {
    se::L1SVM<double> below({.C = 0.999 * c_min, .fit_intercept = false, .solver = solver});
    EXPECT_TRUE(below.fit(problem.X, problem.labels));
    EXPECT_EQ(below.coef().cwiseAbs().maxCoeff(), 0);
    se::L1SVM<double> above({.C = 1.01 * c_min, .tol = 1e-8, .fit_intercept = false, .solver = solver});
    EXPECT_TRUE(above.fit(problem.X, problem.labels));
    EXPECT_EQ((above.coef().array() != 0).count(), 1);
  }
}

TEST(L1SVM, WeightsOfOnesAreNoWeights) {
  const auto problem = make_blobs<double>(60, 6, 3, 1, 7);
  se::L1SVM<double> plain, weighted;
  plain.fit(problem.X, problem.labels);
  weighted.fit(problem.X, problem.labels, se::Vector<double>::Ones(60));
  EXPECT_EQ(plain.coef(), weighted.coef());
  EXPECT_EQ(plain.intercept(), weighted.intercept());
}

TEST(L1SVM, AnIntegerWeightIsThatManyCopiesOfTheSample) {
  const auto problem = make_blobs<double>(60, 6, 2, 1, 8);
  se::Vector<double> weights = se::Vector<double>::Ones(60);
  weights.head(20).setConstant(3);
  weights.tail(5).setZero();
  se::Matrix<double> X(55 + 40, 6);
  X << problem.X.topRows(55), problem.X.topRows(20), problem.X.topRows(20);
  se::LabelVector labels(95);
  labels << problem.labels.head(55), problem.labels.head(20), problem.labels.head(20);
  for (const se::L1SVMSolver solver : solvers) {
    se::L1SVM<double> weighted({.C = 0.3, .tol = 1e-10, .solver = solver}), copied = weighted;
    weighted.fit(problem.X, problem.labels, weights);
    copied.fit(X, labels);
    EXPECT_NEAR((weighted.coef() - copied.coef()).cwiseAbs().maxCoeff(), 0, 1e-5);
    EXPECT_NEAR(weighted.convergence().objective / copied.convergence().objective, 1, 1e-9);
  }
}

TEST(L1SVM, ClassWeightsAreSampleWeights) {
  const auto problem = make_blobs<double>(90, 5, 3, 1, 9);
  se::LabelVector labels = problem.labels;
  for (Index i = 0; i < 90; ++i)
    if (labels[i] == 2 && i < 60) labels[i] = 0;
  const se::Vector<double> counts{{static_cast<double>((labels.array() == 0).count()),
                                   static_cast<double>((labels.array() == 1).count()),
                                   static_cast<double>((labels.array() == 2).count())}};
  se::Vector<double> weights(90);
  for (Index i = 0; i < 90; ++i) weights[i] = 90.0 / (3 * counts[labels[i]]);
  se::L1SVM<double> balanced({.class_weight = {.balanced = true}}), given, by_label;
  balanced.fit(problem.X, labels);
  given.fit(problem.X, labels, weights);
  EXPECT_NEAR((balanced.coef() - given.coef()).cwiseAbs().maxCoeff(), 0, 1e-12);
  se::L1SVM<double> one({.class_weight = {.given = {{1, 2.5}}}});
  one.fit(problem.X, labels);
  by_label.fit(problem.X, labels, (labels.array() == 1).select(se::Vector<double>::Constant(90, 2.5), 1.0));
  EXPECT_EQ(one.coef(), by_label.coef());
}

TEST(L1SVM, APenalisedBiasIsTheWeightOfAConstantFeature) {
  const auto problem = make_blobs<double>(70, 6, 2, 1, 10);
  se::Matrix<double> X(70, 7);
  X << problem.X, se::Vector<double>::Constant(70, 3);
  for (const se::L1SVMSolver solver : solvers) {
    se::L1SVM<double> penalised(
        {.C = 0.2, .tol = 1e-10, .penalize_intercept = true, .solver = solver, .intercept_scaling = 3}),
        constant({.C = 0.2, .tol = 1e-10, .fit_intercept = false, .solver = solver});
    penalised.fit(problem.X, problem.labels);
    constant.fit(X, problem.labels);
    EXPECT_NEAR(penalised.intercept()[0], 3 * constant.coef()(6, 0), 1e-7);
    EXPECT_NEAR((penalised.coef() - constant.coef().topRows(6)).cwiseAbs().maxCoeff(), 0, 1e-7);
  }
}

}  // namespace
