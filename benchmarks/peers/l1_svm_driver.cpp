// SPDX-License-Identifier: MIT
//
// Fits the arrays that l1_svm.py leaves in a directory and writes the weights back.
//   l1_svm_driver <directory> <C> <tol> <solver> <threads> <runs> [trace | path | path-unscreened]
// Files: shape (n p stored, text; stored = 0: dense), x | values, rows, starts; y (int labels). No bias.
// Prints one line a run: seconds, certified gap, objective, iterations. `trace` prints a line a step before:
// seconds, objective, gap (one problem, one run). `path` fits 50 values of C up to C,
// `path-unscreened` without screening.
#include "../process.hpp"
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/linear/l1_svm_path.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

namespace se = sparse_experts;
using se::Index;

struct Settings {
  std::string directory, mode;
  se::L1SVMOptions fit;
  int runs = 1;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void write_weights(const Settings& settings, const se::Matrix<double>& coef) {
  std::ofstream out(settings.directory + "/coefs", std::ios::binary);
  out.write(reinterpret_cast<const char*>(coef.data()),
            static_cast<std::streamsize>(coef.size()) * static_cast<std::streamsize>(sizeof(double)));
}

template <class X>
void run(const X& x, const se::LabelVector& y, const Settings& settings) {
  for (int k = 0; k < settings.runs; ++k) {
    const auto start = std::chrono::steady_clock::now();
    if (settings.mode == "path" || settings.mode == "path-unscreened") {
      se::L1SVMPathOptions options;
      options.C_max = settings.fit.C;
      options.tol = settings.fit.tol;
      options.fit_intercept = false;
      options.screening = settings.mode == "path";
      options.n_threads = settings.fit.n_threads;
      options.solver = settings.fit.solver;
      const auto path = se::l1_svm_path(x, y, options);
      const double seconds = seconds_since(start);
      double worst = 0;
      Index n_iter = 0;
      for (const se::Convergence& c : path.convergence) {
        worst = std::max(worst, c.value);
        n_iter += c.n_iter;
      }
      const Index screened =
          std::accumulate(path.n_screened.begin(), path.n_screened.end(), Index(0)) / options.n_Cs;
      std::printf("%.6f %.3e %.10g %ld %ld\n", seconds, worst, path.convergence.back().objective,
                  static_cast<long>(n_iter), static_cast<long>(screened));
      write_weights(settings, se::Matrix<double>(path.coefs[0].rightCols(1)));
      continue;
    }
    se::L1SVMOptions options = settings.fit;
    if (settings.mode == "trace")
      options.on_progress = [&](const se::Progress& now) {
        std::printf("# %.6f %.10g %.3e\n", seconds_since(start), now.objective, now.value);
        return true;
      };
    se::L1SVM<double> svm(options);
    const se::Convergence& c = svm.fit(x, y);
    std::printf("%.6f %.3e %.10g %ld\n", seconds_since(start), c.value, c.objective,
                static_cast<long>(c.n_iter));
    write_weights(settings, svm.coef());
  }
}

int main(int argc, char** argv) {
  if (argc < 7) return 1;
  Settings settings{argv[1], argc > 7 ? argv[7] : "", {}, std::atoi(argv[6])};
  const std::string directory = argv[1], solver = argv[4];
  const char* names[] = {"automatic", "coordinate_newton", "working_set", "proximal_newton"};
  settings.fit.solver = static_cast<se::L1SVMSolver>(std::find(names, names + 4, solver) - names);
  settings.fit.C = std::atof(argv[2]);
  settings.fit.tol = std::atof(argv[3]);
  settings.fit.fit_intercept = false;
  settings.fit.n_threads = std::atoi(argv[5]);
  long n = 0, p = 0, stored = 0;
  std::ifstream(directory + "/shape") >> n >> p >> stored;
  const std::vector<int> labels = read<int>(directory + "/y");
  const se::LabelVector y = se::LabelVector::Map(labels.data(), n);
  if (stored == 0) {
    const std::vector<double> x = read<double>(directory + "/x");
    run(Eigen::Map<const se::Matrix<double>>(x.data(), n, p), y, settings);
  } else {
    const std::vector<double> values = read<double>(directory + "/values");
    const std::vector<int> rows = read<int>(directory + "/rows"), starts = read<int>(directory + "/starts");
    run(Eigen::Map<const se::SparseMatrix<double>>(n, p, stored, starts.data(), rows.data(), values.data()),
        y, settings);
  }
}
