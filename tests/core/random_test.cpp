// SPDX-License-Identifier: MIT
#include <sparse_experts/core/random.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace se = sparse_experts;

// Known answer of Philox4x32-10 for counter 0 and key 0 (Random123's kat_vectors file).
TEST(Random, MatchesThePublishedKnownAnswer) {
  se::Random random(0, 0);
  EXPECT_EQ(random.next(), (std::uint64_t{0xe169c58d} << 32) | 0x6627e8d5u);
  EXPECT_EQ(random.next(), (std::uint64_t{0x9b00dbd8} << 32) | 0xbc57ac4cu);
}

TEST(Random, StreamsAndSeedsDiffer) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    for (std::uint64_t stream = 0; stream < 50; ++stream) seen.insert(se::Random(seed, stream).next());
  EXPECT_EQ(seen.size(), 2500u);
}

TEST(Random, MomentsOfUniformAndNormal) {
  se::Random random(7);
  const int n = 200000;
  double mean = 0, square = 0, normal_mean = 0, normal_square = 0, normal_fourth = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform(), z = random.normal();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    mean += u / n;
    square += u * u / n;
    normal_mean += z / n;
    normal_square += z * z / n;
    normal_fourth += z * z * z * z / n;
  }
  EXPECT_NEAR(mean, 0.5, 5e-3);
  EXPECT_NEAR(square, 1.0 / 3, 5e-3);
  EXPECT_NEAR(normal_mean, 0, 1e-2);
  EXPECT_NEAR(normal_square, 1, 2e-2);
  EXPECT_NEAR(normal_fourth, 3, 0.1);
}

TEST(Random, BelowIsUniformAndPermutationIsComplete) {
  se::Random random(3);
  std::vector<int> counts(7, 0);
  for (int i = 0; i < 70000; ++i) ++counts[static_cast<std::size_t>(random.below(7))];
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);
  std::vector<se::Index> order = random.permutation(100);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (se::Index i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}
