// SPDX-License-Identifier: MIT
// Uses that look right must either do what they say or be refused, never give other numbers.
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <limits>
#include <stdexcept>

namespace {

using namespace sparse_experts;
using Model = SparseExpertModel<double>;

Model::Options identity() {
  Model::Options options;
  options.representation.kind = EncoderKind::identity;
  options.output.kind = Calibration::none;
  return options;
}

const auto data = test_support::make_blobs<double>(60, 4, 3, 0.5, 2);

TEST(SilentMisuse, SparseSamplesAfterADenseCentredFitAreRefused) {
  const Matrix<double> x = data.X.array() + 3;
  const SparseRowMatrix<double> sparse = x.sparseView();
  for (const Scaling scaling : {Scaling::standardize, Scaling::center_unit_norm}) {
    Model::Options options = identity();
    options.scaling = scaling;
    Model model(options);
    model.fit(x, data.labels);
    EXPECT_THROW(model.predict(sparse), std::invalid_argument) << to_string(scaling);
  }
  for (const Scaling scaling : {Scaling::none, Scaling::unit_norm}) {
    Model::Options options = identity();
    options.scaling = scaling;
    Model model(options);
    model.fit(x, data.labels);
    EXPECT_NEAR((model.decision_function(sparse) - model.decision_function(x)).norm(), 0, 1e-9);
  }
}

TEST(SilentMisuse, PredictIntoRefusesWhatPredictRefuses) {
  Model::Options options = identity();
  options.representation.kind = EncoderKind::feed_forward;  // max(NaN, 0) would be a code of zero
  options.representation.n_components = 8;
  options.representation.refine.epochs = 0;
  Model model(options);
  model.fit(data.X, data.labels);
  auto ws = model.workspace();
  Vector<double> scores(3), x = data.X.row(0);
  EXPECT_NO_THROW(model.predict_into(x, scores, ws));
  x[1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(model.predict_into(x, scores, ws), std::invalid_argument);
  Model::Workspace empty;
  EXPECT_THROW(model.predict_into(data.X.row(0), scores, empty), std::invalid_argument);
}

}  // namespace
