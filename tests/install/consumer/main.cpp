// SPDX-License-Identifier: MIT
// What a user's program looks like: one header, one solver, no flag of our own.
#include <sparse_experts/linear/lasso.hpp>

#include <cstdlib>

int main() {
  const Eigen::MatrixXd X = Eigen::MatrixXd::Identity(4, 4);
  const Eigen::VectorXd y = Eigen::VectorXd::LinSpaced(4, 1, 4);
  sparse_experts::Lasso<double> lasso({.alpha = 0.1, .fit_intercept = false});
  // Orthogonal columns: w_j = soft(y_j, n alpha).
  const bool right = lasso.fit(X, y) && (lasso.coef() - (y.array() - 0.4).matrix()).norm() < 1e-12;
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
