// SPDX-License-Identifier: MIT
#include <sparse_experts/model/output_layer.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;

// Labels drawn from softmax(z / temperature).
struct Problem {
  Matrix<double> z;
  LabelVector labels;
  Problem(Index n, Index q, double temperature) : labels(n) {
    Random random(2);
    z = 2 * test_support::random_matrix<double>(n, q, random);
    for (Index i = 0; i < n; ++i) {
      Vector<double> p = (z.row(i).transpose() / temperature).array().exp();
      p /= p.sum();
      double u = random.uniform();
      int c = 0;
      while (c + 1 < q && u > p[c]) u -= p[c++];
      labels[i] = c;
    }
  }
  double loss(const OutputLayer& layer) const {
    const Matrix<double> p = layer.predict_proba(z);
    double sum = 0;
    for (Index i = 0; i < z.rows(); ++i) sum -= std::log(p(i, labels[i]));
    return sum / static_cast<double>(z.rows());
  }
};

TEST(OutputLayer, FindsTheTemperatureThatMadeTheLabels) {
  const Problem p(4000, 4, 2.5);
  OutputLayer layer;
  const Convergence c = layer.fit(p.z, p.labels, {.kind = Calibration::temperature});
  EXPECT_TRUE(c);
  EXPECT_NEAR(1 / layer.weight()(0, 0), 2.5, 0.15);
  EXPECT_EQ(layer.weight()(0, 1), 0);
  EXPECT_EQ(layer.bias().norm(), 0);
}

TEST(OutputLayer, GradientIsZeroWhenRecomputedFromScratch) {
  const Problem p(500, 3, 1.5);
  for (const Calibration kind : {Calibration::diagonal, Calibration::full}) {
    OutputLayerOptions options{.kind = kind, .ridge = 1e-2, .tol = 1e-8};
    OutputLayer layer, temperature;
    ASSERT_TRUE(layer.fit(p.z, p.labels, options));
    OutputLayerOptions start = options;
    start.kind = Calibration::temperature;
    temperature.fit(p.z, p.labels, start);
    Matrix<double> r = layer.predict_proba(p.z);
    for (Index i = 0; i < r.rows(); ++i) r(i, p.labels[i]) -= 1;
    r /= static_cast<double>(r.rows());
    Matrix<double> gradient = r.transpose() * p.z + 1e-2 * (layer.weight() - temperature.weight());
    if (kind == Calibration::diagonal) gradient = Matrix<double>(gradient.diagonal().asDiagonal());
    const Vector<double> bias_gradient = r.colwise().sum().transpose() + 1e-2 * layer.bias();
    EXPECT_LT(gradient.cwiseAbs().maxCoeff(), 1e-7);
    EXPECT_LT(bias_gradient.cwiseAbs().maxCoeff(), 1e-7);
  }
}

TEST(OutputLayer, RicherShapesFitBetter) {
  const Problem p(1000, 3, 1.5);
  double last = 1e9;
  for (const Calibration kind :
       {Calibration::none, Calibration::temperature, Calibration::diagonal, Calibration::full}) {
    OutputLayer layer;
    layer.fit(p.z, p.labels, {.kind = kind, .ridge = 1e-6});
    EXPECT_LE(p.loss(layer), last + 1e-9);
    last = p.loss(layer);
    EXPECT_NEAR(layer.predict_proba(p.z).row(3).sum(), 1, 1e-12);
  }
}

TEST(OutputLayer, SeparatedScoresEndFinite) {
  Matrix<double> z(4, 2);
  z << 1, -1, 2, -2, -1, 1, -3, 3;
  LabelVector labels(4);
  labels << 0, 0, 1, 1;
  OutputLayer layer;
  layer.fit(z, labels, {.kind = Calibration::full});
  EXPECT_TRUE(layer.weight().allFinite());
  EXPECT_GT(layer.predict_proba(z)(0, 0), 0.9);
}

TEST(OutputLayer, RejectsBadInput) {
  OutputLayer layer;
  EXPECT_THROW(layer.predict_proba(Matrix<double>::Ones(1, 2)), std::logic_error);
  EXPECT_THROW(layer.fit(Matrix<double>::Ones(2, 2), LabelVector::Zero(3), {}), std::invalid_argument);
  EXPECT_THROW(layer.fit(Matrix<double>::Ones(2, 1), LabelVector::Zero(2), {}), std::invalid_argument);
  EXPECT_THROW(layer.fit(Matrix<double>::Ones(2, 2), LabelVector::Constant(2, 2), {}), std::invalid_argument);
  EXPECT_THROW(layer.fit(Matrix<double>::Ones(2, 2), LabelVector::Zero(2), {.ridge = -1}),
               std::invalid_argument);
}

}  // namespace
