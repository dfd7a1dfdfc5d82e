// SPDX-License-Identifier: MIT
// dbscan_driver <float|double> <n> <p> <eps> <min_samples> <n_threads> <X.raw> <labels.raw> <core.raw>
// Fits DBSCAN to row-major raw data; prints "seconds peak_memory_mb"; writes labels and core indices as
// int64.
#include <sparse_experts/clustering/dbscan.hpp>

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace se = sparse_experts;

template <class Scalar>
int run(char** arguments) {
  const long n = std::atol(arguments[2]), p = std::atol(arguments[3]);
  se::RowMatrix<Scalar> x(n, p);
  std::ifstream in(arguments[7], std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(x.data()), x.size() * static_cast<long>(sizeof(Scalar)))) return 1;
  se::DBSCAN<Scalar> db({.eps = std::atof(arguments[4]),
                         .min_samples = std::atol(arguments[5]),
                         .n_threads = std::atoi(arguments[6])});
  const auto start = std::chrono::steady_clock::now();
  db.fit(x);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%.6f %.1f\n", seconds, static_cast<double>(usage.ru_maxrss) / 1024);
  const auto write = [](const char* path, const se::IndexVector& values) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()),
               values.size() * static_cast<long>(sizeof(se::Index)));
  };
  write(arguments[8], db.labels());
  write(arguments[9], db.core_sample_indices());
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 10) return 2;
  return std::strcmp(argv[1], "float") == 0 ? run<float>(argv) : run<double>(argv);
}
