// SPDX-License-Identifier: MIT
// The same code by different roads: sparse and dense samples, batches and single samples.
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <utility>

namespace {

using namespace sparse_experts;
using Model = SparseExpertModel<double>;

test_support::Classification<double> mostly_zeros(Index n, std::uint64_t seed) {
  Random random(seed);
  auto data = test_support::make_blobs<double>(n, 24, 3, 3.0, seed);
  data.X = test_support::sparsified(data.X, 0.7, random);
  return data;
}

TEST(EncoderPaths, RefinementOfSparseSamplesIsThatOfDenseOnes) {
  const auto data = mostly_zeros(150, 4);
  const SparseRowMatrix<double> sparse = data.X.sparseView();
  const Matrix<double> x = data.X;
  Targets<double> targets;
  targets.classes = data.labels;
  targets.n_classes = 3;
  EncoderOptions options;
  options.n_components = 20;
  options.refine.epochs = 3;
  options.refine.input_dropout = 0;  // zeros that are not stored draw no numbers
  Encoder<double> from_dense(options), from_sparse(options);
  const RowMatrix<double> rows = x;
  from_dense.fit(DenseRows<double>(rows.data(), rows.rows(), rows.cols(), Eigen::OuterStride<>(rows.cols())),
                 targets, {});
  const SparseRows<double> view = detail::sparse_view(sparse);
  const Convergence certificate = from_sparse.fit(view, targets, {});
  EXPECT_LT(certificate.value, 1);
  EXPECT_LT((from_dense.dictionary() - from_sparse.dictionary()).cwiseAbs().maxCoeff(), 1e-9);
  EXPECT_LT((Matrix<double>(from_dense.transform(view, 1)) - Matrix<double>(from_sparse.transform(view, 1)))
                .cwiseAbs()
                .maxCoeff(),
            1e-9);
}

TEST(EncoderPaths, RefinementOfSparseSamplesHasTheSameBitsAtAnyNumberOfThreads) {
  const auto data = mostly_zeros(150, 5);
  const SparseRowMatrix<double> sparse = data.X.sparseView();
  Matrix<double> scores[2];
  for (int t = 0; t < 2; ++t) {
    Model::Options options;
    options.scaling = Scaling::unit_norm;
    options.representation.n_components = 100;
    options.representation.refine.epochs = 3;
    options.output.n_folds = 2;
    options.n_threads = t + 1;
    Model model(options);
    model.fit(sparse, data.labels);
    scores[t] = model.decision_function(sparse);
  }
  EXPECT_EQ(scores[0], scores[1]);
}

// Centred samples have no zeros; predict_into skips those of the raw sample.
TEST(EncoderPaths, SinglePredictionsOfSamplesWithZerosEqualBatches) {
  const auto data = mostly_zeros(150, 6);
  for (const Scaling scaling : {Scaling::center_unit_norm, Scaling::unit_norm, Scaling::standardize})
    for (const auto& [kind, n_axes] : {std::pair<EncoderKind, Index>{EncoderKind::feed_forward, 0},
                                       {EncoderKind::feed_forward, 4},
                                       {EncoderKind::triangle, 0}}) {
      Model::Options options;
      options.scaling = scaling;
      options.representation.kind = kind;
      options.representation.n_components = 30;
      options.representation.refine.epochs = 2;
      options.representation.refine.n_axes = n_axes;
      options.output.n_folds = 2;
      Model model(options);
      model.fit(data.X, data.labels);
      auto ws = model.workspace();
      Vector<double> scores(model.n_outputs());
      Matrix<double> x = data.X.topRows(30);
      x.row(0).setZero();
      x.row(1) = data.X.colwise().mean();      // no direction is left after centring
      x.row(2) = data.X.row(3).array() + 0.5;  // no zeros
      const Matrix<double> batch = model.decision_function(x);
      for (Index i = 0; i < x.rows(); ++i) {
        model.predict_into(x.row(i), scores, ws);
        if (i == 1 && scaling == Scaling::center_unit_norm) continue;  // rounding alone decides
        EXPECT_NEAR((scores.transpose() - batch.row(i)).norm(), 0, 1e-10) << to_string(scaling) << ' ' << i;
      }
    }
}

}  // namespace
