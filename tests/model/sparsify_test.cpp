// SPDX-License-Identifier: MIT
#include <sparse_experts/model/sparsify.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;
using Model = SparseExpertModel<float>;

Model::Options many_atoms(int n_threads = 1) {
  Model::Options options;
  options.representation.n_components = 64;
  options.representation.refine.epochs = 6;
  options.output.n_folds = 2;
  options.n_threads = n_threads;
  options.seed = 3;
  return options;
}

// max |Y - (W'Phi(S) + b)|, K = 0.
double distance_to_definition(const Model& model, const Matrix<float>& X) {
  const SparseRowMatrix<float> codes = model.transform(X);
  const Matrix<float> W = Matrix<float>(model.coef());
  Matrix<float> scores = Matrix<float>(codes) * W.topRows(codes.cols());
  scores.rowwise() += (W.bottomRows(1) + model.intercept().transpose()).row(0);
  return static_cast<double>((scores - model.decision_function(X)).cwiseAbs().maxCoeff());
}

TEST(Sparsify, ReachesTheSizeWithACertificateAtEveryStep) {
  const auto data = test_support::make_blobs<float>(300, 10, 3, 2.0, 5);
  Model model(many_atoms());
  model.fit(data.X, data.labels);
  const Index before = model.bytes(), wanted = before / 4;
  const double score = model.score(data.X, data.labels);
  const SizeCurve curve = sparsify(model, data.X, data.labels, {.max_bytes = wanted});
  EXPECT_TRUE(curve.reached);
  ASSERT_GE(curve.points.size(), 3U);
  EXPECT_EQ(curve.points.front().bytes, before);
  EXPECT_EQ(curve.points.front().train_score, score);
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    EXPECT_LT(curve.points[i].bytes, curve.points[i - 1].bytes);
    EXPECT_TRUE(curve.points[i].experts) << i;
    EXPECT_LE(curve.points[i].experts.value, curve.points[i].experts.tolerance);
  }
  EXPECT_EQ(model.bytes(), curve.points.back().bytes);
  EXPECT_LE(model.bytes(), wanted);
  EXPECT_EQ(model.score(data.X, data.labels), curve.points.back().train_score);
  EXPECT_GT(model.score(data.X, data.labels), score - 0.05);
  EXPECT_EQ(model.report().n_components, model.transform(data.X).cols());
  EXPECT_EQ(model.report().n_weights, curve.points.back().n_weights);
  EXPECT_EQ(model.report().stage("experts").value, curve.points.back().experts.value);
  EXPECT_LT(distance_to_definition(model, data.X), 1e-4);
  EXPECT_NEAR(model.predict_proba(data.X).rowwise().sum().maxCoeff(), 1.0, 1e-9);
}

TEST(Sparsify, LeavesFewerWeightsWhereThereAreNoAtoms) {
  const auto data = test_support::make_blobs<float>(200, 60, 3, 0.6, 6);
  Model::Options options = many_atoms();
  options.representation.kind = EncoderKind::identity;
  options.expert.C = 1;
  Model model(options);
  model.fit(data.X, data.labels);
  const Index weights = model.report().n_weights;
  const auto fresh = test_support::make_blobs<float>(200, 60, 3, 0.6, 7);
  const SizeCurve curve = sparsify(model, data.X, data.labels, fresh.X, fresh.labels,
                                   {.max_bytes = model.bytes() * 2 / 3, .keep = 0.5});
  EXPECT_TRUE(curve.reached);
  EXPECT_LT(model.report().n_weights, weights);
  EXPECT_LT(model.options().expert.C, 1);
  EXPECT_EQ(curve.points.back().held_out_score, model.score(fresh.X, fresh.labels));
}

TEST(Sparsify, SameBitsAtAnyNumberOfThreads) {
  const auto data = test_support::make_blobs<float>(240, 10, 3, 2.0, 5);
  Matrix<float> scores[2];
  for (int t = 0; t < 2; ++t) {
    Model::Options options = many_atoms(t + 1);
    options.clustering.n_clusters = 3;
    Model model(options);
    model.fit(data.X, data.labels);
    EXPECT_TRUE(sparsify(model, data.X, data.labels, {.max_bytes = model.bytes() / 2}).reached);
    scores[t] = model.decision_function(data.X);
  }
  EXPECT_EQ(scores[0], scores[1]);
}

// The output layer is fitted on models of the new size, given atoms or not.
TEST(Sparsify, TakesGivenAtoms) {
  const auto data = test_support::make_blobs<float>(200, 10, 3, 2.0, 5);
  Model::Options options = many_atoms();
  options.representation.dictionary = data.X.topRows(40).cast<double>();
  Model model(options);
  model.fit(data.X, data.labels);
  EXPECT_TRUE(sparsify(model, data.X, data.labels, {.max_bytes = model.bytes() / 2}).reached);
  EXPECT_EQ(model.options().representation.dictionary.rows(), model.representation().n_atoms());
  EXPECT_TRUE(model.report().stage("output layer"));
}

TEST(Sparsify, SaysWhenASizeIsOutOfReach) {
  const auto data = test_support::make_blobs<float>(120, 10, 2, 2.0, 5);
  Model model(many_atoms());
  model.fit(data.X, data.labels);
  const SizeCurve curve = sparsify(model, data.X, data.labels, {.max_bytes = 1});
  EXPECT_FALSE(curve.reached);
  EXPECT_EQ(model.representation().n_atoms(), 1);
  EXPECT_EQ(model.predict(data.X).size(), 120);
}

TEST(Sparsify, LeavesAModelThatIsSmallEnough) {
  const auto data = test_support::make_blobs<float>(120, 10, 2, 2.0, 5);
  Model model(many_atoms());
  model.fit(data.X, data.labels);
  const Matrix<float> scores = model.decision_function(data.X);
  const SizeCurve curve = sparsify(model, data.X, data.labels, {.max_bytes = model.bytes()});
  EXPECT_TRUE(curve.reached);
  EXPECT_EQ(curve.points.size(), 1U);
  EXPECT_EQ(model.decision_function(data.X), scores);
}

TEST(Sparsify, RejectsBadInput) {
  const auto data = test_support::make_blobs<float>(120, 10, 2, 2.0, 5);
  Model model(many_atoms());
  EXPECT_THROW(sparsify(model, data.X, data.labels), std::logic_error);
  model.fit(data.X, data.labels);
  EXPECT_THROW(sparsify(model, data.X, data.labels, {.max_bytes = 0}), std::invalid_argument);
  EXPECT_THROW(sparsify(model, data.X, data.labels, {.keep = 1}), std::invalid_argument);
  EXPECT_THROW(sparsify(model, data.X, data.labels, {.epochs = -1}), std::invalid_argument);
  EXPECT_THROW(sparsify(model, data.X, LabelVector::Ones(120)), std::invalid_argument);
  const LabelVector other = data.labels.array() + 7;
  EXPECT_THROW(sparsify(model, data.X, other), std::invalid_argument);
}

}  // namespace
