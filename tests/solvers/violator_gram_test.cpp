// SPDX-License-Identifier: MIT
// The Gram of the margin violators against its definition, and the L1-SVM that rests on it.
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/linear/l1_svm_path.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>
#include <sparse_experts/solvers/violator_gram.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace se = sparse_experts;
using se::Index;

namespace {

se::Matrix<double> random_matrix(Index n, Index p, double density, se::Random& random) {
  se::Matrix<double> x = se::Matrix<double>::Zero(n, p);
  for (Index i = 0; i < x.size(); ++i)
    if (random.uniform() < density) x.data()[i] = random.normal();
  return x;
}

/// sum_i d_i u_i u_i' over the constant column and the given ones, from scratch.
se::Matrix<double> reference(const se::Matrix<double>& x, const std::vector<Index>& columns,
                             const se::Vector<double>& d) {
  const Index n = x.rows(), m = static_cast<Index>(columns.size()) + 1;
  se::Matrix<double> u(n, m);
  u.col(0).setConstant(1 / std::sqrt(static_cast<double>(n)));
  for (Index s = 1; s < m; ++s) {
    const auto column = x.col(columns[static_cast<std::size_t>(s - 1)]);
    const double norm = column.norm();
    u.col(s) = norm > 0 ? se::Vector<double>(column / norm) : se::Vector<double>::Zero(n);
  }
  return u.transpose() * d.asDiagonal() * u;
}

double largest_error(const se::detail::ViolatorGram& gram, const se::Matrix<double>& wanted) {
  double worst = 0;
  for (Index a = 0; a < wanted.rows(); ++a)
    for (Index b = 0; b < wanted.cols(); ++b) worst = std::max(worst, std::abs(gram(a, b) - wanted(a, b)));
  return worst;
}

/// Follows changing weights, joining columns and another unit; `by_rows`: reads X by rows.
template <class Design>
void follow(const Design& design, const se::Matrix<double>& x, bool by_rows, bool doubles, int n_threads,
            std::uint64_t seed) {
  const se::detail::DesignColumns<Design> columns(design, n_threads, 0, by_rows);
  se::Random random(seed);
  se::detail::ViolatorGram gram(columns, n_threads);
  if (doubles) gram.use_doubles();
  const bool panels = !se::detail::sums_pairs(columns.share());
  const double accuracy = panels && !doubles ? 1e-5 : 1e-12;
  const Index n = x.rows(), p = x.cols();
  se::Vector<double> d = se::Vector<double>::Constant(n, 2.0);
  double unit = 2;
  Index next = 0;
  for (int round = 0; round < 6; ++round) {
    for (; next < std::min(p, (round + 1) * (p / 4 + 1)); ++next) gram.append(p - 1 - next);
    for (Index i = 0; i < n; ++i)
      if (random.uniform() < 0.2) d[i] = random.uniform() < 0.5 ? 0 : unit * random.uniform();
    if (round == 3) {  // the same problem in other units: nothing changes
      d *= 100;
      unit *= 100;
    }
    gram.update(d, unit);
    const se::Matrix<double> wanted = reference(x, gram.columns(), d);
    ASSERT_LE(largest_error(gram, wanted), accuracy * wanted.diagonal().maxCoeff())
        << "seed " << seed << " round " << round << " by rows " << by_rows << " doubles " << doubles;
  }
}

TEST(ViolatorGram, FollowsItsDefinition) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    se::Random random(seed, 7);
    const Index n = 1 + random.below(seed % 3 == 0 ? 40 : 700), p = 1 + random.below(seed % 2 == 0 ? 12 : 90);
    const double density = seed % 4 == 0 ? 0.05 : seed % 4 == 1 ? 1 : 0.4;
    const se::Matrix<double> x = random_matrix(n, p, density, random);
    const se::SparseMatrix<double> sparse = x.sparseView();
    for (const bool doubles : {false, true}) {
      follow(se::DenseColumns<double>(x), x, false, doubles, 1, seed);
      se::detail::with_columns(sparse, [&](const auto& design) {
        follow(design, x, false, doubles, 1, seed);
        follow(design, x, true, doubles, 2, seed);
      });
    }
  }
}

/// Overlapping classes, a third of the entries of X stored.
struct Problem {
  se::Matrix<double> x;
  se::LabelVector y;
};
Problem problem(Index n, Index p, std::uint64_t seed) {
  se::Random random(seed);
  Problem made{random_matrix(n, p, 0.33, random), se::LabelVector(n)};
  for (Index i = 0; i < n; ++i)
    made.y[i] = made.x.row(i).head(std::min<Index>(p, 5)).sum() + random.normal() > 0 ? 1 : 0;
  return made;
}

TEST(ViolatorGram, SinglePrecisionIsNoLimitToTheCertificate) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Problem p = problem(300, 40, seed);
    se::L1SVM<double> svm({.C = 0.5, .tol = 1e-12, .solver = se::L1SVMSolver::proximal_newton});
    const se::Convergence& end = svm.fit(se::SparseMatrix<double>(p.x.sparseView()), p.y);
    EXPECT_EQ(end.status, se::Status::converged) << "seed " << seed << " gap " << end.value;
  }
}

// Floats do not resolve what is left of such columns once b is eliminated: the fits ended with a gap of 1.
TEST(ViolatorGram, ColumnsFarFromZeroAreSummedInDoubles) {
  for (const double offset : {300.0, 1e4, 1e6}) {
    Problem p = problem(300, 40, 5);
    p.x.array() += offset;
    se::L1SVM<double> svm({.C = 1, .tol = 1e-4, .solver = se::L1SVMSolver::proximal_newton});
    const se::Convergence& end = svm.fit(p.x, p.y);
    EXPECT_EQ(end.status, se::Status::converged) << "offset " << offset << " gap " << end.value;
    EXPECT_LE(end.n_iter, 20) << "offset " << offset;
  }
}

TEST(ViolatorGram, PathMeetsIndependentFits) {
  const Problem p = problem(400, 60, 3);
  const se::SparseMatrix<double> x = p.x.sparseView();
  const auto path = se::l1_svm_path(
      x, p.y, {.n_Cs = 12, .C_max = 2, .tol = 1e-9, .solver = se::L1SVMSolver::proximal_newton});
  for (std::size_t k = 0; k < path.Cs.size(); ++k) {
    ASSERT_EQ(path.convergence[k].status, se::Status::converged) << k;
    se::L1SVM<double> svm({.C = path.Cs[k], .tol = 1e-9});
    const double alone = svm.fit(x, p.y).objective;
    EXPECT_NEAR(path.convergence[k].objective, alone, 3e-9 * alone) << k;
  }
  EXPECT_THROW(path.predict(p.x.leftCols(3), 0), std::invalid_argument);
  EXPECT_THROW(path.predict(p.x, 12), std::invalid_argument);
}

}  // namespace
