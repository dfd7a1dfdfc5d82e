// SPDX-License-Identifier: MIT
// Draws the coefficients of the Lasso along its path, and the error of cross-validation.
//   lasso_path [--data file.csv] [--alphas 100] [--ratio 1e-3] [--folds 5] [--threads 0] [--out lasso_path]
// Writes <out>.dat and <out>.gp; where gnuplot is installed, `gnuplot <out>.gp` (run at the end) draws
// <out>.png.
#include <sparse_experts/io/csv.hpp>
#include <sparse_experts/linear/lasso_cv.hpp>
#include <sparse_experts/linear/path.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace se = sparse_experts;
using se::Index;

namespace {

/// One line per alpha: alpha, mean error, its standard error, coefficients.
void write_data(const std::string& file, const se::RegressionPath<double>& path,
                const se::LassoCV<double>& cv) {
  std::ofstream out(file);
  const se::Matrix<double> coefs(path.coefs);
  for (Index k = 0; k < coefs.cols(); ++k) {
    out << path.alphas[static_cast<std::size_t>(k)] << ' ' << cv.mean_mse()[k] << ' '
        << cv.standard_error()[k];
    for (Index j = 0; j < coefs.rows(); ++j) out << ' ' << coefs(j, k);
    out << '\n';
  }
}

void write_script(const std::string& out, Index n_features, const se::LassoCV<double>& cv) {
  std::ofstream script(out + ".gp");
  script
      << "set terminal pngcairo size 900,900\nset output '" << out << ".png'\n"
      << "set multiplot layout 2,1\nset logscale x\nset xrange [*:*] reverse\nset xlabel 'alpha'\nunset key\n"
      << "set arrow from " << cv.alpha() << ", graph 0 to " << cv.alpha() << ", graph 1 nohead dt 2\n"
      << "set arrow from " << cv.alpha_one_se() << ", graph 0 to " << cv.alpha_one_se()
      << ", graph 1 nohead dt 3\n"
      << "set ylabel 'coefficient'\nplot for [j=4:" << n_features + 3 << "] '" << out
      << ".dat' using 1:j with lines\n"
      << "set ylabel 'error of cross-validation'\nplot '" << out << ".dat' using 1:2:3 with yerrorlines\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::string data = SPARSE_EXPERTS_EXAMPLE_DATA "/digits.csv", out = "lasso_path";
  Index n_alphas = 100, n_folds = 5;
  double ratio = 1e-3;
  int threads = 0;
  CLI::App app("The path of the Lasso");
  app.add_option("--data", data, "numbers in columns, the target first");
  app.add_option("--alphas", n_alphas, "points of the path");
  app.add_option("--ratio", ratio, "last alpha / first alpha");
  app.add_option("--folds", n_folds, "folds of the cross-validation");
  app.add_option("--threads", threads, "0 = all");
  app.add_option("--out", out, "name of the files written");
  CLI11_PARSE(app, argc, argv);

  const auto read = se::read_csv<double>(data, {.target_column = 0});
  const se::Matrix<double> x = read.X;
  const auto path =
      se::lasso_path(x, read.y, {.n_alphas = n_alphas, .alpha_min_ratio = ratio, .n_threads = threads});
  se::LassoCV<double> cv({.n_folds = n_folds, .n_threads = threads, .alphas = path.alphas});
  cv.fit(x, read.y);

  double worst = 0;
  for (const se::Convergence& c : path.convergence) worst = std::max(worst, c.value);
  std::printf(
      "%ld alphas, %s, largest relative gap %.1e; chosen alpha %.4g, within one standard error %.4g\n",
      static_cast<long>(path.coefs.cols()), path.converged() ? "all converged" : "not all converged", worst,
      cv.alpha(), cv.alpha_one_se());
  write_data(out + ".dat", path, cv);
  write_script(out, x.cols(), cv);
  std::printf("wrote %s.dat and %s.gp\n", out.c_str(), out.c_str());
  if (std::system(("command -v gnuplot > /dev/null && gnuplot " + out + ".gp").c_str()) == 0)
    std::printf("wrote %s.png\n", out.c_str());
}
