// SPDX-License-Identifier: MIT
// Lasso, Elastic Net and cross-validation: how well do few pixels tell which digit a picture shows?
//   lasso [--data file.csv] [--digit 0] [--alpha-ratio 0.05] [--threads 0]
// Fits y = 1 for the digit and 0 for the others, prints the certificate of every fit and the pixels that are
// used.
#include <sparse_experts/io/csv.hpp>
#include <sparse_experts/linear/lasso.hpp>
#include <sparse_experts/linear/lasso_cv.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>
#include <string>

namespace se = sparse_experts;
using se::Index;

namespace {

template <class Model>
void print(const char* name, const Model& model, const se::Matrix<double>& x, const se::Vector<double>& y) {
  const se::Convergence& c = model.convergence();
  std::printf("%-22s R2 %.3f   %2ld of %ld pixels   relative gap %.1e (%s, tolerance %.0e)\n", name,
              model.score(x, y), static_cast<long>((model.coef().array() != 0).count()),
              static_cast<long>(x.cols()), c.value, se::to_string(c.status), c.tolerance);
}

}  // namespace

int main(int argc, char** argv) {
  std::string data = SPARSE_EXPERTS_EXAMPLE_DATA "/digits.csv";
  int digit = 0, threads = 0;
  double alpha_ratio = 0.05;
  CLI::App app("Lasso on pictures of digits");
  app.add_option("--data", data, "rows of pixels after a label");
  app.add_option("--digit", digit, "the digit to tell from the others");
  app.add_option("--alpha-ratio", alpha_ratio, "alpha as a share of the one that gives zero weights");
  app.add_option("--threads", threads, "0 = all");
  CLI11_PARSE(app, argc, argv);

  const auto digits = se::read_csv<double>(data, {.target_column = 0});
  const se::Matrix<double> x = digits.X;
  const se::Vector<double> y = (digits.y.array() == digit).cast<double>();
  const double alpha_max = se::alpha_max(x, y);
  std::printf("%ld pictures, alpha_max = %.4g\n", static_cast<long>(x.rows()), alpha_max);

  se::Lasso<double> lasso({.alpha = alpha_ratio * alpha_max, .tol = 1e-8, .n_threads = threads});
  lasso.fit(x, y);
  print("Lasso", lasso, x, y);

  se::ElasticNet<double> net({.alpha = alpha_ratio * alpha_max, .l1_ratio = 0.5, .n_threads = threads});
  net.fit(x, y);
  print("Elastic Net, l1 0.5", net, x, y);

  se::Lasso<double> positive({.alpha = alpha_ratio * alpha_max, .positive = true, .n_threads = threads});
  positive.fit(x, y);
  print("Lasso, weights >= 0", positive, x, y);

  se::LassoCV<double> cv({.n_folds = 5, .n_threads = threads});
  cv.fit(x, y);
  print("Lasso, 5-fold CV", cv, x, y);
  std::printf("  chosen alpha %.4g, within one standard error %.4g\n", cv.alpha(), cv.alpha_one_se());

  // + and - mark the pixels that the Lasso uses.
  const auto side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(x.cols()))));
  for (Index i = 0; i < side; ++i) {
    std::printf("  ");
    for (Index j = 0; j < side; ++j) {
      const double w = lasso.coef()[i * side + j];
      std::printf(" %c", w > 0 ? '+' : w < 0 ? '-' : '.');
    }
    std::printf("\n");
  }
}
