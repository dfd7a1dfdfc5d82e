// SPDX-License-Identifier: MIT
// Every policy of the library in the model, and one of the user's in ten lines.
#include <sparse_experts/model/clustering_policies.hpp>
#include <sparse_experts/model/coding_policies.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;

const auto data = test_support::make_blobs<double>(120, 6, 3, 3.0, 7);

template <class Model>
void expect_works(typename Model::Options options) {
  options.output.n_folds = 2;
  Model model(options);
  const Report report = model.fit(data.X, data.labels);
  EXPECT_GT(model.score(data.X, data.labels), 0.9) << report.brief();
  auto ws = model.workspace();
  Vector<double> scores(3);
  const Matrix<double> batch = model.decision_function(data.X);
  for (Index i = 0; i < 5; ++i) {
    model.predict_into(data.X.row(i), scores, ws);
    EXPECT_NEAR((scores.transpose() - batch.row(i)).norm(), 0, 1e-8);
  }
}

template <class C>
using Clustered = SparseExpertModel<double, Encoder<double>, C>;

template <class Options>
Options identity(Options options) {
  options.representation.kind = EncoderKind::identity;
  return options;
}

TEST(Policies, Clusterings) {
  Clustered<BalancedClusters<double>>::Options balanced;
  balanced.clustering.n_clusters = 3;
  expect_works<Clustered<BalancedClusters<double>>>(identity(balanced));
  Clustered<SphericalClusters<double>>::Options spherical;
  spherical.clustering.n_clusters = 3;
  expect_works<Clustered<SphericalClusters<double>>>(identity(spherical));
}

TEST(Policies, NoiseOfDBSCANGoesToTheSharedExpert) {
  Matrix<double> x(31, 2);
  LabelVector labels(31);
  Random random(1);
  for (Index i = 0; i < 30; ++i) {
    x(i, 0) = (i % 2 == 0 ? 5 : -5) + 0.1 * random.normal();
    x(i, 1) = 0.1 * random.normal();
    labels[i] = static_cast<int>(i % 2);
  }
  x.row(30) << 40, 40;
  labels[30] = 0;
  using Model = Clustered<DensityClusters<double>>;
  Model::Options options;
  options.scaling = Scaling::none;
  options.clustering = {.eps = 0.6, .min_samples = 4};
  options.gate.top_k = 1;
  options.output.n_folds = 2;
  Model model(identity(options));
  model.fit(x, labels);
  EXPECT_EQ(model.report().n_experts, 2);
  const Matrix<double> g = model.gate_weights(x);
  EXPECT_EQ(g.row(30).sum(), 0);
  EXPECT_EQ(g.topRows(30).sum(), 30);
  DBSCAN<double> dbscan(options.clustering);
  dbscan.fit(x);
  for (Index i = 0; i < 30; ++i) EXPECT_EQ(g(i, dbscan.labels()[i]), 1);
}

TEST(Policies, ExactCodesCarryTheirCertificate) {
  using Model = SparseExpertModel<double, DictionaryCodes<double>>;
  Model::Options options;
  options.representation.n_components = 20;
  options.representation.alpha = 0.05;
  expect_works<Model>(options);
  Model model(options);
  const Report report = model.fit(data.X, data.labels);
  EXPECT_TRUE(report.stage("representation")) << report.brief();
  EXPECT_LE(report.stage("representation").value, 1e-4);
  EXPECT_GE(model.transform(data.X).coeffs().minCoeff(), 0);
}

TEST(Policies, SelectedColumns) {
  Matrix<double> x = Matrix<double>::Zero(120, 30);
  Random random(2);
  x = test_support::random_matrix<double>(120, 30, random);
  x.leftCols(6) = data.X;
  using Model = SparseExpertModel<double, SelectedColumns<double>>;
  Model::Options options;
  options.scaling = Scaling::standardize;
  options.representation.alpha_ratio = 0.3;
  options.output.n_folds = 2;
  Model model(options);
  model.fit(x, data.labels);
  EXPECT_LT(model.report().n_components, 30);
  EXPECT_GT(model.score(x, data.labels), 0.9);
}

// Squares of the features beside the features.
struct Squares {
  struct Options {
    double weight = 1;
  };
  explicit Squares(Options o) : weight(o.weight) {}
  Convergence fit(const DenseRows<double>&, const Targets<double>&, const StageContext&) {
    return {Status::converged, 0, 0, 0, 0};
  }
  SparseRowMatrix<double> transform(const DenseRows<double>& x, int) const {
    Matrix<double> s(x.rows(), 2 * x.cols());
    s << x, weight * x.array().square().matrix();
    return s.sparseView();
  }
  double weight;
};

TEST(Policies, ARepresentationOfTheUsers) {
  using Model = SparseExpertModel<double, Squares>;
  expect_works<Model>({.representation = {.weight = 2}});
  Model model;
  const SparseMatrix<double> sparse = data.X.sparseView();
  EXPECT_THROW(model.fit(sparse, data.labels), std::invalid_argument);
}

// The first samples are the centres.
struct FirstSamples {
  struct Options {
    Index n_clusters = 2;
  };
  explicit FirstSamples(Options o) : options(o) {}
  template <class Rows>
  Convergence fit(const Rows& rows, const StageContext&) {
    found.points = RowMatrix<double>(rows).topRows(options.n_clusters);
    return {Status::converged, 0, 0, 0, 0};
  }
  const Anchors<double>& anchors() const { return found; }
  Options options;
  Anchors<double> found;
};

TEST(Policies, AClusteringOfTheUsers) {
  Clustered<FirstSamples>::Options options;
  options.clustering.n_clusters = 4;
  expect_works<Clustered<FirstSamples>>(identity(options));
}

}  // namespace
