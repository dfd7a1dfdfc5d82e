// SPDX-License-Identifier: MIT
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/random.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

namespace se = sparse_experts;
using se::detail::Block;

TEST(Parallel, EveryItemIsVisitedOnce) {
  for (int n_threads : {0, 1, 2, 5})
    for (se::Index n : {0, 1, 7, 64, 1000})
      for (se::Index block_size : {1, 3, 64, 5000}) {
        std::vector<int> visits(static_cast<std::size_t>(n), 0);
        se::detail::parallel_blocks(n, block_size, n_threads, [&](const Block& block) {
          for (se::Index i = block.begin; i < block.end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        for (int count : visits) EXPECT_EQ(count, 1);
      }
}

TEST(Parallel, SumsHaveTheSameBitsAtAnyNumberOfThreads) {
  se::Random random(1);
  std::vector<double> x(10007);
  for (double& v : x) v = random.normal();
  const auto sum = [&](int n_threads) {
    return se::detail::parallel_sum(static_cast<se::Index>(x.size()), 100, n_threads, 0.0,
                                    [&](const Block& block) {
                                      double part = 0;
                                      for (se::Index i = block.begin; i < block.end; ++i)
                                        part += x[static_cast<std::size_t>(i)];
                                      return part;
                                    });
  };
  const double expected = sum(1);
  for (int n_threads : {2, 3, 5, 8}) EXPECT_EQ(sum(n_threads), expected);
}

TEST(Parallel, TheExceptionOfTheFirstBlockLeaves) {
  for (int n_threads : {1, 2, 5}) {
    try {
      se::detail::parallel_blocks(100, 1, n_threads, [](const Block& block) {
        if (block.id >= 40) throw std::runtime_error(std::to_string(block.id));
      });
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "40");
    }
  }
}
