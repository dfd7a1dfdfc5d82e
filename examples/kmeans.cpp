// SPDX-License-Identifier: MIT
// K-means of images: clusters the samples and draws the centres.
//   kmeans [--data file] [--clusters 10] [--starts 4] [--seed 0] [--threads 0] [--out centers.pgm]
// The file holds numbers separated by commas, the label first, or MNIST images (IDX, *-images-idx3-ubyte).
#include "picture.hpp"
#include <sparse_experts/clustering/kmeans.hpp>
#include <sparse_experts/io/csv.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace se = sparse_experts;
using se::Index;
using Images = se::RowMatrix<float>;

namespace {

bool is_idx(const std::string& path) {
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), 4);
  return magic == std::array<char, 4>{0, 0, 8, 3};
}

/// Images of unsigned bytes: four big-endian words (magic, count, height, width), then the pixels.
Images read_idx(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const auto word = [&file] {
    Index value = 0;
    for (int byte = 0; byte < 4; ++byte) value = value * 256 + file.get();
    return value;
  };
  word();
  const Index count = word(), height = word(), width = word();
  se::RowMatrix<unsigned char> bytes(count, height * width);
  file.read(reinterpret_cast<char*>(bytes.data()), bytes.size());
  if (!file) throw std::runtime_error(path + " is shorter than it says");
  return bytes.cast<float>();
}

}  // namespace

int main(int argc, char** argv) try {
  std::string data = SPARSE_EXPERTS_EXAMPLE_DATA "/digits.csv", out = "centers.pgm";
  se::KMeansOptions options{.n_clusters = 10, .n_init = 4};
  CLI::App app("K-means of images");
  app.add_option("--data", data, "samples: CSV with the label first, or MNIST images (IDX)")
      ->check(CLI::ExistingFile);
  app.add_option("--clusters", options.n_clusters, "number of clusters");
  app.add_option("--starts", options.n_init, "number of seedings; the best result is kept");
  app.add_option("--seed", options.seed, "seed of the random numbers");
  app.add_option("--threads", options.n_threads, "number of threads, 0 = all");
  app.add_option("--out", out, "picture of the centres (PGM)");
  CLI11_PARSE(app, argc, argv);

  const Images X = is_idx(data) ? read_idx(data) : se::read_csv<float>(data, {.target_column = 0}).X;
  se::KMeans<float> km(options);
  const se::Convergence& c = km.fit(X);
  std::printf("%ld samples, %ld features: %s after %ld iterations, inertia %.6g\n",
              static_cast<long>(X.rows()), static_cast<long>(X.cols()), se::to_string(c.status),
              static_cast<long>(c.n_iter), km.inertia());
  std::printf("squared shift of the centres %.2g (tolerance %.2g), %.0f %% of the distances skipped\n",
              c.value, c.tolerance, 100 * km.counters().skipped_share());

  std::vector<long> sizes(static_cast<std::size_t>(options.n_clusters));
  for (const Index label : km.labels()) ++sizes[static_cast<std::size_t>(label)];
  for (std::size_t k = 0; k < sizes.size(); ++k) std::printf("cluster %3zu: %ld samples\n", k, sizes[k]);

  const auto side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(X.cols()))));
  if (side * side != X.cols()) {
    std::printf("samples are no square images: no picture\n");
    return 0;
  }
  write_pgm(out, km.centers(), side, side, std::min<Index>(10, options.n_clusters));
  std::printf("centres drawn in %s\n", out.c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
