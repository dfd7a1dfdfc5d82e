// SPDX-License-Identifier: MIT
#include <sparse_experts/clustering/dbscan.hpp>
#include <sparse_experts/io/csv.hpp>
#include <sparse_experts/model_selection/clustering_metrics.hpp>

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

namespace se = sparse_experts;
using se::Index;

namespace {

/// Numbers of a gzip-compressed text file in columns of blanks.
se::RowMatrix<double> read_gz(const std::string& path) {
  const auto close = [](std::FILE* pipe) { pclose(pipe); };
  const std::unique_ptr<std::FILE, decltype(close)> pipe(popen(("zcat '" + path + "'").c_str(), "r"), close);
  std::stringstream text;
  char buffer[4096];
  for (std::size_t n = 1; n > 0;) {
    n = std::fread(buffer, 1, sizeof buffer, pipe.get());
    text.write(buffer, static_cast<std::streamsize>(n));
  }
  return se::read_csv<double>(text, {.delimiter = ' '}, path).X;
}

TEST(DBSCAN, FindsTheShapesOfChameleon) {
  const char* data = std::getenv("SPARSE_EXPERTS_DATA");
  if (data == nullptr) GTEST_SKIP() << "SPARSE_EXPERTS_DATA is not set";
  const std::string base = std::string(data) + "/chameleon_t4_8k/chameleon_t4_8k";
  const se::RowMatrix<double> x = read_gz(base + ".data.gz");
  const se::LabelVector truth = read_gz(base + ".labels0.gz").col(0).cast<int>();
  ASSERT_EQ(x.rows(), 8000);
  se::DBSCAN<double> db({.eps = 8.5, .min_samples = 15});
  db.fit(x);
  EXPECT_EQ(db.n_clusters(), 6);
  EXPECT_GE(se::adjusted_rand_index(truth, db.labels()), 0.96);  // scikit-learn 1.2.1: 0.9675
  se::DBSCAN<double> blocked({.eps = 8.5, .min_samples = 15, .algorithm = se::DBSCANAlgorithm::blocked});
  EXPECT_EQ(blocked.fit(x).labels(), db.labels());
}

}  // namespace
