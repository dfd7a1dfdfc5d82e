// SPDX-License-Identifier: MIT
// How good is the whole model? For each set: search on the training part alone, then one look at the test
// part.
//   SPARSE_EXPERTS_DATA=<folder> accuracy --set usps --set letter      (sets: see data_sets.hpp)
//   --fixed     skip the search and fit the documented fixed options of the set
//   --small     the small model of docs/benchmarks.md (MNIST)   --large  the large one
//   --sparsify BYTES   then shrinks the model and prints the curve
//   --held-out  a stratified fifth of the training part stands for the test part: for comparisons of options
//   --components N --epochs N --axes N --rate X --dropout X --input-dropout X --C X
//   --clusters K --calibrated 0   change fixed options
//   --splits N  stratified splits of digits      --seeds N  seeds of the other sets (mean and spread)
#include "data_sets.hpp"
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/model/sparsify.hpp>
#include <sparse_experts/model_selection/prediction_metrics.hpp>
#include <sparse_experts/model_selection/sparse_expert_cv.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
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
  Index n_splits = 5, n_seeds = 1, max_bytes = 0;
  std::uint64_t seed = 0;
  bool fixed = false, small = false, large = false, held_out = false;
  int threads = 0;
  std::vector<std::pair<std::string, double>> changes;  // of fixed options
};

// Options for --fixed, found by searches on the training parts.
Model::Options fixed_options(const std::string& set, bool small, bool large) {
  Model::Options options;
  auto& code = options.representation;
  options.clustering.n_clusters = 0;
  if (set == "mnist") {
    options.scaling = se::Scaling::center_unit_norm;
    code.n_components = small ? 88 : (large ? 2000 : 1000);
    code.refine.dropout = small ? 0 : 0.5;
    code.refine.input_dropout = small ? 0 : 0.2;
    code.refine.epochs = small ? 25 : (large ? 60 : 12);
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

void change(Model::Options& options, const std::string& name, double value) {
  auto& code = options.representation;
  const auto count = static_cast<Index>(value);
  if (name == "--components") code.n_components = count;
  if (name == "--epochs") code.refine.epochs = count;
  if (name == "--axes") code.refine.n_axes = count;
  if (name == "--rate") code.refine.rate = value;
  if (name == "--dropout") code.refine.dropout = value;
  if (name == "--input-dropout") code.refine.input_dropout = value;
  if (name == "--C") options.expert.C = value;
  if (name == "--clusters") options.clustering.n_clusters = count;
  if (name == "--calibrated" && value == 0) options.output.kind = se::Calibration::none;
}
bool is_change(const std::string& name) {
  for (const char* known : {"--components", "--epochs", "--axes", "--rate", "--dropout", "--input-dropout",
                            "--C", "--clusters", "--calibrated"})
    if (name == known) return true;
  return false;
}

struct Row {
  double accuracy = 0, linear = 0, alone = 0, seconds = 0, calibration_error = 0, predict_seconds = 0,
         p50 = 0, p99 = 0, zero_weights = 0, active = 0;
  Index bytes = 0;
};

// One linear L1-SVM, with the scaling and C that did best among the linear models of the search.
template <class X>
double linear_accuracy(const X& x, const se::LabelVector& y, const X& z, const se::LabelVector& truth,
                       const std::vector<se::SearchResult>& tried) {
  se::Candidate best;
  best.scaling = se::detail::is_sparse<X> ? se::Scaling::unit_norm : se::Scaling::standardize;
  double accuracy = -1;
  for (const se::SearchResult& one : tried)
    if (one.round == 1 && one.candidate.representation.kind == se::EncoderKind::identity &&
        one.candidate.experts.n_clusters == 0 && one.accuracy > accuracy) {
      best = one.candidate;
      accuracy = one.accuracy;
    }
  se::Scaler<float> scaler(best.scaling);
  scaler.fit(x);
  se::L1SVM<float> linear({.C = best.C, .tol = 1e-2});
  linear.fit(scaler.transform(x), y);
  return linear.score(scaler.transform(z), truth);
}

template <class X>
Row run(const std::string& set, const X& x, const se::LabelVector& y, const X& z,
        const se::LabelVector& truth, const Settings& settings) {
  Row row;
  double start = now();
  Model model;
  std::vector<se::SearchResult> tried;
  if (settings.fixed || settings.small || settings.large) {
    Model::Options options = fixed_options(set, settings.small, settings.large);
    for (const auto& [name, value] : settings.changes) change(options, name, value);
    options.seed = settings.seed;
    options.n_threads = settings.threads;
    model = Model(options);
    model.fit(x, y);
  } else {
    se::SparseExpertCVOptions options{.n_folds = 3, .seed = settings.seed, .n_threads = settings.threads};
    options.on_progress = [](const se::Progress& progress) {
      std::fprintf(stderr, "candidate %ld: %.4f\n", static_cast<long>(progress.iteration),
                   progress.objective);
      return true;
    };
    se::SparseExpertCV<float> search(options);
    search.fit(x, y);
    tried = search.results();
    for (const se::SearchResult& one : tried)
      std::printf("  round %ld %-75s %.4f +- %.4f  %.1f s\n", static_cast<long>(one.round),
                  one.candidate.name().c_str(), one.accuracy, one.deviation, one.seconds);
    std::printf("  chose %s\n", search.best_result().candidate.name().c_str());
    model = search.best_model();
  }
  row.seconds = now() - start;
  std::printf("  %s\n", model.report().brief().c_str());
  std::fflush(stdout);
  if (settings.max_bytes > 0) {
    const se::SizeCurve curve = se::sparsify(model, x, y, z, truth, {.max_bytes = settings.max_bytes});
    for (const se::SizePoint& point : curve.points)
      std::printf(
          "  %8ld bytes  %4ld components  %6ld weights  C %-8.3g  training %.4f  test %.4f  gap %.1e\n",
          static_cast<long>(point.bytes), static_cast<long>(point.n_components),
          static_cast<long>(point.n_weights), point.C, point.train_score, point.held_out_score,
          point.experts.value);
  }
  start = now();
  const se::LabelVector guess = model.predict(z);
  row.predict_seconds = now() - start;
  row.accuracy = row.alone = se::accuracy(truth, guess);
  std::printf("  test accuracy %.4f\n", row.accuracy);
  std::fflush(stdout);
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
  std::printf("  one prediction: p50 %.1f us, p99 %.1f us; all in %.3f s\n", row.p50, row.p99,
              row.predict_seconds);
  std::fflush(stdout);
  if (model.report().n_experts > 0) {
    Model::Options options = model.options();
    options.clustering.n_clusters = 0;
    options.output.kind = se::Calibration::none;
    Model alone(options);
    alone.fit(x, y);
    row.alone = alone.score(z, truth);
  }
  row.linear = linear_accuracy(x, y, z, truth, tried);
  const se::LabelVector classes =
      Eigen::Map<const se::LabelVector>(model.classes().data(), static_cast<Index>(model.classes().size()));
  row.calibration_error = se::expected_calibration_error(truth, model.predict_proba(z), classes);
  row.zero_weights = model.report().zero_weights;
  row.active = model.report().mean_active;
  row.bytes = model.bytes();
  return row;
}

Row run_set(const std::string& set, std::uint64_t split, const Settings& settings) {
  data_sets::Set data = data_sets::load(set, split, settings.digits);
  if (settings.held_out) data_sets::hold_out(data);
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
    else if (argument == "--large")
      settings.large = true;
    else if (argument == "--small")
      settings.small = true;
    else if (argument == "--held-out")
      settings.held_out = true;
    else if (i + 1 < argc && is_change(argument))
      settings.changes.emplace_back(argument, std::atof(argv[++i]));
    else if (i + 1 < argc && argument == "--set")
      settings.sets.emplace_back(argv[++i]);
    else if (i + 1 < argc && argument == "--digits")
      settings.digits = argv[++i];
    else if (i + 1 < argc && argument == "--threads")
      settings.threads = std::atoi(argv[++i]);
    else if (i + 1 < argc && argument == "--splits")
      settings.n_splits = std::atol(argv[++i]);
    else if (i + 1 < argc && argument == "--seeds")
      settings.n_seeds = std::atol(argv[++i]);
    else if (i + 1 < argc && argument == "--sparsify")
      settings.max_bytes = std::atol(argv[++i]);
    else if (i + 1 < argc && argument == "--seed")
      settings.seed = static_cast<std::uint64_t>(std::atol(argv[++i]));
    else {
      std::fprintf(
          stderr,
          "usage: accuracy --set NAME [--set NAME ...] [--fixed] [--small] [--large] [--splits N] [--seed N] "
          "[--seeds N]\n"
          "                [--sparsify BYTES] [--threads N] [--digits FILE] [--held-out] [--components N] "
          "[--epochs N]\n"
          "                [--axes N] [--rate X] [--dropout X] [--input-dropout X] [--C X] [--clusters K] "
          "[--calibrated 0]\n");
      return 2;
    }
  }
  try {
    for (const std::string& set : settings.sets) {
      const Index n = set == "digits" ? settings.n_splits : settings.n_seeds;
      std::vector<Row> rows;
      for (Index i = 0; i < n; ++i) {
        Settings one = settings;
        one.seed += static_cast<std::uint64_t>(set == "digits" ? 0 : i);
        rows.push_back(run_set(set, static_cast<std::uint64_t>(i), one));
      }
      const auto mean = [&](double Row::*value) {
        double sum = 0;
        for (const Row& row : rows) sum += row.*value;
        return sum / static_cast<double>(n);
      };
      double spread = 0;
      for (const Row& row : rows) spread += std::pow(row.accuracy - mean(&Row::accuracy), 2);
      spread = std::sqrt(spread / static_cast<double>(std::max<Index>(1, n - 1)));
      std::printf(
          "%-10s accuracy %.2f +- %.2f (%ld)  K = 0 %.2f  linear %.2f  train %.1f s  %ld bytes  zeros %.1f "
          "%%  "
          "active %.1f  p50 %.1f us  p99 %.1f us  calibration error %.2f %%  predict %.3f s\n",
          set.c_str(), 100 * mean(&Row::accuracy), 100 * spread, static_cast<long>(n),
          100 * mean(&Row::alone), 100 * mean(&Row::linear), mean(&Row::seconds),
          static_cast<long>(rows.back().bytes), 100 * mean(&Row::zero_weights), mean(&Row::active),
          mean(&Row::p50), mean(&Row::p99), 100 * mean(&Row::calibration_error), mean(&Row::predict_seconds));
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
