// SPDX-License-Identifier: MIT
// What a caller can get wrong, and odd data with a documented outcome.
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;
using Model = SparseExpertModel<double>;

Model::Options small() {
  Model::Options options;
  options.representation.kind = EncoderKind::identity;
  options.clustering.n_clusters = 2;
  options.output.n_folds = 2;
  return options;
}

const auto data = test_support::make_blobs<double>(60, 4, 3, 2.0, 2);

std::string message_of(const Model::Options& options, const Matrix<double>& x = data.X,
                       const LabelVector& labels = data.labels) {
  Model model(options);
  try {
    model.fit(x, labels);
  } catch (const std::invalid_argument& error) {
    EXPECT_FALSE(model.is_fitted());
    return error.what();
  }
  return "accepted";
}

TEST(SparseExpertInput, BadOptionsAreNamed) {
  const auto named = [](const char* name, auto change) {
    Model::Options options = small();
    change(options);
    EXPECT_NE(message_of(options).find(name), std::string::npos) << message_of(options);
  };
  named("rho", [](auto& o) { o.rho = -1; });
  named("gate.top_k", [](auto& o) { o.gate.top_k = 0; });
  named("gate.beta", [](auto& o) { o.gate.beta = -2; });
  named("n_threads", [](auto& o) { o.n_threads = -1; });
  named("C = 0", [](auto& o) { o.expert.C = 0; });
  named("clustering.n_clusters", [](auto& o) { o.clustering.n_clusters = 61; });
  named("clustering.n_clusters", [](auto& o) { o.clustering.n_clusters = -1; });
  named("output.n_folds", [](auto& o) { o.output.n_folds = 1; });
  named("output.ridge", [](auto& o) { o.output.ridge = -1; });
  named("representation.alpha", [](auto& o) { o.representation.alpha = -1; });
  named("representation.n_components", [](auto& o) {
    o.representation.kind = EncoderKind::feed_forward;
    o.representation.n_components = 0;
  });
  named("representation.density", [](auto& o) { o.representation.density = 2; });
  named("representation.refine.dropout", [](auto& o) { o.representation.refine.dropout = 1; });
  named("representation.dictionary",
        [](auto& o) { o.representation.dictionary = Matrix<double>::Ones(3, 9); });
}

// They were read as places in classes().
TEST(SparseExpertInput, ClassWeightsGoByLabel) {
  Model::Options options = small();
  options.expert.class_weight.given = {{20, 4.0}};
  EXPECT_NE(message_of(options).find("label in expert.class_weight.given = 20"), std::string::npos);
  const LabelVector tens = 10 * data.labels;
  Model by_label(options), plain(small());
  by_label.fit(data.X, tens);
  Model::Options numbered = small();
  numbered.expert.class_weight.given = {{2, 4.0}};
  Model same(numbered);
  same.fit(data.X, data.labels);
  plain.fit(data.X, data.labels);
  EXPECT_EQ(by_label.decision_function(data.X), same.decision_function(data.X));
  EXPECT_NE(by_label.decision_function(data.X), plain.decision_function(data.X));
}

TEST(SparseExpertInput, BadDataIsNamed) {
  EXPECT_NE(message_of(small(), Matrix<double>(0, 4)).find("X.shape"), std::string::npos);
  EXPECT_NE(message_of(small(), data.X.topRows(50)).find("labels.size()"), std::string::npos);
  EXPECT_NE(message_of(small(), data.X, LabelVector::Ones(60)).find("number of classes"), std::string::npos);
  Matrix<double> x = data.X;
  x(3, 1) = std::numeric_limits<double>::infinity();
  EXPECT_NE(message_of(small(), x).find("X(3, 1)"), std::string::npos);
}

TEST(SparseExpertInput, AFailedFitLeavesTheModelAsItWas) {
  Model model(small());
  model.fit(data.X, data.labels);
  const Matrix<double> before = model.decision_function(data.X);
  EXPECT_THROW(model.fit(data.X, LabelVector::Ones(60)), std::invalid_argument);
  EXPECT_EQ(model.decision_function(data.X), before);
}

TEST(SparseExpertInput, UnfittedOrWronglySized) {
  Model model(small());
  EXPECT_THROW((void)model.predict(data.X), std::logic_error);
  EXPECT_THROW((void)model.workspace(), std::logic_error);
  EXPECT_THROW((void)model.coef(), std::logic_error);
  EXPECT_THROW((void)model.report(), std::logic_error);
  model.fit(data.X, data.labels);
  EXPECT_THROW((void)model.predict(Matrix<double>::Ones(2, 3)), std::invalid_argument);
  EXPECT_THROW((void)model.score(data.X, LabelVector::Ones(3)), std::invalid_argument);
  auto ws = model.workspace();
  Vector<double> scores(3), short_scores(2);
  EXPECT_THROW((void)model.predict_into(Vector<double>::Ones(5), scores, ws), std::invalid_argument);
  EXPECT_THROW((void)model.predict_into(Vector<double>::Ones(4), short_scores, ws), std::invalid_argument);
}

TEST(SparseExpertInput, AClusterWithOneClass) {
  // Each cluster is one class: the shared expert supplies the negatives of the others.
  Matrix<double> x = data.X;
  for (Index i = 0; i < 60; ++i) x(i, 0) += 100 * data.labels[i];
  Model::Options options = small();
  options.scaling = Scaling::standardize;
  options.clustering.n_clusters = 3;
  options.gate.top_k = 1;
  Model model(options);
  const Report report = model.fit(x, data.labels);
  EXPECT_TRUE(report) << report.brief();
  EXPECT_EQ(model.score(x, data.labels), 1);
}

TEST(SparseExpertInput, FewerDistinctSamplesThanClusters) {
  Matrix<double> x(40, 2);
  LabelVector labels(40);
  for (Index i = 0; i < 40; ++i) {
    x.row(i) << static_cast<double>(i % 2), 1;
    labels[i] = static_cast<int>(i % 2);
  }
  Model::Options options = small();
  options.clustering.n_clusters = 5;
  Model model(options);
  model.fit(x, labels);
  EXPECT_EQ(model.score(x, labels), 1);
}

TEST(SparseExpertInput, AClassNeverSeenIsNeverPredicted) {
  Model model(small());
  model.fit(data.X, data.labels);
  LabelVector truth = data.labels;
  truth[0] = 99;
  EXPECT_LT(model.score(data.X, truth), 1);
  EXPECT_EQ((model.predict(data.X).array() == 99).count(), 0);
}

TEST(SparseExpertInput, ConstantFeaturesAndAllZeroSamples) {
  Matrix<double> x = data.X;
  x.col(2).setConstant(5);
  x.row(7).setZero();
  for (const Scaling scaling : {Scaling::standardize, Scaling::unit_norm, Scaling::center_unit_norm})
    for (const EncoderKind kind : {EncoderKind::feed_forward, EncoderKind::triangle}) {
      Model::Options options = small();
      options.scaling = scaling;
      options.representation.kind = kind;
      options.representation.n_components = 20;
      options.representation.refine.epochs = 1;
      Model model(options);
      model.fit(x, data.labels);
      EXPECT_TRUE(model.decision_function(x).allFinite());
      EXPECT_TRUE(model.predict_proba(x).allFinite());
    }
}

TEST(SparseExpertInput, ProgressIsReportedAndCanStop) {
  Model::Options options = small();
  options.representation.kind = EncoderKind::feed_forward;
  options.representation.n_components = 16;
  options.representation.refine.epochs = 50;
  options.output.kind = Calibration::none;
  int calls = 0;
  options.on_progress = [&](const Progress& progress) {
    ++calls;
    return std::string(progress.stage) != "refinement" || progress.iteration < 3;
  };
  Model model(options);
  const Report report = model.fit(data.X, data.labels);
  EXPECT_GE(calls, 3);
  EXPECT_EQ(report.stage("representation").status, Status::stopped);
  EXPECT_EQ(report.stage("representation").n_iter, 3);
  EXPECT_FALSE(report);
  EXPECT_NE(report.brief().find("stopped"), std::string::npos);
}

}  // namespace
