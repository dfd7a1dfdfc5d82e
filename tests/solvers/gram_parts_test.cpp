// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/solvers/cholesky.hpp>
#include <sparse_experts/solvers/gram_descent.hpp>
#include <sparse_experts/solvers/support_newton.hpp>

#include <Eigen/Cholesky>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace se = sparse_experts;
using se::Index;

TEST(InnerProducts, EqualTheProductAtEverySize) {
  se::Random random(1);
  for (const Index n : {1, 7, 8, 9, 64, 1100})
    for (const Index rows : {1, 3, 4, 5, 50})
      for (const Index cols : {1, 2, 4, 7}) {
        const se::Matrix<double> a = test_support::random_matrix<double>(n, rows, random);
        const se::Matrix<double> b = test_support::random_matrix<double>(n, cols, random);
        se::Matrix<double> c = test_support::random_matrix<double>(rows, cols, random);
        const se::Matrix<double> expected = a.transpose() * b, sum = c + expected;
        se::detail::inner_products(a.data(), n, rows, b.data(), n, cols, n, c.data(), rows, true);
        EXPECT_LT((c - sum).norm(), 1e-11 * (1 + sum.norm()));
        se::detail::inner_products(a.data(), n, rows, b.data(), n, cols, n, c.data(), rows, false);
        EXPECT_LT((c - expected).norm(), 1e-11 * (1 + expected.norm()));
      }
}

TEST(UpdatableCholesky, FollowsColumnsThatComeAndGo) {
  se::Random random(2);
  const Index p = 40;
  const se::Matrix<double> x = test_support::random_matrix<double>(60, p, random);
  const se::Matrix<double> gram = x.transpose() * x;
  se::UpdatableCholesky factor;
  std::vector<Index> members, outside = random.permutation(p);
  for (int round = 0; round < 200; ++round) {
    if (!outside.empty() && (members.empty() || random.uniform() < 0.6)) {
      const Index count = std::min<Index>(1 + random.below(5), static_cast<Index>(outside.size()));
      const std::vector<Index> added(outside.end() - count, outside.end());
      outside.resize(outside.size() - static_cast<std::size_t>(count));
      for (const bool taken : factor.append(gram(members, added), gram(added, added))) EXPECT_TRUE(taken);
      members.insert(members.end(), added.begin(), added.end());
    } else {
      const Index k = random.below(static_cast<Index>(members.size()));
      factor.remove(k);
      outside.push_back(members[static_cast<std::size_t>(k)]);
      members.erase(members.begin() + k);
    }
    ASSERT_EQ(factor.size(), static_cast<Index>(members.size()));
    if (members.empty()) continue;
    const se::Vector<double> b = test_support::random_matrix<double>(factor.size(), 1, random);
    se::Vector<double> solved = b;
    factor.solve(solved);
    EXPECT_LT((gram(members, members) * solved - b).norm(), 1e-9 * b.norm());
  }
}

TEST(UpdatableCholesky, RefusesDependentColumns) {
  se::Random random(3);
  se::Matrix<double> x = test_support::random_matrix<double>(10, 5, random);
  x.col(3) = x.col(0) - 2 * x.col(1);
  const se::Matrix<double> gram = x.transpose() * x;
  se::UpdatableCholesky factor;
  const std::vector<bool> taken = factor.append(se::Matrix<double>(0, 5), gram);
  EXPECT_EQ(taken, (std::vector<bool>{true, true, true, false, true}));
  EXPECT_EQ(factor.size(), 4);
}

TEST(SupportNewton, AStepIsTheBestPointOfTheProjectionArc) {
  se::Random random(5);
  for (int trial = 0; trial < 200; ++trial) {
    const Index p = 1 + random.below(trial % 10 == 0 ? 120 : 12);
    const se::Matrix<double> x = test_support::random_matrix<double>(p + 5, p, random);
    const se::Vector<double> c = 3 * test_support::random_matrix<double>(p, 1, random);
    se::GramProgram q;
    q.gram = x.transpose() * x;
    q.w = test_support::random_matrix<double>(p, 1, random);
    q.positive = trial % 3 == 0;
    if (q.positive) q.w = q.w.cwiseAbs();
    q.gradient = c - q.gram * q.w;
    q.l1 = se::Vector<double>::Constant(p, random.uniform(0.01, 5));
    q.l2 = se::Vector<double>::Constant(p, trial % 2 == 0 ? 0 : 0.3);
    if (p > 2) q.l1[2] = 0;  // may cross zero, unless weights are to be positive
    const auto objective = [&](const se::Vector<double>& w) {
      return 0.5 * w.dot(q.gram * w) - c.dot(w) + q.l1.dot(w.cwiseAbs()) + 0.5 * q.l2.dot(w.cwiseAbs2());
    };
    se::Matrix<double> hessian = q.gram;
    hessian.diagonal() += q.l2;
    const se::Vector<double> start = q.w, sign = start.cwiseSign(),
                             rhs = q.gradient - q.l2.cwiseProduct(start) - q.l1.cwiseProduct(sign),
                             d = hessian.ldlt().solve(rhs);
    double best = objective(start);
    for (int step = 0; step <= 1000; ++step) {
      se::Vector<double> w = start + step / 1000.0 * d;
      for (Index j = 0; j < p; ++j)
        if (w[j] * sign[j] < 0 && (q.positive || q.l1[j] > 0)) w[j] = 0;
      best = std::min(best, objective(w));
    }
    se::SupportNewton newton;
    newton.minimise(q, 1);
    EXPECT_LE(objective(q.w), best + 1e-9 * (1 + std::abs(best))) << "trial " << trial;
  }
}

TEST(GramSweep, EqualsSweepsThatUpdateEveryEntryAtOnce) {
  se::Random random(6);
  for (const Index p : {1, 63, 64, 65, 700}) {
    const se::Matrix<double> x = test_support::random_matrix<double>(2 * p, p, random);
    const se::Vector<double> c = 100 * test_support::random_matrix<double>(p, 1, random);
    se::GramProgram one, two;
    for (se::GramProgram* q : {&one, &two}) {
      q->gram = x.transpose() * x;
      q->w = se::Vector<double>::Zero(p);
      q->gradient = c;
      q->l1 = se::Vector<double>::Constant(p, 30);
      q->l2 = se::Vector<double>::Constant(p, 0.5);
    }
    se::Vector<double> w = one.w, g = c;
    for (int sweep = 0; sweep < 3; ++sweep) {
      Index changes = 0;
      for (Index j = 0; j < p; ++j) {
        const double z = g[j] + one.gram(j, j) * w[j];
        const double next = std::copysign(std::max(0.0, std::abs(z) - 30), z) / (one.gram(j, j) + 0.5);
        changes += (next == 0) != (w[j] == 0);
        g -= (next - w[j]) * one.gram.col(j);
        w[j] = next;
      }
      EXPECT_EQ(se::detail::gram_sweep(one, 1), changes);
      EXPECT_EQ(se::detail::gram_sweep(two, 2), changes);
      EXPECT_LT((one.w - w).norm(), 1e-12 * (1 + w.norm()));
      EXPECT_LT((one.gradient - g).norm(), 1e-10 * c.norm());
      EXPECT_EQ(one.w, two.w);
      EXPECT_EQ(one.gradient, two.gradient);
    }
  }
}

TEST(LargeMatrix, OwnsMovesAndAligns) {
  se::detail::LargeMatrix a(700, 700), b;  // 3.9 MB
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % (std::size_t{2} << 20), 0U);
  a.setConstant(3);
  const double* data = a.data();
  b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.sum(), 3.0 * 700 * 700);
  EXPECT_EQ(a.size(), 0);  // NOLINT(bugprone-use-after-move): empty by contract
  const se::detail::LargeMatrix c = std::move(b);
  EXPECT_EQ(c(699, 699), 3);
  a = se::Matrix<double>::Identity(3, 2);
  EXPECT_EQ(a.rows(), 3);
  EXPECT_EQ(a.sum(), 2);
  a.resize(0, 0);
  EXPECT_EQ(a.size(), 0);
}

TEST(GramDescent, EveryNewtonPhaseDecreasesTheObjective) {
  se::Random random(4);
  for (int trial = 0; trial < 200; ++trial) {
    const Index p = 1 + random.below(trial % 10 == 0 ? 250 : 30),
                n = 1 + random.below(trial % 10 == 0 ? 300 : 40);
    const se::Matrix<double> x = test_support::random_matrix<double>(n, p, random);
    const se::Vector<double> y = test_support::random_matrix<double>(n, 1, random);
    const se::Vector<double> c = x.transpose() * y;
    se::GramProgram q;
    q.gram = x.transpose() * x;
    q.w = test_support::random_matrix<double>(p, 1, random);
    q.positive = random.uniform() < 0.3;
    if (q.positive) q.w = q.w.cwiseMax(0);
    q.gradient = c - q.gram * q.w;
    q.l1 = se::Vector<double>::Constant(p, random.uniform(0.01, 3));
    q.l2 = se::Vector<double>::Constant(p, random.uniform() < 0.5 ? 0 : 0.3);
    const auto objective = [&] {
      return 0.5 * q.w.dot(q.gram * q.w) - c.dot(q.w) + q.l1.dot(q.w.cwiseAbs()) +
             0.5 * q.l2.dot(q.w.cwiseAbs2());
    };
    se::SupportNewton newton;
    const double before = objective();
    newton.minimise(q, 100);
    EXPECT_LE(objective(), before + 1e-9 * (1 + std::abs(before)));
    EXPECT_LT((q.gradient - (c - q.gram * q.w)).norm(), 1e-8 * (1 + c.norm()));
    se::gram_descent(q, newton, 1e-12, 5000);
    for (Index j = 0; j < p; ++j) {
      const double g = q.gradient[j] - q.l2[j] * q.w[j];
      const double violation = q.w[j] != 0 ? std::abs(g - std::copysign(q.l1[j], q.w[j]))
                                           : (q.positive ? g : std::abs(g)) - q.l1[j];
      EXPECT_LT(violation, 1e-8 * (1 + c.norm())) << "trial " << trial;
    }
    if (q.positive) {
      EXPECT_GE(q.w.minCoeff(), 0);
    }
  }
}
