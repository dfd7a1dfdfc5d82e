// SPDX-License-Identifier: MIT
// Learns atoms of small pictures and writes them as one picture.
//   dictionary [--data file.csv] [--patch 0] [--atoms 100] [--alpha 0.1] [--passes 10] [--seed 0] [--threads
//   0]
// The data are rows of square pictures after a label (the bundled 8x8 digits; MNIST as CSV works as well).
// With --patch 8 the atoms are learnt from patches of 8x8 pixels instead of whole pictures. Prints the
// held-out objective of each round and the certificate of the codes; writes atoms.pgm.
#include "picture.hpp"
#include <sparse_experts/coding/dictionary_learning.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/io/csv.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>
#include <string>

namespace se = sparse_experts;
using se::Index;
using Rows = se::RowMatrix<float>;

namespace {

struct Settings {
  std::string data = SPARSE_EXPERTS_EXAMPLE_DATA "/digits.csv", out = "atoms.pgm";
  Index patch = 0, atoms = 100, passes = 10;
  double alpha = 0.1;
  std::uint64_t seed = 0;
  int threads = 0;
};

/// `count` random patches of the pictures.
Rows cut_patches(const Rows& pictures, Index side, Index patch, Index count, std::uint64_t seed) {
  se::Random random(seed);
  Rows patches(count, patch * patch);
  for (Index m = 0; m < count; ++m) {
    const Index i = random.below(pictures.rows()), top = random.below(side - patch + 1),
                left = random.below(side - patch + 1);
    for (Index r = 0; r < patch; ++r)
      patches.row(m).segment(r * patch, patch) = pictures.row(i).segment((top + r) * side + left, patch);
  }
  return patches;
}

/// Mean zero and unit norm; flat pictures become zero.
void centre_and_scale(Rows& x) {
  for (Index i = 0; i < x.rows(); ++i) {
    x.row(i).array() -= x.row(i).mean();
    const float norm = x.row(i).norm();
    if (norm > 1e-6f) x.row(i) /= norm;
  }
}

int run(const Settings& settings) {
  Rows X = se::read_csv<float>(settings.data, {.target_column = 0}).X;
  Index side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(X.cols()))));
  if (side * side != X.cols()) throw std::invalid_argument("the pictures are not square");
  if (settings.patch > 0) {
    if (settings.patch > side) throw std::invalid_argument("--patch is larger than the pictures");
    X = cut_patches(X, side, settings.patch, 50000, settings.seed);
    side = settings.patch;
  }
  centre_and_scale(X);
  std::printf("%ld samples of %ld x %ld pixels, %ld atoms\n", static_cast<long>(X.rows()),
              static_cast<long>(side), static_cast<long>(side), static_cast<long>(settings.atoms));

  se::DictionaryLearning<float> learning({.n_components = settings.atoms,
                                          .alpha = settings.alpha,
                                          .seed = settings.seed,
                                          .max_iter = settings.passes,
                                          .n_threads = settings.threads,
                                          .on_progress = [](const se::Progress& progress) {
                                            std::printf("round %3ld  held-out objective %.5f\n",
                                                        static_cast<long>(progress.iteration),
                                                        progress.objective);
                                            return true;
                                          }});
  const se::Convergence& result = learning.fit(X);
  std::printf("%s: the last round gained %.2g of the objective (tolerance %.2g)\n",
              se::to_string(result.status), result.value, result.tolerance);

  se::CodingReport report;
  learning.transform(X, &report);
  std::printf("codes: %.1f %% non-zero, objective %.5f, relative duality gap %.1e on average, at most %.1e\n",
              100 * report.density, report.mean_objective, report.mean_gap, report.max_gap);
  const auto columns = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(settings.atoms))));
  write_pgm(settings.out, learning.dictionary(), side, side, columns);
  std::printf("Wrote %s.\n", settings.out.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{"Atoms of small pictures"};
  app.add_option("--data", settings.data, "CSV file, label in the first column")
      ->check(CLI::ExistingFile)
      ->capture_default_str();
  app.add_option("--patch", settings.patch, "side of patches, 0 = whole pictures")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--atoms", settings.atoms, "atoms of the dictionary")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--alpha", settings.alpha, "weight of |s|_1")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--passes", settings.passes, "passes over the samples")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "seed")->capture_default_str();
  app.add_option("--threads", settings.threads, "threads, 0 = all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--out", settings.out, "picture of the atoms")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(settings);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dictionary: %s\n", error.what());
    return 1;
  }
}
