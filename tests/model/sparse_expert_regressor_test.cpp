// SPDX-License-Identifier: MIT
#include <sparse_experts/linear/elastic_net.hpp>
#include <sparse_experts/model/elastic_net_expert.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;
using Regressor = SparseExpertRegressor<double>;

Regressor::Options plain(Index n_clusters) {
  Regressor::Options options;
  options.scaling = Scaling::none;
  options.representation.kind = EncoderKind::identity;
  options.clustering.n_clusters = n_clusters;
  options.gate.top_k = 1;
  options.expert.alpha = 0.01;
  options.expert.tol = 1e-10;
  return options;
}

TEST(SparseExpertRegressor, WithoutExpertsItIsOneLasso) {
  const auto data = test_support::make_regression<double>(80, 6, 3, 0.1, 0.2, 5);
  Regressor model(plain(0));
  model.fit(data.X, data.y);
  ElasticNet<double> lasso({.alpha = 0.01, .l1_ratio = 1, .tol = 1e-10});
  lasso.fit(data.X, data.y);
  EXPECT_NEAR((model.predict(data.X) - lasso.predict(data.X)).norm(), 0, 1e-4);
}

TEST(SparseExpertRegressor, ExpertsFitASlopeThatChangesBetweenClusters) {
  Random random(2);
  Matrix<double> x = test_support::random_matrix<double>(200, 2, random);
  Vector<double> y(200);
  for (Index i = 0; i < 200; ++i) {
    x(i, 0) += i % 2 == 0 ? 8 : -8;
    y[i] = (i % 2 == 0 ? 3.0 : -3.0) * x(i, 1) + 1;
  }
  Regressor linear(plain(0)), experts(plain(2));
  linear.fit(x, y);
  experts.fit(x, y);
  EXPECT_LT(linear.score(x, y), 0.3);
  EXPECT_GT(experts.score(x, y), 0.999);
  EXPECT_TRUE(experts.report()) << experts.report().brief();
  auto ws = experts.workspace();
  Vector<double> scores(1);
  EXPECT_NEAR(experts.predict_into(x.row(5), scores, ws), experts.predict(x)[5], 1e-12);
}

TEST(SparseExpertRegressor, RefinedCodesFitACurve) {
  Random random(3);
  Matrix<double> x = test_support::random_matrix<double>(400, 2, random);
  const Vector<double> y = (x.col(0).array() * 2).sin() + 0.5 * x.col(1).array().square();
  Regressor::Options options = plain(0);
  options.scaling = Scaling::standardize;
  options.representation.kind = EncoderKind::feed_forward;
  options.representation.n_components = 64;
  options.representation.refine.epochs = 40;
  options.representation.refine.dropout = 0;
  options.expert.alpha = 1e-4;
  options.expert.tol = 1e-4;
  Regressor model(options), linear(plain(0));
  model.fit(x, y);
  linear.fit(x, y);
  EXPECT_GT(model.score(x, y), 0.9);
  EXPECT_LT(linear.score(x, y), 0.5);
}

TEST(SparseExpertRegressor, RejectsBadTargets) {
  const auto data = test_support::make_regression<double>(30, 3, 2, 0.1, 0, 1);
  Regressor model(plain(0));
  Vector<double> y = data.y;
  y[2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(model.fit(data.X, y), std::invalid_argument);
  EXPECT_THROW(model.fit(data.X, Vector<double>(data.y.head(20))), std::invalid_argument);
  EXPECT_THROW((void)model.predict(data.X), std::logic_error);
}

}  // namespace
