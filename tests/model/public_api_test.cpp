// SPDX-License-Identifier: MIT
// The calls that users' programs are written against, through the umbrella header, on tiny data.
#include "support/problems.hpp"
#include <sparse_experts/sparse_experts.hpp>

#include <gtest/gtest.h>

namespace se = sparse_experts;

TEST(PublicApi, Regression) {
  const auto problem = test_support::make_regression<double>(60, 8, 3, 0.1, 0.2, 1);
  const auto& [X, y] = problem;
  se::Lasso<double> lasso({.alpha = 0.1, .tol = 1e-6, .fit_intercept = true});
  const se::Convergence& c = lasso.fit(X, y);
  EXPECT_TRUE(c);
  EXPECT_EQ(lasso.coef().size(), 8);
  EXPECT_EQ(lasso.predict(X).size(), 60);
  EXPECT_LE(lasso.convergence().value, 1e-6);
  EXPECT_GT(std::abs(lasso.intercept()) + 1, 0);
  se::ElasticNet<float> enet({.alpha = 0.1, .l1_ratio = 0.5});
  EXPECT_TRUE(enet.fit(X.cast<float>(), y.cast<float>()));
  const auto path = se::lasso_path(X, y, {.n_alphas = 20, .alpha_min_ratio = 1e-2, .tol = 1e-6});
  EXPECT_EQ(path.alphas.size(), 20);
  EXPECT_EQ(path.coefs.rows(), 8);
  EXPECT_EQ(path.coefs.cols(), 20);
  EXPECT_EQ(static_cast<se::Index>(path.convergence.size()), 20);
  se::LassoCV<double> cv({.n_folds = 5});
  cv.fit(X, y);
  EXPECT_GT(cv.alpha(), 0);
  EXPECT_GT(cv.mse_path().size(), 0);
  EXPECT_EQ(cv.coef().size(), 8);
}

TEST(PublicApi, Clustering) {
  const se::Matrix<float> X = test_support::make_blobs<float>(100, 4, 3, 8.0, 2).X;
  se::KMeans<float> km({.n_clusters = 10, .max_iter = 300, .tol = 1e-4, .n_init = 1, .seed = 0});
  km.fit(X);
  const se::RowMatrix<float> initial_centers = X.topRows(10);
  km.fit(X, initial_centers);
  EXPECT_EQ(km.centers().rows(), 10);
  EXPECT_EQ(km.labels(), km.predict(X));
  EXPECT_GT(km.inertia(), 0);
  EXPECT_EQ(km.transform(X).cols(), 10);
  se::DBSCAN<double> db({.eps = 0.3, .min_samples = 5});
  db.fit(X.cast<double>());
  EXPECT_EQ(db.labels().size(), 100);
  EXPECT_LE(static_cast<se::Index>(db.core_sample_indices().size()), 100);
  EXPECT_EQ(db.predict(X.cast<double>()).size(), 100);
}

TEST(PublicApi, Classification) {
  const auto problem = test_support::make_blobs<double>(90, 5, 3, 3.0, 3);
  se::L1SVM<double> svm({.C = 1.0, .tol = 1e-4});
  svm.fit(problem.X, problem.labels);
  EXPECT_EQ(svm.decision_function(problem.X).cols(), 3);
  EXPECT_EQ(svm.predict(problem.X).size(), 90);
  EXPECT_EQ(svm.coef().rows(), 5);
  EXPECT_EQ(svm.intercept().size(), 3);
  EXPECT_EQ(svm.classes().size(), 3u);
  EXPECT_TRUE(svm.convergence());
}

TEST(PublicApi, Coding) {
  const se::Matrix<float> X = test_support::make_blobs<float>(120, 6, 3, 3.0, 4).X;
  se::DictionaryLearning<float> dl({.n_components = 8, .alpha = 0.1, .seed = 0});
  dl.fit(X);
  EXPECT_EQ(dl.dictionary().rows(), 8);
  EXPECT_EQ(dl.dictionary().cols(), 6);
  const se::RowMatrix<float> D = dl.dictionary();
  se::SparseCoder<float> coder(D, {.alpha = 0.1});
  const Eigen::SparseMatrix<float, Eigen::RowMajor> S = coder.transform(X);
  EXPECT_EQ(S.rows(), 120);
  EXPECT_EQ(S.cols(), 8);
}

TEST(PublicApi, Model) {
  const auto problem = test_support::make_blobs<float>(120, 6, 3, 3.0, 5);
  se::SparseExpertModel<float> model({.scaling = se::Scaling::standardize,
                                      .representation = {.n_components = 16},
                                      .clustering = {.n_clusters = 3},
                                      .gate = {.top_k = 2},
                                      .expert = {.C = 1},
                                      .seed = 0});
  auto report = model.fit(problem.X, problem.labels);
  EXPECT_FALSE(report.brief().empty());
  EXPECT_EQ(model.transform(problem.X).rows(), 120);
  EXPECT_EQ(model.gate_weights(problem.X).cols(), 3);
  EXPECT_EQ(model.decision_function(problem.X).cols(), 3);
  EXPECT_EQ(model.predict(problem.X).size(), 120);
  EXPECT_NEAR(model.predict_proba(problem.X).sum(), 120, 1e-6);
  EXPECT_GT(model.score(problem.X, problem.labels), 0.8);
  auto ws = model.workspace();
  Eigen::VectorXf scores(model.n_outputs());
  const Eigen::VectorXf x = problem.X.row(0);
  model.predict_into(x, scores, ws);
  EXPECT_LT((scores.transpose() - model.decision_function(problem.X).row(0)).norm(), 1e-4f);
  se::SparseExpertCV<float> search({.n_folds = 3, .seed = 0});
  search.fit(problem.X, problem.labels);
  EXPECT_GT(search.best_model().score(problem.X, problem.labels), 0.8);
  EXPECT_FALSE(search.results().empty());
}
