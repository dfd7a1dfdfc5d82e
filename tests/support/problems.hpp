// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>

#include <cmath>

/// Small random problems for tests, made from the library's own portable generator.
namespace test_support {

namespace se = sparse_experts;
using se::Index;

template <class Scalar>
se::Matrix<Scalar> random_matrix(Index rows, Index cols, se::Random& random) {
  se::Matrix<Scalar> x(rows, cols);
  for (Index j = 0; j < cols; ++j)
    for (Index i = 0; i < rows; ++i) x(i, j) = static_cast<Scalar>(random.normal());
  return x;
}

/// Each entry is kept with probability `density`.
template <class Scalar>
se::Matrix<Scalar> sparsified(se::Matrix<Scalar> x, double density, se::Random& random) {
  for (Index j = 0; j < x.cols(); ++j)
    for (Index i = 0; i < x.rows(); ++i)
      if (random.uniform() >= density) x(i, j) = 0;
  return x;
}

template <class Scalar>
struct Regression {
  se::Matrix<Scalar> X;  // n x p
  se::Vector<Scalar> y;  // n
};

/// y = X w + noise with `informative` non-zero weights; neighbouring columns correlate with rho.
template <class Scalar>
Regression<Scalar> make_regression(Index n, Index p, Index informative, double noise, double rho,
                                   std::uint64_t seed) {
  se::Random random(seed);
  Regression<Scalar> problem{random_matrix<Scalar>(n, p, random), se::Vector<Scalar>::Zero(n)};
  for (Index j = 1; j < p; ++j)
    problem.X.col(j) = static_cast<Scalar>(rho) * problem.X.col(j - 1) +
                       static_cast<Scalar>(std::sqrt(1 - rho * rho)) * problem.X.col(j);
  for (Index k = 0; k < informative && k < p; ++k)
    problem.y += static_cast<Scalar>(random.normal()) * problem.X.col(random.below(p));
  for (Index i = 0; i < n; ++i) problem.y[i] += static_cast<Scalar>(noise * random.normal());
  return problem;
}

template <class Scalar>
struct Classification {
  se::Matrix<Scalar> X;    // n x p
  se::LabelVector labels;  // n
};

/// Gaussian blobs, one per class, whose centres lie `separation` from the origin in random directions.
template <class Scalar>
Classification<Scalar> make_blobs(Index n, Index p, int n_classes, double separation, std::uint64_t seed) {
  se::Random random(seed);
  se::Matrix<Scalar> centers = random_matrix<Scalar>(n_classes, p, random);
  for (Index c = 0; c < n_classes; ++c)
    if (centers.row(c).norm() > 0) centers.row(c) *= static_cast<Scalar>(separation) / centers.row(c).norm();
  Classification<Scalar> problem{random_matrix<Scalar>(n, p, random), se::LabelVector(n)};
  for (Index i = 0; i < n; ++i) {
    problem.labels[i] = static_cast<int>(i % n_classes);
    problem.X.row(i) += centers.row(problem.labels[i]);
  }
  return problem;
}

}  // namespace test_support
