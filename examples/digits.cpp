// SPDX-License-Identifier: MIT
// Handwritten digits: a linear L1-SVM beside a SparseExpertModel, on stratified 60/40 splits.
//   digits [--data file.csv] [--splits 5] [--experts 10] [--atoms 512] [--top-k 2] [--seed 0] [--threads 0]
// Prints a table and the certificate of every stage; writes dictionary.pgm and confusion.csv of the last
// split.
#include "picture.hpp"
#include <sparse_experts/io/csv.hpp>
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>
#include <sparse_experts/model_selection/metrics.hpp>
#include <sparse_experts/model_selection/split.hpp>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace se = sparse_experts;
using se::Index;
using Samples = se::RowMatrix<float>;

namespace {

struct Settings {
  std::string data = SPARSE_EXPERTS_EXAMPLE_DATA "/digits.csv";
  Index splits = 1, experts = 10, atoms = 512, top_k = 2;
  std::uint64_t seed = 0;
  int threads = 0;
};

/// What one row of the table shows, a value a split.
struct Results {
  std::vector<double> train_seconds, accuracy, zero_weights, microseconds;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += (value - mean(values)) * (value - mean(values));
  return values.size() > 1 ? std::sqrt(sum / static_cast<double>(values.size() - 1)) : 0;
}

/// One line that is written over while a stage runs; nothing where the output is not a terminal.
bool show_progress(const se::Progress& progress) {
  if (isatty(fileno(stderr)))
    std::fprintf(stderr, "\r%-24s iteration %4ld   %.3g \x1b[K", progress.stage,
                 static_cast<long>(progress.iteration), progress.value);
  return true;
}

void clear_progress() {
  if (isatty(fileno(stderr))) std::fprintf(stderr, "\r\x1b[K");
}

/// Mean microseconds of one prediction at a time.
template <class Predict>
double time_single(const Samples& X, Predict&& predict) {
  const auto start = std::chrono::steady_clock::now();
  for (Index i = 0; i < X.rows(); ++i) predict(X.row(i).transpose());
  return 1e6 * seconds_since(start) / static_cast<double>(X.rows());
}

void print_row(const char* name, const Results& results) {
  std::printf("%-24s %9.3f %9.2f ± %4.2f %12.1f %14.2f\n", name, mean(results.train_seconds),
              100 * mean(results.accuracy), 100 * deviation(results.accuracy),
              100 * mean(results.zero_weights), mean(results.microseconds));
}

void write_confusion(const se::LabelVector& truth, const se::LabelVector& predicted) {
  const se::ConfusionMatrix confusion = se::confusion_matrix(truth, predicted);
  std::ofstream file("confusion.csv");
  for (int label : confusion.classes) file << ',' << label;
  for (Index i = 0; i < confusion.classes.size(); ++i) {
    file << '\n' << confusion.classes[i];
    for (Index count : confusion.counts.row(i)) file << ',' << count;
  }
  file << '\n';
}

Settings parse(int argc, char** argv, int& exit_code) {
  Settings settings;
  CLI::App app{"Handwritten digits by a model of sparse linear experts"};
  app.add_option("--data", settings.data, "CSV file, label in the first column")
      ->check(CLI::ExistingFile)
      ->capture_default_str();
  app.add_option("--splits", settings.splits, "stratified 60/40 splits")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--experts", settings.experts, "experts K beside the shared one, 0 = none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--atoms", settings.atoms, "atoms of the dictionary")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--top-k", settings.top_k, "experts a sample reaches")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "seed of splits and model")->capture_default_str();
  app.add_option("--threads", settings.threads, "threads, 0 = all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  try {
    app.parse(argc, argv);
    exit_code = -1;
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error);
  }
  return settings;
}

int run(const Settings& settings) {
  const auto data = se::read_csv<float>(settings.data, {.target_column = 0});
  const se::LabelVector labels = data.labels();
  std::printf("%ld samples, %ld features, %ld split%s 60/40\n\n", static_cast<long>(data.X.rows()),
              static_cast<long>(data.X.cols()), static_cast<long>(settings.splits),
              settings.splits > 1 ? "s" : "");

  Results linear, experts;
  for (Index split = 0; split < settings.splits; ++split) {
    const se::Split parts = se::train_test_split(
        labels, {.test_size = 0.4, .seed = settings.seed + static_cast<std::uint64_t>(split)});
    const Samples X = se::take_rows(data.X, parts.train), X_test = se::take_rows(data.X, parts.test);
    const se::LabelVector y = se::take_rows(labels, parts.train), y_test = se::take_rows(labels, parts.test);

    se::L1SVM<float> svm({.C = 0.1, .tol = 1e-3, .n_threads = settings.threads});
    const Samples X_unit = X / X.maxCoeff(), X_test_unit = X_test / X.maxCoeff();
    auto start = std::chrono::steady_clock::now();
    const se::Convergence& linear_certificate = svm.fit(X_unit, y);
    linear.train_seconds.push_back(seconds_since(start));
    linear.accuracy.push_back(svm.score(X_test_unit, y_test));
    linear.zero_weights.push_back((svm.coef().array() == 0).cast<double>().mean());
    se::Vector<float> linear_scores(svm.coef().cols());
    linear.microseconds.push_back(time_single(X_test_unit, [&](const auto& x) {
      linear_scores.noalias() = svm.coef().transpose() * x;
      linear_scores += svm.intercept();
    }));

    se::SparseExpertModel<float> model({.scaling = se::Scaling::center_unit_norm,
                                        .representation = {.n_components = settings.atoms},
                                        .clustering = {.n_clusters = settings.experts},
                                        .gate = {.top_k = settings.top_k},
                                        .expert = {.C = 1},
                                        .seed = settings.seed,
                                        .n_threads = settings.threads,
                                        .on_progress = show_progress});
    start = std::chrono::steady_clock::now();
    const se::Report report = model.fit(X, y);
    experts.train_seconds.push_back(seconds_since(start));
    clear_progress();
    const se::LabelVector predicted = model.predict(X_test);
    experts.accuracy.push_back(se::accuracy(y_test, predicted));
    experts.zero_weights.push_back(report.zero_weights);
    auto workspace = model.workspace();
    se::Vector<float> scores(model.n_outputs());
    experts.microseconds.push_back(
        time_single(X_test, [&](const auto& x) { model.predict_into(x, scores, workspace); }));

    std::printf("split %ld: linear %.2f %%, experts %.2f %%\n", static_cast<long>(split + 1),
                100 * linear.accuracy.back(), 100 * experts.accuracy.back());
    if (split + 1 < settings.splits) continue;

    std::printf("\n%-24s %9s %16s %12s %14s\n", "model", "train s", "test accuracy %", "zero wts %",
                "us / predict");
    print_row("linear L1-SVM", linear);
    print_row("SparseExpertModel", experts);
    std::printf("\nCertificates of the last split (value <= tolerance means proven)\n");
    const auto print_certificate = [](const char* name, const se::Convergence& c) {
      std::printf("  %-24s %-10s value %-10.3g tolerance %-10.3g %4ld iterations\n", name,
                  se::to_string(c.status), c.value, c.tolerance, static_cast<long>(c.n_iter));
    };
    print_certificate("linear L1-SVM", linear_certificate);
    for (const se::StageReport& stage : report.stages)
      print_certificate(stage.name.c_str(), stage.convergence);
    std::printf("\n%s\n", report.brief().c_str());
    const auto side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(data.X.cols()))));
    if (side * side == data.X.cols())
      write_pgm("dictionary.pgm", model.representation().dictionary(), side, side, 32);
    write_confusion(y_test, predicted);
    std::printf("Wrote dictionary.pgm and confusion.csv.\n");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int exit_code = 0;
  const Settings settings = parse(argc, argv, exit_code);
  if (exit_code >= 0) return exit_code;
  try {
    return run(settings);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits: %s\n", error.what());
    return 1;
  }
}
