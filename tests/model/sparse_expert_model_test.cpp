// SPDX-License-Identifier: MIT
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;
using Model = SparseExpertModel<double>;

Model::Options base() {
  Model::Options options;
  options.scaling = Scaling::unit_norm;
  options.representation.n_components = 24;
  options.representation.refine.epochs = 3;
  options.clustering.n_clusters = 3;
  options.output.n_folds = 2;
  return options;
}

Model::Options plain(Index n_clusters, Index top_k) {
  Model::Options options;
  options.scaling = Scaling::none;
  options.representation.kind = EncoderKind::identity;
  options.clustering.n_clusters = n_clusters;
  options.gate.top_k = top_k;
  options.output.kind = Calibration::none;
  options.expert.tol = 1e-8;
  return options;
}

template <class M>
Matrix<double> lifted(const M& model, const Matrix<double>& x) {
  const Matrix<double> s = model.transform(x), g = model.gate_weights(x);
  const Index k = s.cols(), n_experts = g.cols();
  const double rho = model.options().rho;
  Matrix<double> phi(s.rows(), (n_experts + 1) * (k + 1));
  phi.leftCols(k) = rho * s;
  for (Index e = 0; e < n_experts; ++e)
    for (Index j = 0; j < k; ++j) phi.col((e + 1) * k + j) = g.col(e).cwiseProduct(s.col(j));
  phi.col((n_experts + 1) * k).setConstant(rho);
  phi.rightCols(n_experts) = g;
  return phi;
}

TEST(SparseExpertModel, ScoresAreTheWeightsTimesTheLiftedFeatures) {
  const auto data = test_support::make_blobs<double>(160, 6, 4, 2.0, 7);
  for (const EncoderKind kind :
       {EncoderKind::identity, EncoderKind::soft_threshold, EncoderKind::feed_forward, EncoderKind::triangle})
    for (const Index top_k : {1, 2}) {
      Model::Options options = base();
      options.representation.kind = kind;
      options.gate.top_k = top_k;
      options.rho = 0.7;
      Model model(options);
      const Report report = model.fit(data.X, data.labels);
      EXPECT_TRUE(report) << report.brief();
      Matrix<double> expected = lifted(model, data.X) * Matrix<double>(model.coef());
      expected.rowwise() += model.intercept().transpose();
      EXPECT_NEAR((model.decision_function(data.X) - expected).cwiseAbs().maxCoeff(), 0, 1e-10);
    }
}

TEST(SparseExpertModel, WithoutExpertsItIsOneLinearSVM) {
  const auto data = test_support::make_blobs<double>(120, 5, 3, 1.5, 1);
  Model model(plain(0, 1));
  model.fit(data.X, data.labels);
  L1SVM<double> svm({.C = 1, .tol = 1e-8});
  svm.fit(data.X, data.labels);
  EXPECT_NEAR((model.decision_function(data.X) - svm.decision_function(data.X)).cwiseAbs().maxCoeff(), 0,
              1e-4);
}

TEST(SparseExpertModel, LargeRhoIsOneLinearSVM) {
  // |W| counts 1/rho on the shared block: with C / rho the experts become too dear and the shared one alone
  // is left.
  const auto data = test_support::make_blobs<double>(120, 5, 3, 1.5, 1);
  const double rho = 1e4;
  Model::Options options = plain(4, 2);
  options.rho = rho;
  options.expert.C = 1 / rho;
  Model model(options);
  model.fit(data.X, data.labels);
  L1SVM<double> svm({.C = 1, .tol = 1e-8});
  svm.fit(data.X, data.labels);
  EXPECT_NEAR((model.decision_function(data.X) - svm.decision_function(data.X)).cwiseAbs().maxCoeff(), 0,
              1e-3);
}

// An expert of the user's: the L1-SVM without the common bias, so that nothing but the gates couples the
// experts.
struct NoBiasExpert {
  struct Options {
    double C = 1;
  };
  static constexpr bool is_classifier = true;
  explicit NoBiasExpert(Options o) : svm({.C = o.C, .tol = 1e-10, .fit_intercept = false}) {}
  template <Design D>
  Convergence fit(const D& design, const Targets<double>& targets, const StageContext&) {
    return svm.fit_design(design, targets.classes);
  }
  Matrix<double> coef() const { return svm.coef(); }
  Vector<double> intercept() const { return svm.intercept(); }
  L1SVM<double> svm;
};

TEST(SparseExpertModel, WithoutSharingHardGatesAreSeparateFits) {
  using Separate = SparseExpertModel<double, Encoder<double>, ClusterPolicy<double>, NoBiasExpert>;
  const auto data = test_support::make_blobs<double>(200, 4, 2, 1.2, 5);
  Separate::Options options;
  options.scaling = Scaling::none;
  options.representation.kind = EncoderKind::identity;
  options.clustering.n_clusters = 3;
  options.gate.top_k = 1;
  options.output.kind = Calibration::none;
  options.rho = 0;
  Separate model(options);
  model.fit(data.X, data.labels);
  const Matrix<double> g = model.gate_weights(data.X), scores = model.decision_function(data.X);
  double sum = 0;
  for (Index e = 0; e < 3; ++e) {
    std::vector<Index> members;
    for (Index i = 0; i < 200; ++i)
      if (g(i, e) > 0) members.push_back(i);
    Matrix<double> x =
        Matrix<double>::Ones(static_cast<Index>(members.size()), 5);  // the gate itself is a feature
    x.leftCols(4) = take_rows(data.X, members);
    L1SVM<double> svm({.C = 1, .tol = 1e-10, .fit_intercept = false});
    svm.fit(x, take_rows(data.labels, members));
    EXPECT_NEAR((svm.decision_function(x) - take_rows(scores, members)).cwiseAbs().maxCoeff(), 0, 1e-4);
    sum += svm.convergence().objective;
  }
  EXPECT_NEAR(model.report().stage("experts").objective, sum, 1e-6 * sum);
}

TEST(SparseExpertModel, ExpertsBeatOneLinearModelOnTwistedClasses) {
  // The sign of the class flips from one cluster to the other: no linear model can do it.
  Random random(9);
  Matrix<double> x = test_support::random_matrix<double>(400, 3, random);
  LabelVector labels(400);
  for (Index i = 0; i < 400; ++i) {
    const double side = i % 2 == 0 ? 1 : -1;
    labels[i] = side * x(i, 1) > 0 ? 1 : 0;
    x(i, 0) += 6 * side;
  }
  Model linear(plain(0, 1)), experts(plain(2, 1));
  linear.fit(x, labels);
  experts.fit(x, labels);
  EXPECT_LT(linear.score(x, labels), 0.7);
  EXPECT_GT(experts.score(x, labels), 0.98);
}

TEST(SparseExpertModel, SameBitsAtAnyNumberOfThreads) {
  const auto data = test_support::make_blobs<float>(300, 8, 3, 1.5, 3);
  SparseExpertModel<float>::Options options;
  options.representation.n_components = 40;
  options.representation.refine.epochs = 2;
  options.clustering.n_clusters = 4;
  options.output.n_folds = 2;
  Matrix<float> scores[3];
  Matrix<double> proba[3];
  const int threads[3] = {1, 2, 5};
  for (int t = 0; t < 3; ++t) {
    options.n_threads = threads[t];
    SparseExpertModel<float> model(options);
    model.fit(data.X, data.labels);
    scores[t] = model.decision_function(data.X);
    proba[t] = model.predict_proba(data.X);
  }
  EXPECT_EQ(scores[0], scores[1]);
  EXPECT_EQ(scores[0], scores[2]);
  EXPECT_EQ(proba[0], proba[1]);
  EXPECT_EQ(proba[0], proba[2]);
}

TEST(SparseExpertModel, SinglePredictionsEqualBatches) {
  const auto data = test_support::make_blobs<double>(150, 6, 3, 2.0, 8);
  for (const ClusterOn on : {ClusterOn::codes, ClusterOn::input}) {
    Model::Options options = base();
    options.cluster_on = on;
    Model model(options);
    model.fit(data.X, data.labels);
    auto ws = model.workspace();
    Vector<double> scores(model.n_outputs());
    const Matrix<double> batch = model.decision_function(data.X);
    const LabelVector labels = model.predict(data.X);
    for (Index i = 0; i < 20; ++i) {
      EXPECT_EQ(model.predict_into(data.X.row(i), scores, ws), labels[i]);
      EXPECT_NEAR((scores.transpose() - batch.row(i)).norm(), 0, 1e-12);
    }
  }
}

TEST(SparseExpertModel, TwoClassesShareOneScore) {
  const auto data = test_support::make_blobs<double>(150, 6, 2, 2.0, 8);
  LabelVector labels = data.labels;
  for (Index i = 0; i < labels.size(); ++i) labels[i] = labels[i] == 0 ? -3 : 12;
  Model model(base());
  model.fit(data.X, labels);
  EXPECT_EQ(model.n_outputs(), 1);
  EXPECT_EQ(model.classes(), (std::vector<int>{-3, 12}));
  const Matrix<double> p = model.predict_proba(data.X);
  const LabelVector guess = model.predict(data.X);
  EXPECT_GT(model.score(data.X, labels), 0.92);
  Index agree = 0;
  for (Index i = 0; i < guess.size(); ++i) agree += (p(i, 1) > 0.5) == (guess[i] == 12);
  EXPECT_GT(agree, 145);
  EXPECT_EQ(p.cols(), 2);
}

TEST(SparseExpertModel, SparseAndDenseSamplesAgreeWithoutCentring) {
  Random random(6);
  auto data = test_support::make_blobs<double>(120, 8, 3, 2.5, 4);
  data.X = test_support::sparsified(data.X, 0.6, random);
  const SparseMatrix<double> sparse = data.X.sparseView();
  Model::Options options = base();
  options.representation.refine.epochs = 0;
  Model a(options), b(options);
  a.fit(data.X, data.labels);
  b.fit(sparse, data.labels);
  EXPECT_NEAR((a.decision_function(data.X) - b.decision_function(sparse)).cwiseAbs().maxCoeff(), 0, 1e-2);
  EXPECT_EQ(a.predict(sparse), a.predict(data.X));
}

}  // namespace
