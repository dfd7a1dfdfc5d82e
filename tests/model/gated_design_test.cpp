// SPDX-License-Identifier: MIT
#include <sparse_experts/linear/l1_svm_binary.hpp>
#include <sparse_experts/model/gated_design.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

namespace {

using namespace sparse_experts;
using test_support::random_matrix;

template <class Scalar>
Matrix<Scalar> materialise(const Matrix<Scalar>& s, const Matrix<Scalar>& g, double rho) {
  const Index n = s.rows(), k = s.cols(), n_experts = g.cols();
  Matrix<Scalar> phi(n, (n_experts + 1) * (k + 1));
  phi.leftCols(k) = static_cast<Scalar>(rho) * s;
  for (Index e = 0; e < n_experts; ++e)
    for (Index j = 0; j < k; ++j) phi.col((e + 1) * k + j) = g.col(e).cwiseProduct(s.col(j));
  phi.col((n_experts + 1) * k).setConstant(static_cast<Scalar>(rho));
  phi.rightCols(n_experts) = g;
  return phi;
}

struct Lifted {
  Matrix<double> s, g;
  Lifted(Index n_experts, bool hard) {
    Random random(11);
    s = test_support::sparsified(random_matrix<double>(30, 5, random), 0.5, random);
    g = Matrix<double>::Zero(30, n_experts);
    for (Index i = 0; i < 30 && n_experts > 0; ++i) {
      if (i % 10 == 9) continue;  // noise
      const Index a = random.below(n_experts);
      g(i, a) = hard ? 1 : 0.25;
      if (!hard) g(i, (a + 1) % n_experts) = 0.75;
    }
  }
};

template <Design D>
void expect_equals(const D& design, const Matrix<double>& phi) {
  static_assert(Design<D>);
  ASSERT_EQ(design.rows(), phi.rows());
  ASSERT_EQ(design.cols(), phi.cols());
  Random random(4);
  const Vector<double> r = random_matrix<double>(phi.rows(), 1, random);
  for (const int n_threads : {1, 2}) {
    Vector<double> all(phi.cols());
    design.correlations(r.data(), all.data(), n_threads);
    EXPECT_NEAR((all - phi.transpose() * r).norm(), 0, 1e-12);
  }
  for (Index c = 0; c < phi.cols(); ++c) {
    EXPECT_NEAR(design.dot(c, r), phi.col(c).dot(r), 1e-12) << c;
    EXPECT_NEAR(design.squared_norm(c), phi.col(c).squaredNorm(), 1e-12) << c;
    Vector<double> out = r, seen = Vector<double>::Zero(phi.rows());
    design.axpy(c, 0.5, out);
    EXPECT_NEAR((out - r - 0.5 * phi.col(c)).norm(), 0, 1e-12) << c;
    Index count = 0;
    design.for_each(c, [&](Index i, double value) {
      seen[i] += value;
      ++count;
    });
    EXPECT_NEAR((seen - phi.col(c)).norm(), 0, 1e-14) << c;
    EXPECT_EQ(count, design.stored(c)) << c;
  }
}

TEST(GatedDesign, EqualsTheMaterialisedLift) {
  for (const Index n_experts : {0, 1, 3})
    for (const bool hard : {true, false})
      for (const double rho : {0.0, 1.0, 2.5}) {
        const Lifted p(n_experts, hard);
        const Matrix<double> phi = materialise(p.s, p.g, rho);
        const SparseRowMatrix<double> gates = p.g.sparseView();
        const SparseMatrix<double> codes = p.s.sparseView();
        const SparseColumns<double> sparse(codes);
        const DenseColumns<double> dense(p.s);
        expect_equals(GatedDesign<SparseColumns<double>>(sparse, gates, rho, 2), phi);
        expect_equals(GatedDesign<DenseColumns<double>>(dense, gates, rho), phi);
      }
}

// Experts on the lifted design and on its matrix: one problem, one solution.
TEST(GatedDesign, TheSVMOnItIsTheSVMOnTheMatrix) {
  Random random(5);
  const Index n = 300, k = 12, n_experts = 4;
  const Matrix<double> s = test_support::sparsified(random_matrix<double>(n, k, random), 0.5, random);
  Matrix<double> g = Matrix<double>::Zero(n, n_experts);
  Vector<double> signs(n);
  for (Index i = 0; i < n; ++i) {
    const Index e = random.below(n_experts);
    g(i, e) = 0.7;
    g(i, (e + 1) % n_experts) = 0.3;
    signs[i] = s(i, e) + 0.5 * s(i, 0) + 0.3 * random.normal() > 0 ? 1 : -1;
  }
  const SparseRowMatrix<double> gates = g.sparseView();
  const SparseMatrix<double> codes = s.sparseView(), phi = materialise(s, g, 1.5).sparseView();
  const SparseColumns<double> columns(codes), lifted(phi);
  const DenseColumns<double> dense(s);
  const GatedDesign<SparseColumns<double>> gated(columns, gates, 1.5);
  const GatedDesign<DenseColumns<double>> gated_dense(dense, gates, 1.5);
  for (const L1SVMSolver solver :
       {L1SVMSolver::coordinate_newton, L1SVMSolver::working_set, L1SVMSolver::proximal_newton})
    for (const L1SVMLoss loss : {L1SVMLoss::squared_hinge, L1SVMLoss::logistic}) {
      const L1SVMOptions options{
          .C = 0.5, .tol = 1e-9, .loss = loss, .n_threads = 1, .solver = solver, .max_iter = 100000};
      const L1SVMSolution on_matrix = l1_svm_binary(lifted, signs, options);
      ASSERT_TRUE(on_matrix.convergence);
      for (const L1SVMSolution& on_lift :
           {l1_svm_binary(gated, signs, options), l1_svm_binary(gated_dense, signs, options)}) {
        ASSERT_TRUE(on_lift.convergence);
        EXPECT_NEAR(on_lift.convergence.objective / on_matrix.convergence.objective, 1, 2e-9);
        EXPECT_NEAR((phi * (on_lift.coef - on_matrix.coef)).norm(), 0, 1e-2);
      }
    }
}

TEST(GatedDesign, RejectsBadInput) {
  const Lifted p(2, true);
  const DenseColumns<double> dense(p.s);
  const SparseRowMatrix<double> gates = p.g.sparseView(), short_gates = p.g.topRows(20).sparseView();
  EXPECT_THROW(GatedDesign<DenseColumns<double>>(dense, gates, -1), std::invalid_argument);
  EXPECT_THROW(GatedDesign<DenseColumns<double>>(dense, short_gates, 1), std::invalid_argument);
}

}  // namespace
