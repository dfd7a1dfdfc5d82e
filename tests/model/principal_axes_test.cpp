// SPDX-License-Identifier: MIT
#include <sparse_experts/model/encoder.hpp>
#include <sparse_experts/model/pipeline.hpp>
#include <sparse_experts/model/principal_axes.hpp>

#include <Eigen/Dense>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <cmath>

namespace {

using namespace sparse_experts;

template <class Scalar>
DenseRows<Scalar> view(const RowMatrix<Scalar>& x) {
  return {x.data(), x.rows(), x.cols(), Eigen::OuterStride<>(x.cols())};
}

// n samples whose p coordinates have the deviations decay^0, decay^1, … along the columns of a random basis.
RowMatrix<double> elongated(Index n, Index p, double decay, Matrix<double>& basis) {
  Random random(3);
  basis = Matrix<double>(test_support::random_matrix<double>(p, p, random)).householderQr().householderQ();
  RowMatrix<double> z = test_support::random_matrix<double>(n, p, random);
  for (Index j = 0; j < p; ++j) z.col(j) *= std::pow(decay, static_cast<double>(j));
  return z * basis.transpose();
}

TEST(PrincipalAxes, SpanTheLongestDirections) {
  Matrix<double> basis;
  const RowMatrix<double> x = elongated(4000, 30, 0.5, basis);
  const RowMatrix<double> axes = detail::principal_axes(view(x), 5, 1, 2);
  ASSERT_EQ(axes.rows(), 30);
  EXPECT_EQ(axes.cols(), detail::padded_width<double>(5));
  EXPECT_TRUE(axes.rightCols(axes.cols() - 5).isZero(0));
  const Matrix<double> v = axes.leftCols(5);
  EXPECT_LT((v.transpose() * v - Matrix<double>::Identity(5, 5)).cwiseAbs().maxCoeff(), 1e-12);
  // The oracle: what of each of the five longest directions lies outside the span.
  const Matrix<double> moments = x.transpose() * x;
  const Matrix<double> exact =
      Eigen::SelfAdjointEigenSolver<Matrix<double>>(moments).eigenvectors().rightCols(5);
  EXPECT_LT((exact - v * (v.transpose() * exact)).colwise().norm().maxCoeff(), 1e-4);
}

TEST(PrincipalAxes, HaveTheSameBitsAtAnyNumberOfThreads) {
  Matrix<double> basis;
  const RowMatrix<float> x = elongated(500, 40, 0.8, basis).cast<float>();
  EXPECT_EQ(detail::principal_axes(view(x), 12, 1, 1), detail::principal_axes(view(x), 12, 1, 2));
}

TEST(PrincipalAxes, LeaveDirectionsThatAreNotThereEmpty) {
  RowMatrix<double> x = RowMatrix<double>::Zero(20, 6);
  x.col(1).setOnes();
  const RowMatrix<double> axes = detail::principal_axes(view(x), 3, 1, 1);
  EXPECT_NEAR(axes.cwiseAbs().sum(), 1, 1e-12);
  EXPECT_NEAR(std::abs(axes(1, 0)), 1, 1e-12);
}

// The refinement moves the atoms within the span alone.
TEST(PrincipalAxes, KeepTheAtomsInTheirSpan) {
  auto data = test_support::make_blobs<double>(200, 24, 3, 3.0, 8);
  const RowMatrix<double> x = data.X;
  Targets<double> targets;
  targets.classes = data.labels;
  targets.n_classes = 3;
  EncoderOptions options;
  options.n_components = 20;
  options.refine.epochs = 40;
  options.refine.n_axes = 4;
  Encoder<double> few(options);
  EXPECT_LT(few.fit(view(x), targets, {}).value, 0.5);
  const RowMatrix<double> v = detail::principal_axes(view(x), 4, 0, 1);
  const RowMatrix<double> atoms = few.dictionary();
  EXPECT_LT((atoms - atoms * v * v.transpose()).cwiseAbs().maxCoeff(), 1e-10);
  EXPECT_GT(atoms.cwiseAbs().maxCoeff(), 0.01);

  options.refine.n_axes = 0;
  Encoder<double> all(options);
  all.fit(view(x), targets, {});
  EXPECT_LT(few.bytes(), all.bytes()) << "the factors are kept";
  const SparseRowMatrix<double> stored = x.sparseView();
  EXPECT_LT((Matrix<double>(few.transform(view(x), 1)) -
             Matrix<double>(few.transform(detail::sparse_view(stored), 1)))
                .cwiseAbs()
                .maxCoeff(),
            1e-12);
  // With few atoms the factors would be larger than their product.
  options.n_components = 2;
  options.refine.n_axes = 8;
  Encoder<double> product(options);
  product.fit(view(x), targets, {});
  EXPECT_EQ(product.bytes(), static_cast<Index>(sizeof(double)) * ((24 + 1) * 2 + product.readout().size()));
}

// Sparse samples cannot be projected: more passes over them continue with free atoms.
TEST(PrincipalAxes, AreLeftForSparseSamples) {
  auto data = test_support::make_blobs<double>(200, 24, 3, 3.0, 8);
  const RowMatrix<double> x = data.X;
  const SparseRowMatrix<double> stored = x.sparseView();
  Targets<double> targets;
  targets.classes = data.labels;
  targets.n_classes = 3;
  EncoderOptions options;
  options.n_components = 20;
  options.refine.epochs = 40;
  options.refine.n_axes = 4;
  options.refine.input_dropout = 0;
  Encoder<double> encoder(options);
  encoder.fit(view(x), targets, {});
  EXPECT_LT(encoder.refine(detail::sparse_view(stored), targets, 10, {}).value, 0.5);
  EXPECT_EQ(encoder.dictionary().cols(), 24);
  EXPECT_TRUE(encoder.dictionary().allFinite());
}

}  // namespace
