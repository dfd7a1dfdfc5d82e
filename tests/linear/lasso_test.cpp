// SPDX-License-Identifier: MIT
#include "support/lasso_oracle.hpp"
#include "support/problems.hpp"
#include <sparse_experts/linear/lasso.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace se = sparse_experts;
using se::Index;

template <class Scalar_, class X_>
struct Case {
  using Scalar = Scalar_;
  using X = X_;
};
using Cases = ::testing::Types<Case<double, se::Matrix<double>>, Case<float, se::Matrix<float>>,
                               Case<double, se::RowMatrix<double>>, Case<double, se::SparseMatrix<double>>,
                               Case<float, se::SparseRowMatrix<float>>>;

template <class C>
class LassoContract : public ::testing::Test {
 protected:
  using Real = typename C::Scalar;
  using X = typename C::X;
  static constexpr bool is_float = std::is_same_v<Real, float>;
  static constexpr double tol = is_float ? 1e-5 : 1e-10;
  static constexpr double kkt = is_float ? 3e-3 : 1e-5;

  static X convert(const se::Matrix<Real>& x) {
    if constexpr (se::detail::is_sparse<X>)
      return x.sparseView();
    else
      return x;
  }
  static test_support::Regression<Real> problem(Index n = 40, Index p = 60) {
    auto made = test_support::make_regression<Real>(n, p, 6, 0.5, 0.6, 17);
    se::Random random(3);
    made.X = test_support::sparsified(made.X, 0.5, random);
    made.y.array() += Real(3);  // the intercept has work to do
    return made;
  }
  static test_support::DenseElasticNet oracle(const test_support::Regression<Real>& made, double alpha) {
    test_support::DenseElasticNet dense;
    dense.X = made.X.template cast<double>();
    dense.y = made.y.template cast<double>();
    dense.alpha = alpha;
    return dense;
  }
  /// Smallest alpha with a zero solution, from its definition.
  static double alpha_max(const test_support::Regression<Real>& made) {
    const auto dense = oracle(made, 1);
    return dense.correlations(se::Vector<double>::Zero(made.X.cols()), dense.y.mean()).cwiseAbs().maxCoeff();
  }
};
TYPED_TEST_SUITE(LassoContract, Cases);

TYPED_TEST(LassoContract, CertificateHoldsWhenRecomputedFromScratch) {
  using Scalar = typename TypeParam::Scalar;
  const auto made = this->problem();
  const auto x = this->convert(made.X);
  for (const double share : {0.5, 0.1, 0.02}) {
    const double alpha = share * this->alpha_max(made);
    se::Lasso<Scalar> lasso({.alpha = alpha, .tol = this->tol});
    const se::Convergence& c = lasso.fit(x, made.y);
    ASSERT_TRUE(c) << se::to_string(c.status) << ' ' << c.value;
    EXPECT_LE(c.value, c.tolerance);
    const auto dense = this->oracle(made, alpha);
    const se::Vector<double> w = lasso.coef().template cast<double>();
    EXPECT_LT(dense.kkt_violation(w, static_cast<double>(lasso.intercept())),
              this->kkt * this->alpha_max(made));
    EXPECT_NEAR(c.objective, static_cast<double>(dense.objective(w, static_cast<double>(lasso.intercept()))),
                1e-6 * dense.null_objective());
    // The duality gap itself, with the residual as the dual point.
    const se::Vector<double> r = (dense.y - dense.X * w).array() - static_cast<double>(lasso.intercept());
    const double n = static_cast<double>(r.size());
    const double peak = dense.correlations(w, static_cast<double>(lasso.intercept())).cwiseAbs().maxCoeff();
    const double t = std::min(1.0, alpha / peak);
    const double dual =
        t * (dense.y.array() - dense.y.mean()).matrix().dot(r) / n - t * t * r.squaredNorm() / (2 * n);
    EXPECT_LE((c.objective - dual) / dense.null_objective(), 3 * this->tol);
  }
}

TYPED_TEST(LassoContract, ZeroExactlyAtAndAboveAlphaMax) {
  using Scalar = typename TypeParam::Scalar;
  const auto made = this->problem();
  const auto x = this->convert(made.X);
  const double alpha_max = this->alpha_max(made);
  for (const double share : {1.00001, 2.0, 1e6}) {
    se::Lasso<Scalar> lasso({.alpha = share * alpha_max, .tol = this->tol});
    EXPECT_TRUE(lasso.fit(x, made.y));
    EXPECT_EQ((lasso.coef().array() != 0).count(), 0);
    EXPECT_NEAR(lasso.intercept(), made.y.mean(), 1e-5);
  }
  se::Lasso<Scalar> below({.alpha = 0.99 * alpha_max, .tol = this->tol});
  EXPECT_TRUE(below.fit(x, made.y));
  EXPECT_GE((below.coef().array() != 0).count(), 1);
}

TYPED_TEST(LassoContract, WeightsOfOnesChangeNothing) {
  using Scalar = typename TypeParam::Scalar;
  const auto made = this->problem();
  const auto x = this->convert(made.X);
  const double alpha = 0.05 * this->alpha_max(made);
  se::Lasso<Scalar> plain({.alpha = alpha, .tol = this->tol}), weighted({.alpha = alpha, .tol = this->tol});
  EXPECT_TRUE(plain.fit(x, made.y));
  EXPECT_TRUE(weighted.fit(x, made.y, se::Vector<Scalar>::Constant(made.y.size(), Scalar(2.5))));
  EXPECT_LT((plain.coef() - weighted.coef()).norm(), this->kkt * plain.coef().norm());
  EXPECT_NEAR(plain.convergence().objective, weighted.convergence().objective,
              2 * this->tol * made.y.squaredNorm());
}

TYPED_TEST(LassoContract, IntegerWeightsEqualRepeatedRows) {
  using Scalar = typename TypeParam::Scalar;
  const auto made = this->problem(12, 20);
  se::Vector<Scalar> weights(12);
  std::vector<Index> rows;
  for (Index i = 0; i < 12; ++i) {
    weights[i] = static_cast<Scalar>(i % 3);
    for (Index k = 0; k < i % 3; ++k) rows.push_back(i);
  }
  const se::Matrix<Scalar> repeated_x = made.X(rows, Eigen::all);
  const se::Vector<Scalar> repeated_y = made.y(rows);
  const double alpha = 0.05 * this->alpha_max(made);
  se::Lasso<Scalar> weighted({.alpha = alpha, .tol = this->tol}),
      repeated({.alpha = alpha, .tol = this->tol});
  EXPECT_TRUE(weighted.fit(this->convert(made.X), made.y, weights));
  EXPECT_TRUE(repeated.fit(this->convert(repeated_x), repeated_y));
  EXPECT_NEAR(weighted.convergence().objective, repeated.convergence().objective,
              4 * this->tol * made.y.squaredNorm());
  EXPECT_LT((weighted.coef() - repeated.coef()).norm(), 10 * this->kkt * (1 + repeated.coef().norm()));
}

TYPED_TEST(LassoContract, PermutedRowsGiveTheSameSolution) {
  using Scalar = typename TypeParam::Scalar;
  const auto made = this->problem();
  std::vector<Index> order = se::Random(9).permutation(made.y.size());
  const se::Matrix<Scalar> permuted = made.X(order, Eigen::all);
  const se::Vector<Scalar> permuted_y = made.y(order);
  const double alpha = 0.1 * this->alpha_max(made);
  se::Lasso<Scalar> a({.alpha = alpha, .tol = this->tol}), b({.alpha = alpha, .tol = this->tol});
  EXPECT_TRUE(a.fit(this->convert(made.X), made.y));
  EXPECT_TRUE(b.fit(this->convert(permuted), permuted_y));
  EXPECT_LT((a.coef() - b.coef()).norm(), this->kkt * a.coef().norm());
}

TYPED_TEST(LassoContract, SameBitsAtAnyNumberOfThreads) {
  using Scalar = typename TypeParam::Scalar;
  const auto made = this->problem(30, 200);
  const auto x = this->convert(made.X);
  const double alpha = 0.05 * this->alpha_max(made);
  se::Lasso<Scalar> one({.alpha = alpha, .tol = this->tol, .n_threads = 1});
  EXPECT_TRUE(one.fit(x, made.y));
  for (const int n_threads : {2, 5}) {
    se::Lasso<Scalar> many({.alpha = alpha, .tol = this->tol, .n_threads = n_threads});
    EXPECT_TRUE(many.fit(x, made.y));
    EXPECT_EQ(one.coef(), many.coef());
    EXPECT_EQ(one.intercept(), many.intercept());
    EXPECT_EQ(one.convergence().value, many.convergence().value);
  }
}

TYPED_TEST(LassoContract, PredictScoreAndWarmStart) {
  using Scalar = typename TypeParam::Scalar;
  const auto made = this->problem();
  const auto x = this->convert(made.X);
  se::Lasso<Scalar> lasso({.alpha = 0.02 * this->alpha_max(made), .tol = this->tol, .warm_start = true});
  EXPECT_TRUE(lasso.fit(x, made.y));
  const se::Vector<Scalar> expected = ((made.X * lasso.coef()).array() + lasso.intercept()).matrix();
  EXPECT_LT((lasso.predict(x) - expected).norm(), 1e-4);
  EXPECT_GT(lasso.score(x, made.y), 0.8);
  EXPECT_LT(lasso.score(x, made.y), 1.0);
  const Index cold = lasso.convergence().n_iter;
  EXPECT_TRUE(lasso.fit(x, made.y));
  EXPECT_LT(lasso.convergence().n_iter, cold);
}

TYPED_TEST(LassoContract, SeveralTargetsEqualSingleFits) {
  using Scalar = typename TypeParam::Scalar;
  const auto made = this->problem();
  const auto x = this->convert(made.X);
  se::Matrix<Scalar> targets(made.y.size(), 3);
  targets << made.y, -made.y, made.y.reverse();
  const se::LassoOptions options{.alpha = 0.05 * this->alpha_max(made), .tol = this->tol};
  se::Lasso<Scalar> all(options);
  EXPECT_TRUE(all.fit(x, targets));
  EXPECT_EQ(all.n_targets(), 3);
  EXPECT_THROW(all.coef(), std::logic_error);
  const se::Matrix<Scalar> predicted = all.predict_targets(x);
  for (Index k = 0; k < 3; ++k) {
    se::Lasso<Scalar> single(options);
    EXPECT_TRUE(single.fit(x, targets.col(k)));
    EXPECT_LT((single.coef() - all.coefs().col(k)).norm(), this->kkt * (1e-3 + single.coef().norm()));
    EXPECT_LT((single.predict(x) - predicted.col(k)).norm(), 0.05);
  }
}
