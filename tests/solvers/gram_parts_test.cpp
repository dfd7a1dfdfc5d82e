// SPDX-License-Identifier: MIT
#include "support/problems.hpp"
#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/solvers/cholesky.hpp>
#include <sparse_experts/solvers/gram_descent.hpp>
#include <sparse_experts/solvers/support_newton.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

TEST(GramDescent, EveryNewtonPhaseDecreasesTheObjective) {
  se::Random random(4);
  for (int trial = 0; trial < 200; ++trial) {
    const Index p = 1 + random.below(30), n = 1 + random.below(40);
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
