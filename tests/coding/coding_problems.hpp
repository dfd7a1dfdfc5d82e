// SPDX-License-Identifier: MIT
#pragma once

#include "support/problems.hpp"
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>

namespace test_support {

/// Rows of unit norm.
template <class Scalar>
se::RowMatrix<Scalar> unit_rows(Index rows, Index cols, se::Random& random) {
  se::RowMatrix<Scalar> x = random_matrix<Scalar>(rows, cols, random);
  for (Index i = 0; i < rows; ++i) x.row(i) /= x.row(i).norm();
  return x;
}

/// Samples that are sums of `active` atoms with normal weights plus noise.
template <class Scalar>
se::RowMatrix<Scalar> mixtures(const se::RowMatrix<Scalar>& atoms, Index n, Index active, double noise,
                               se::Random& random) {
  se::RowMatrix<Scalar> x = se::RowMatrix<Scalar>::Zero(n, atoms.cols());
  for (Index i = 0; i < n; ++i) {
    for (Index a = 0; a < active; ++a)
      x.row(i) += static_cast<Scalar>(random.normal()) * atoms.row(random.below(atoms.rows()));
    for (Index f = 0; f < x.cols(); ++f) x(i, f) += static_cast<Scalar>(noise * random.normal());
  }
  return x;
}

struct GapOfCode {
  double objective, gap, peak;
};

/// Objective, relative duality gap and largest correlation of one code, from scratch and in double.
template <class X, class D, class S>
GapOfCode gap_of_code(const X& sample, const D& dictionary, const S& code, double alpha, double alpha2,
                      bool positive) {
  const Eigen::VectorXd x = sample.template cast<double>(), s = code.template cast<double>();
  const Eigen::MatrixXd d = dictionary.template cast<double>();
  const Eigen::VectorXd r = x - d.transpose() * s, g = d * r - alpha2 * s;
  const double rr = r.squaredNorm() + alpha2 * s.squaredNorm();
  const double peak = std::max(0.0, positive ? g.maxCoeff() : g.cwiseAbs().maxCoeff());
  const double scale = peak > alpha ? alpha / peak : 1.0;
  GapOfCode result;
  result.objective = 0.5 * rr + alpha * s.cwiseAbs().sum();
  result.gap = (result.objective - scale * x.dot(r) + 0.5 * scale * scale * rr) / (0.5 * x.squaredNorm());
  result.peak = peak;
  return result;
}

}  // namespace test_support
