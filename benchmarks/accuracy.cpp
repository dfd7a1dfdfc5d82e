// SPDX-License-Identifier: MIT
// How good is the whole model? For each set: search on the training part alone, then one look at the test
// part.
//   SPARSE_EXPERTS_DATA=<folder> accuracy --set usps --set letter      (sets: see data_sets.hpp)
//   --fixed     skip the search and fit the documented fixed options of the set
//   --small     the small model of docs/benchmarks.md (MNIST)
#include "data_sets.hpp"
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/model_selection/prediction_metrics.hpp>
#include <sparse_experts/model_selection/sparse_expert_cv.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

namespace se = sparse_experts;
using se::Index;
using Model = se::SparseExpertModel<float>;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Settings {
  std::vector<std::string> sets;
  std::string digits = "examples/data/digits.csv";
  Index n_splits = 5;
  std::uint64_t seed = 0;
  bool fixed = false, small = false;
};

// Options for --fixed, found by searches on the training parts.
Model::Options fixed_options(const std::string& set, bool small) {
  Model::Options options;
  auto& code = options.representation;
  options.clustering.n_clusters = 0;
  if (set == "mnist") {
    options.scaling = se::Scaling::center_unit_norm;
    code.n_components = small ? 88 : 1000;
    code.refine.dropout = small ? 0 : 0.5;
    code.refine.input_dropout = small ? 0 : 0.2;
    code.refine.epochs = small ? 25 : 12;
    if (small) code.refine.rate = 1e-2;
    options.expert.tol = 1e-2;
  } else if (set == "letter" || set == "svmguide1") {
    options.scaling = se::Scaling::standardize;
    code.n_components = set == "letter" ? 1500 : 200;
    code.refine.dropout = set == "letter" ? 0.2 : 0.1;
    code.refine.input_dropout = 0;
  } else if (set == "a9a" || set == "debian") {
    options.scaling = set == "a9a" ? se::Scaling::none : se::Scaling::unit_norm;
    code.kind = se::EncoderKind::identity;
    options.expert.C = set == "a9a" ? 0.1 : 1;
  } else {
    options.scaling = se::Scaling::center_unit_norm;
    if (set == "usps") {
      code.n_components = 500;
      code.refine.rate = 1e-2;
      code.refine.dropout = 0.3;
      code.refine.input_dropout = 0.2;
      code.refine.epochs = 60;
    }
  }
  return options;
}

struct Row {
  double accuracy = 0, linear = 0, seconds = 0, calibration_error = 0, predict_seconds = 0, p50 = 0, p99 = 0;
  double zero_weights = 0, active = 0;
  Index bytes = 0;
};

// Expected calibration error over 15 bins of confidence.
double calibration_error(const Model& model, const se::Matrix<double>& proba, const se::LabelVector& truth) {
  std::vector<double> gap(15, 0.0);
  for (Index i = 0; i < proba.rows(); ++i) {
    Index best = 0;
    const double confidence = proba.row(i).maxCoeff(&best);
    const auto bin = static_cast<std::size_t>(std::min(14.0, confidence * 15));
    gap[bin] += confidence - (model.classes()[static_cast<std::size_t>(best)] == truth[i] ? 1 : 0);
  }
  double sum = 0;
  for (const double g : gap) sum += std::abs(g);
  return sum / static_cast<double>(proba.rows());
}

template <class X>
Row run(const std::string& set, const X& x, const se::LabelVector& y, const X& z,
        const se::LabelVector& truth, const Settings& settings) {
  Row row;
  {
    se::Scaler<float> scaler(se::detail::is_sparse<X> ? se::Scaling::none : se::Scaling::unit_norm);
    scaler.fit(x);
    const auto scaled = scaler.transform(x);
    se::L1SVM<float> linear({.C = 1, .tol = 1e-2});
    linear.fit(scaled, y);
    row.linear = linear.score(scaler.transform(z), truth);
  }
  double start = now();
  Model model;
  if (settings.fixed || settings.small) {
    Model::Options options = fixed_options(set, settings.small);
    options.seed = settings.seed;
    model = Model(options);
    model.fit(x, y);
  } else {
    se::SparseExpertCV<float> search({.n_folds = 3, .seed = settings.seed});
    search.fit(x, y);
    for (const se::SearchResult& one : search.results())
      std::printf("  tried %-70s %.4f +- %.4f  %.1f s\n", one.candidate.name().c_str(), one.accuracy,
                  one.deviation, one.seconds);
    std::printf("  chose %s\n", search.best_result().candidate.name().c_str());
    model = search.best_model();
  }
  row.seconds = now() - start;
  std::printf("  %s\n", model.report().brief().c_str());
  start = now();
  const se::LabelVector guess = model.predict(z);
  row.predict_seconds = now() - start;
  row.accuracy = se::accuracy(truth, guess);
  row.calibration_error = calibration_error(model, model.predict_proba(z), truth);
  row.zero_weights = model.report().zero_weights;
  row.active = model.report().mean_active;
  row.bytes = model.bytes();
  auto ws = model.workspace();
  se::Vector<float> scores(model.n_outputs());
  std::vector<double> times;
  for (Index i = 0; i < std::min<Index>(z.rows(), 2000); ++i) {
    const se::Vector<float> sample = se::Vector<float>(se::RowVector<float>(z.row(i)).transpose());
    const double t = now();
    model.predict_into(sample, scores, ws);
    times.push_back(1e6 * (now() - t));
  }
  std::sort(times.begin(), times.end());
  row.p50 = times[times.size() / 2];
  row.p99 = times[times.size() * 99 / 100];
  return row;
}

Row run_set(const std::string& set, std::uint64_t split, const Settings& settings) {
  const data_sets::Set data = data_sets::load(set, split, settings.digits);
  if (data.sparse) return run(set, data.Xs, data.y, data.Xs_test, data.y_test, settings);
  return run(set, data.X, data.y, data.X_test, data.y_test, settings);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--fixed")
      settings.fixed = true;
    else if (argument == "--small")
      settings.small = true;
    else if (i + 1 < argc && argument == "--set")
      settings.sets.emplace_back(argv[++i]);
    else if (i + 1 < argc && argument == "--digits")
      settings.digits = argv[++i];
    else if (i + 1 < argc && argument == "--splits")
      settings.n_splits = std::atol(argv[++i]);
    else if (i + 1 < argc && argument == "--seed")
      settings.seed = static_cast<std::uint64_t>(std::atol(argv[++i]));
    else {
      std::fprintf(
          stderr,
          "usage: accuracy --set NAME [--set NAME ...] [--fixed] [--small] [--splits N] [--seed N]\n");
      return 2;
    }
  }
  try {
    for (const std::string& set : settings.sets) {
      const Index n_splits = set == "digits" ? settings.n_splits : 1;
      Row mean;
      for (Index split = 0; split < n_splits; ++split) {
        const Row row = run_set(set, static_cast<std::uint64_t>(split), settings);
        const double share = 1.0 / static_cast<double>(n_splits);
        mean.accuracy += share * row.accuracy;
        mean.linear += share * row.linear;
        mean.seconds += share * row.seconds;
        mean.calibration_error += share * row.calibration_error;
        const double accuracy = mean.accuracy, linear = mean.linear, seconds = mean.seconds,
                     calibration = mean.calibration_error;
        mean = row;
        mean.accuracy = accuracy;
        mean.linear = linear;
        mean.seconds = seconds;
        mean.calibration_error = calibration;
      }
      std::printf(
          "%-10s accuracy %.2f  linear %.2f  train %.1f s  %ld bytes  zeros %.1f %%  active %.1f  p50 %.1f "
          "us  "
          "p99 %.1f us  calibration error %.2f %%  predict %.3f s\n",
          set.c_str(), 100 * mean.accuracy, 100 * mean.linear, mean.seconds, static_cast<long>(mean.bytes),
          100 * mean.zero_weights, mean.active, mean.p50, mean.p99, 100 * mean.calibration_error,
          mean.predict_seconds);
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
