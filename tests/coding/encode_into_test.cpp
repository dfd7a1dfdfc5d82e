// SPDX-License-Identifier: MIT
// No encoder allocates for one sample, by operator new or by malloc.
#include "coding/coding_problems.hpp"
#include <sparse_experts/coding/feed_forward.hpp>
#include <sparse_experts/coding/omp.hpp>
#include <sparse_experts/coding/selection.hpp>
#include <sparse_experts/coding/soft_threshold.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/coding/triangle.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> allocations{0};
}

#ifndef SPARSE_EXPERTS_SANITIZER_BUILD
// The C library's own entry points, so that calls of malloc by Eigen are seen as well.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
}
#endif

namespace se = sparse_experts;
using se::Index;

namespace {

se::Random generator(3);
const se::RowMatrix<float> D = test_support::unit_rows<float>(90, 40, generator);
const se::RowMatrix<float> X = test_support::mixtures<float>(D, 200, 5, 0.1, generator);

template <class Coder>
long allocations_of(const Coder& coder) {
  auto workspace = coder.workspace();
  se::Vector<float> code(coder.n_components());
  se::RowMatrix<float> rows(1, coder.n_components());
  const long before = allocations;
  for (Index i = 0; i < X.rows(); ++i) {
    coder.encode_into(X.row(i), code, workspace);
    coder.encode_into(X.row(i), rows.row(0), workspace);
  }
  return allocations - before;
}

}  // namespace

TEST(EncodeInto, AllocationsAreSeen) {
#ifdef SPARSE_EXPERTS_SANITIZER_BUILD
  GTEST_SKIP() << "sanitizers have an allocator of their own";
#endif
  const long before = allocations;
  const se::Vector<float> v = se::Vector<float>::Zero(1000);
  EXPECT_GT(allocations - before + (v[0] > 0 ? 1 : 0), 0);
}

TEST(EncodeInto, DoesNotAllocate) {
  for (const auto algorithm :
       {se::SparseCoderAlgorithm::automatic, se::SparseCoderAlgorithm::active_set,
        se::SparseCoderAlgorithm::homotopy, se::SparseCoderAlgorithm::coordinate_descent})
    for (const bool positive : {false, true})
      EXPECT_EQ(allocations_of(
                    se::SparseCoder<float>(D, {.alpha = 0.05, .positive = positive, .algorithm = algorithm})),
                0);
  EXPECT_EQ(allocations_of(se::OmpCoder<float>(D, {.n_nonzero = 8})), 0);
  EXPECT_EQ(allocations_of(se::FeedForwardCoder<float>(D, {.theta = 0.1})), 0);
  EXPECT_EQ(allocations_of(se::TriangleCoder<float>(D)), 0);
  EXPECT_EQ(allocations_of(se::SoftThresholdCoder<float>(40, {.alpha = 0.1})), 0);
  se::LassoSelection<float> selection;
  selection.fit(X, se::Vector<float>(X.col(3) - X.col(5)));
  EXPECT_EQ(allocations_of(selection), 0);
}
