// SPDX-License-Identifier: MIT
#include "coding/coding_problems.hpp"
#include <sparse_experts/coding/omp.hpp>

#include <Eigen/Dense>

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace se = sparse_experts;
using se::Index;

namespace {

/// Orthogonal matching pursuit by its definition: residuals and a least-squares fit in each step.
Eigen::VectorXd plain_omp(const Eigen::MatrixXd& d, const Eigen::VectorXd& x, Index n_nonzero) {
  std::vector<Index> taken;
  Eigen::VectorXd r = x, s;
  Eigen::MatrixXd chosen(d.cols(), 0);
  while (static_cast<Index>(taken.size()) < n_nonzero) {
    Index j = 0;
    ((d * r).array().abs() / d.rowwise().norm().array().max(1e-300)).maxCoeff(&j);
    taken.push_back(j);
    chosen.conservativeResize(Eigen::NoChange, chosen.cols() + 1);
    chosen.rightCols(1) = d.row(j).transpose();
    s = chosen.colPivHouseholderQr().solve(x);
    r = x - chosen * s;
  }
  Eigen::VectorXd code = Eigen::VectorXd::Zero(d.rows());
  for (std::size_t i = 0; i < taken.size(); ++i) code[taken[i]] = s[static_cast<Index>(i)];
  return code;
}

}  // namespace

TEST(Omp, AgreesWithTheDefinition) {
  se::Random random(4);
  se::RowMatrix<double> D = test_support::unit_rows<double>(60, 24, random);
  D.row(3) *= 7;
  D.row(9).setZero();
  const se::RowMatrix<double> X = test_support::mixtures<double>(D, 100, 4, 0.1, random);
  for (const Index n_nonzero : {1, 4, 9, 17}) {
    const se::OmpCoder<double> coder(D, {.n_nonzero = n_nonzero});
    se::CodingReport report;
    const se::RowMatrix<double> codes = coder.transform(X, &report);
    double residual = 0;
    for (Index i = 0; i < X.rows(); ++i) {
      const Eigen::VectorXd expected = plain_omp(D, X.row(i).transpose(), n_nonzero);
      EXPECT_LE((codes.row(i).transpose() - expected).cwiseAbs().maxCoeff(), 1e-8);
      residual += 0.5 * (X.row(i).transpose() - D.transpose() * codes.row(i).transpose()).squaredNorm();
    }
    EXPECT_NEAR(report.mean_objective, residual / 100, 1e-10);
    EXPECT_EQ(report.convergence.n_iter, n_nonzero);
  }
}

TEST(Omp, StorageThreadsAndSingleSamplesGiveTheSameBits) {
  se::Random random(6);
  const se::RowMatrix<float> D = test_support::unit_rows<float>(40, 20, random);
  const se::RowMatrix<float> X =
      test_support::sparsified<float>(test_support::mixtures<float>(D, 600, 4, 0.1, random), 0.5, random);
  const se::OmpCoder<float> coder(D, {.n_nonzero = 6, .n_threads = 1});
  const se::RowMatrix<float> codes = coder.transform(X);
  EXPECT_EQ(se::RowMatrix<float>(coder.transform(se::SparseMatrix<float>(X.sparseView()))), codes);
  EXPECT_EQ(se::RowMatrix<float>(se::OmpCoder<float>(D, {.n_nonzero = 6, .n_threads = 5}).transform(X)),
            codes);
  auto workspace = coder.workspace();
  se::Vector<float> code(40);
  for (Index i = 0; i < X.rows(); ++i) {
    coder.encode_into(X.row(i), code, workspace);
    EXPECT_EQ(code.transpose(), codes.row(i));
  }
}

TEST(Omp, StopsAtTheToleranceAndAtTheRank) {
  se::Random random(8);
  const se::RowMatrix<double> D = test_support::unit_rows<double>(30, 10, random);
  const se::RowMatrix<double> X = test_support::unit_rows<double>(50, 10, random);
  const se::OmpCoder<double> loose(D, {.n_nonzero = 10, .tol = 0.1});
  auto workspace = loose.workspace();
  se::Vector<double> code(30);
  for (Index i = 0; i < X.rows(); ++i) {
    const se::Convergence result = loose.encode_into(X.row(i), code, workspace);
    EXPECT_TRUE(result);
    const double left = (X.row(i).transpose() - D.transpose() * code).squaredNorm();
    EXPECT_LE(left, 0.1 + 1e-12);
    EXPECT_NEAR(result.value, left, 1e-10);
  }
  const se::OmpCoder<double> all(D, {.n_nonzero = 30});
  const se::RowMatrix<double> codes = all.transform(X);
  EXPECT_LE((codes * D - X).cwiseAbs().maxCoeff(), 1e-8);
  EXPECT_LE(se::SparseRowMatrix<double>(codes.sparseView()).nonZeros(), 50 * 10);
  EXPECT_EQ(all.transform(se::RowMatrix<double>::Zero(2, 10)).nonZeros(), 0);
}

TEST(Omp, BadInputIsNamed) {
  using Coder = se::OmpCoder<double>;
  const se::RowMatrix<double> D = se::RowMatrix<double>::Identity(3, 3);
  EXPECT_THROW(Coder(D, {.n_nonzero = 0}), std::invalid_argument);
  EXPECT_THROW(Coder(D, {.tol = 2}), std::invalid_argument);
  EXPECT_THROW(Coder(D).transform(se::RowMatrix<double>::Zero(1, 4)), std::invalid_argument);
}
