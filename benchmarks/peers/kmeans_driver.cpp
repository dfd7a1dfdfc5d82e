// SPDX-License-Identifier: MIT
// One timed K-means fit from given centres, for kmeans.py:
//   kmeans_driver <who> <float|double> <data> <n> <p> <centers> <K> <iterations> <threads> <out>
// who: automatic, lloyd, hamerly, elkan, yinyang (this library), faiss, dlib. Arrays are raw, row after row.
// Prints the seconds of the fit alone and the number of iterations; writes the centres as doubles.
#include <sparse_experts/clustering/kmeans.hpp>

#include <dlib/clustering.h>
#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <omp.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace se = sparse_experts;
using se::Index;

namespace {

template <class Scalar>
se::RowMatrix<Scalar> read_rows(const char* path, Index rows, Index cols) {
  se::RowMatrix<Scalar> x(rows, cols);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(x.data()),
            static_cast<std::streamsize>(x.size()) * static_cast<std::streamsize>(sizeof(Scalar)));
  if (!file) std::exit(2);
  return x;
}

template <class F>
double seconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class Scalar>
void run(const std::string& who, char** arg) {
  const Index n = std::stol(arg[3]), p = std::stol(arg[4]), k = std::stol(arg[6]),
              iterations = std::stol(arg[7]);
  const int threads = std::stoi(arg[8]);
  const auto x = read_rows<Scalar>(arg[2], n, p);
  se::RowMatrix<Scalar> centers = read_rows<Scalar>(arg[5], k, p);
  double time = 0;
  Index n_iter = iterations;
  if (who == "faiss") {
    if constexpr (std::is_same_v<Scalar, float>) {
      omp_set_num_threads(threads);
      faiss::ClusteringParameters parameters;
      parameters.niter = static_cast<int>(iterations);
      parameters.min_points_per_centroid = 1;
      parameters.max_points_per_centroid = std::numeric_limits<int>::max();
      faiss::Clustering clustering(static_cast<int>(p), static_cast<int>(k), parameters);
      clustering.centroids.assign(centers.data(), centers.data() + centers.size());
      faiss::IndexFlatL2 index(p);
      time = seconds([&] { clustering.train(n, x.data(), index); });
      std::copy(clustering.centroids.begin(), clustering.centroids.end(), centers.data());
    } else {
      std::exit(3);
    }
  } else if (who == "dlib") {
    using Sample = dlib::matrix<Scalar, 0, 1>;
    std::vector<Sample> samples(static_cast<std::size_t>(n)), means(static_cast<std::size_t>(k));
    const auto copy = [p](const Scalar* from, Sample& to) {
      to.set_size(p);
      for (Index j = 0; j < p; ++j) to(j) = from[j];
    };
    for (Index i = 0; i < n; ++i) copy(x.data() + i * p, samples[static_cast<std::size_t>(i)]);
    for (Index i = 0; i < k; ++i) copy(centers.data() + i * p, means[static_cast<std::size_t>(i)]);
    time = seconds(
        [&] { dlib::find_clusters_using_kmeans(samples, means, static_cast<unsigned long>(iterations)); });
    for (Index i = 0; i < k; ++i)
      for (Index j = 0; j < p; ++j) centers(i, j) = means[static_cast<std::size_t>(i)](j);
  } else {
    const std::vector<std::string> names{"automatic", "lloyd", "hamerly", "elkan", "yinyang"};
    se::KMeansOptions options{.n_clusters = k, .max_iter = iterations, .tol = 0};
    for (std::size_t a = 0; a < names.size(); ++a)
      if (names[a] == who) options.algorithm = static_cast<se::KMeansAlgorithm>(a);
    options.n_threads = threads;
    se::KMeans<Scalar> km(options);
    time = seconds([&] { km.fit(x, centers); });
    centers = km.centers();
    n_iter = km.n_iter();
  }
  const se::RowMatrix<double> out = centers.template cast<double>();
  std::ofstream(arg[9], std::ios::binary)
      .write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(out.size()) * 8);
  std::printf("%.6f %ld\n", time, static_cast<long>(n_iter));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 11) return 1;
  if (std::string(argv[2]) == "float")
    run<float>(argv[1], argv + 1);
  else
    run<double>(argv[1], argv + 1);
}
