// SPDX-License-Identifier: MIT
#include <sparse_experts/model_selection/prediction_metrics.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace se = sparse_experts;

namespace {

// Golden values: scikit-learn 1.2.1 (accuracy_score, confusion_matrix, r2_score, mean_squared_error,
// log_loss).

TEST(PredictionMetrics, CountsOfClasses) {
  const se::LabelVector truth = (se::LabelVector(5) << 3, 1, 3, 7, 1).finished();
  const se::LabelVector predicted = (se::LabelVector(5) << 1, 1, 3, 3, 3).finished();
  EXPECT_DOUBLE_EQ(se::accuracy(truth, predicted), 0.4);
  const se::ConfusionMatrix confusion = se::confusion_matrix(truth, predicted);
  EXPECT_EQ(confusion.classes, (se::LabelVector(3) << 1, 3, 7).finished());
  EXPECT_EQ(confusion.counts, (decltype(confusion.counts)(3, 3) << 1, 1, 0, 1, 1, 0, 0, 1, 0).finished());
}

TEST(PredictionMetrics, Regression) {
  const se::Vector<double> truth = (se::Vector<double>(5) << 1.5, -2, 0.25, 4, 3).finished();
  const se::Vector<double> predicted = (se::Vector<double>(5) << 1, -1.5, 0.5, 3.5, 3.25).finished();
  EXPECT_NEAR(se::mean_squared_error(truth, predicted), 0.175, 1e-15);
  EXPECT_NEAR(se::r2(truth, predicted), 0.9605855855855856, 1e-15);
  EXPECT_NEAR(se::r2(truth.cast<float>().eval(), predicted.cast<float>().eval()), 0.9605855855855856, 1e-15);
  const se::Vector<double> ones = se::Vector<double>::Ones(5);
  EXPECT_EQ(se::r2(ones, ones), 1);
  EXPECT_EQ(se::r2(ones, truth), 0);
}

struct Probabilities {
  se::Matrix<double> proba{5, 3};
  se::LabelVector truth{5}, classes{3};
  Probabilities() {
    proba << .7, .2, .1, .1, .8, .1, .3, .3, .4, .05, .9, .05, 1, 0, 0;
    truth << 2, 5, 9, 2, 9;
    classes << 2, 5, 9;
  }
};

TEST(PredictionMetrics, LogLossClipsZeros) {
  const Probabilities given;
  double expected = 0;
  for (const double p : {.7, .8, .4, .05, 1e-15}) expected -= std::log(p) / 5;
  EXPECT_NEAR(se::log_loss(given.truth, given.proba, given.classes), expected, 1e-14);
  // scikit-learn 1.2.1 clips at the machine epsilon of double instead; without the clipped sample both agree.
  EXPECT_NEAR(se::log_loss(given.truth.head(4), given.proba.topRows(4), given.classes),
              (8.107098977959648 * 5 + std::log(std::numeric_limits<double>::epsilon())) / 4, 1e-12);
}

TEST(PredictionMetrics, CalibrationErrorByHand) {
  const Probabilities given;
  // Bins of width 1/15 hold .4 (hit), .7 (hit), .8 (hit), .9 (miss), 1 (miss), one each.
  EXPECT_NEAR(se::expected_calibration_error(given.truth, given.proba, given.classes),
              (0.6 + 0.3 + 0.2 + 0.9 + 1.0) / 5, 1e-15);
  // One bin: |3 hits - 3.8| / 5.
  EXPECT_NEAR(se::expected_calibration_error(given.truth, given.proba, given.classes, 1), 0.8 / 5, 1e-15);
}

TEST(PredictionMetrics, BadInputIsNamed) {
  const Probabilities given;
  EXPECT_THROW(se::accuracy(given.truth, given.classes), std::invalid_argument);
  EXPECT_THROW(se::accuracy(se::LabelVector(), se::LabelVector()), std::invalid_argument);
  EXPECT_THROW(se::log_loss(given.truth, given.proba.leftCols(2), given.classes), std::invalid_argument);
  EXPECT_THROW(se::log_loss(given.truth, given.proba * 2, given.classes), std::invalid_argument);
  EXPECT_THROW(se::log_loss(se::LabelVector(given.truth.array() + 1), given.proba, given.classes),
               std::invalid_argument);
  EXPECT_THROW(se::log_loss(given.truth, given.proba, given.classes.reverse()), std::invalid_argument);
  EXPECT_THROW(se::expected_calibration_error(given.truth, given.proba, given.classes, 0),
               std::invalid_argument);
}

}  // namespace
