// SPDX-License-Identifier: MIT
//
// Fits the arrays that lasso.py leaves in a directory and writes the coefficients back.
//   lasso_driver <directory> <tol> <solver> <threads> <runs>
// Files: shape (n p stored, text; stored = 0: dense), x | values, rows, starts; y; alphas. Prints one line
// per run: seconds, worst certified gap, passes over X, peak memory in MB.
#include "../process.hpp"
#include <sparse_experts/linear/path.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace se = sparse_experts;
using se::Index;

/// The matrix on large pages where the system has them on request, as numpy keeps the peers' arrays.
class Array {
 public:
  explicit Array(const std::string& file) {
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    const auto size = static_cast<std::size_t>(in.tellg());
    constexpr std::size_t page = std::size_t{1} << 21;
    memory_.reset(static_cast<double*>(std::aligned_alloc(page, (size / page + 1) * page)));
#if defined(__linux__)
    madvise(memory_.get(), size, MADV_HUGEPAGE);
#endif
    in.seekg(0);
    in.read(reinterpret_cast<char*>(memory_.get()), static_cast<std::streamsize>(size));
  }
  const double* data() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(double* memory) const { std::free(memory); }
  };
  std::unique_ptr<double, Free> memory_;
};

template <class X>
void run(const X& x, const se::Vector<double>& y, const se::PathOptions& options,
         const std::string& directory, int runs) {
  se::RegressionPath<double> path;
  for (int k = 0; k < runs; ++k) {
    const auto start = std::chrono::steady_clock::now();
    path = se::lasso_path(x, y, options);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    double worst = 0;
    for (const se::Convergence& c : path.convergence) worst = std::max(worst, c.value);
    std::printf("%.6f %.3e %ld %.1f\n", seconds, worst, static_cast<long>(path.n_passes), peak_memory());
  }
  const se::Matrix<double> coefs(path.coefs);
  std::ofstream out(directory + "/coefs", std::ios::binary);
  out.write(reinterpret_cast<const char*>(coefs.data()),
            static_cast<std::streamsize>(coefs.size()) * static_cast<std::streamsize>(sizeof(double)));
}

int main(int argc, char** argv) {
  if (argc != 6) return 1;
  const std::string directory = argv[1], solver = argv[3];
  long n = 0, p = 0, stored = 0;
  std::ifstream(directory + "/shape") >> n >> p >> stored;
  const std::vector<double> targets = read<double>(directory + "/y");
  const se::Vector<double> y = se::Vector<double>::Map(targets.data(), n);
  se::PathOptions options;
  options.tol = std::atof(argv[2]);
  options.fit_intercept = false;
  options.n_threads = std::atoi(argv[4]);
  options.alphas = read<double>(directory + "/alphas");
  const char* names[] = {"automatic", "cyclic", "gram", "working_set", "fista", "lars", "refined_gram"};
  options.solver = static_cast<se::LassoSolver>(std::find(names, names + 7, solver) - names);
  if (stored == 0) {
    const Array x(directory + "/x");
    run(Eigen::Map<const se::Matrix<double>>(x.data(), n, p), y, options, directory, std::atoi(argv[5]));
  } else {
    const std::vector<double> values = read<double>(directory + "/values");
    const std::vector<int> rows = read<int>(directory + "/rows"), starts = read<int>(directory + "/starts");
    run(Eigen::Map<const se::SparseMatrix<double>>(n, p, stored, starts.data(), rows.data(), values.data()),
        y, options, directory, std::atoi(argv[5]));
  }
}
