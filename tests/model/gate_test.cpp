// SPDX-License-Identifier: MIT
#include <sparse_experts/model/gate.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;
using test_support::random_matrix;

template <class Scalar>
DenseRows<Scalar> view(const RowMatrix<Scalar>& x) {
  return {x.data(), x.rows(), x.cols(), Eigen::OuterStride<>(x.cols())};
}
template <class Scalar>
SparseRows<Scalar> view(const SparseRowMatrix<Scalar>& x) {
  return {x.rows(), x.cols(), x.nonZeros(), x.outerIndexPtr(), x.innerIndexPtr(), x.valuePtr()};
}

struct Problem {
  RowMatrix<double> x, centers;
  Problem() {
    Random random(1);
    x = random_matrix<double>(50, 6, random);
    centers = random_matrix<double>(7, 6, random);
  }
};

Anchors<double> anchors_of(const RowMatrix<double>& points) {
  Anchors<double> anchors;
  anchors.points = points;
  return anchors;
}

TEST(Gate, HardGateIsTheNearestCentre) {
  const Problem p;
  Gate<double> gate;
  gate.fit(anchors_of(p.centers), view(p.x), {.top_k = 1, .beta = 3});
  const Matrix<double> g = gate.weights(view(p.x));
  for (Index i = 0; i < 50; ++i) {
    Index nearest = 0;
    (p.centers.rowwise() - p.x.row(i)).rowwise().squaredNorm().minCoeff(&nearest);
    EXPECT_EQ(g(i, nearest), 1);
    EXPECT_EQ(g.row(i).sum(), 1);
  }
}

TEST(Gate, SoftGateIsTheSoftmaxOverTheNearest) {
  const Problem p;
  Gate<double> gate;
  gate.fit(anchors_of(p.centers), view(p.x), {.top_k = 3, .beta = 2});
  const Matrix<double> g = gate.weights(view(p.x));
  double mean = 0;
  for (Index i = 0; i < 50; ++i)
    mean += (p.centers.rowwise() - p.x.row(i)).rowwise().squaredNorm().minCoeff() / 50;
  EXPECT_NEAR(gate.mean_squared_distance(), mean, 1e-10);
  for (Index i = 0; i < 50; ++i) {
    const Vector<double> d = (p.centers.rowwise() - p.x.row(i)).rowwise().squaredNorm();
    std::vector<double> sorted(d.data(), d.data() + 7);
    std::sort(sorted.begin(), sorted.end());
    Vector<double> expected = Vector<double>::Zero(7);
    for (Index e = 0; e < 7; ++e)
      if (d[e] <= sorted[2]) expected[e] = std::exp(-2 * (d[e] - sorted[0]) / mean);
    expected /= expected.sum();
    EXPECT_NEAR((g.row(i).transpose() - expected).cwiseAbs().maxCoeff(), 0, 3e-6);
  }
}

TEST(Gate, WeightsDoNotDependOnTheScaleOfTheData) {
  const Problem p;
  Gate<double> gate, scaled;
  gate.fit(anchors_of(p.centers), view(p.x), {.top_k = 4, .beta = 5});
  const RowMatrix<double> x = 1000 * p.x;
  scaled.fit(anchors_of(RowMatrix<double>(1000 * p.centers)), view(x), {.top_k = 4, .beta = 5});
  EXPECT_NEAR((Matrix<double>(gate.weights(view(p.x))) - Matrix<double>(scaled.weights(view(x)))).norm(), 0,
              1e-9);
}

TEST(Gate, SamplesThatAllLieOnAnchorsReachTheirOwnAlone) {
  Anchors<double> anchors;
  anchors.points.resize(3, 2);
  anchors.points << 0, 1, 4, 0, 0, -8;
  const RowMatrix<double> x = anchors.points;
  const DenseRows<double> rows(x.data(), 3, 2, Eigen::OuterStride<>(2));
  Gate<double> gate;
  gate.fit(anchors, rows, {.top_k = 2, .beta = 4});
  EXPECT_EQ(gate.mean_squared_distance(), 0);
  EXPECT_EQ(Matrix<double>(gate.weights(rows)), (Matrix<double>::Identity(3, 3)));
  gate.set_options({.top_k = 3, .beta = 0});  // no sharpness, no preference
  EXPECT_NEAR(gate.weights(rows).coeff(0, 2), 1.0 / 3, 1e-15);
}

TEST(Gate, SparseSamplesAndAnyNumberOfThreadsGiveTheSameWeights) {
  Problem p;
  p.x = p.x.unaryExpr([](double v) { return std::abs(v) < 0.5 ? 0 : v; });
  const SparseRowMatrix<double> sparse = p.x.sparseView();
  Gate<double> gate;
  gate.fit(anchors_of(p.centers), view(p.x), {.top_k = 3});
  const Matrix<double> g = gate.weights(view(p.x), 1);
  EXPECT_EQ(g, Matrix<double>(gate.weights(view(sparse), 2)));
  EXPECT_EQ(g, Matrix<double>(gate.weights(view(p.x), 5)));
}

TEST(Gate, SeveralAnchorsOfAClusterAndNoise) {
  RowMatrix<double> points(3, 1), x(4, 1);
  points << 0, 10, 1;
  x << -0.5, 1.2, 9, 50;
  Anchors<double> anchors = anchors_of(points);
  anchors.cluster = {0, 1, 0};
  anchors.radius = 2;
  Gate<double> gate;
  gate.fit(anchors, view(x), {.top_k = 1});
  const Matrix<double> g = gate.weights(view(x));
  EXPECT_EQ(g.cols(), 2);
  EXPECT_EQ(g(0, 0), 1);
  EXPECT_EQ(g(1, 0), 1);
  EXPECT_EQ(g(2, 1), 1);
  EXPECT_EQ(g.row(3).sum(), 0) << "farther than the radius from every anchor: the shared expert alone";
}

TEST(Gate, NormalizedSamplesIgnoreTheirLength) {
  Problem p;
  p.centers.rowwise().normalize();
  Anchors<double> anchors = anchors_of(p.centers);
  anchors.normalize = true;
  Gate<double> gate;
  gate.fit(anchors, view(p.x), {.top_k = 2});
  const RowMatrix<double> longer = 37 * p.x;
  EXPECT_NEAR((Matrix<double>(gate.weights(view(p.x))) - Matrix<double>(gate.weights(view(longer)))).norm(),
              0, 1e-12);
}

TEST(Gate, RejectsBadOptions) {
  const Problem p;
  Gate<double> gate;
  EXPECT_THROW(gate.fit(anchors_of(p.centers), view(p.x), {.top_k = 0}), std::invalid_argument);
  EXPECT_THROW(gate.fit(anchors_of(p.centers), view(p.x), {.top_k = 1, .beta = -1}), std::invalid_argument);
  EXPECT_THROW(gate.fit(anchors_of(RowMatrix<double>::Ones(2, 3)), view(p.x), {}), std::invalid_argument);
}

}  // namespace
