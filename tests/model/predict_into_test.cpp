// SPDX-License-Identifier: MIT
// predict_into allocates nothing: operator new and malloc are both counted.
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <gtest/gtest.h>
#include <support/problems.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> allocations{0};
std::atomic<bool> counting{false};
}  // namespace

#ifndef SPARSE_EXPERTS_SANITIZER_BUILD
// Eigen allocates by malloc, the containers by operator new, which ends in malloc.
extern "C" void* __libc_malloc(std::size_t size);
extern "C" void* malloc(std::size_t size) {  // NOLINT
  if (counting) ++allocations;
  return __libc_malloc(size);
}
#endif

namespace {

using namespace sparse_experts;

TEST(PredictInto, TheCounterSeesAllocations) {
#ifdef SPARSE_EXPERTS_SANITIZER_BUILD
  GTEST_SKIP() << "the sanitizers own malloc";
#endif
  counting = true;
  Vector<double> seen = Vector<double>::Ones(100);
  std::vector<int> other(50);
  counting = false;
  EXPECT_GE(allocations, 2) << seen.sum() << other.size();
}

template <class Scalar>
void expect_no_allocation(EncoderKind kind, ClusterOn on, Scaling scaling, Index n_clusters) {
  const auto data = test_support::make_blobs<Scalar>(120, 12, 3, 2.0, 8);
  typename SparseExpertModel<Scalar>::Options options;
  options.scaling = scaling;
  options.representation.kind = kind;
  options.representation.n_components = 30;
  options.representation.refine.epochs = 2;
  options.clustering.n_clusters = n_clusters;
  options.cluster_on = on;
  options.gate.top_k = 2;
  options.output.n_folds = 2;
  SparseExpertModel<Scalar> model(options);
  model.fit(data.X, data.labels);
  auto ws = model.workspace();
  Vector<Scalar> scores(3);
  const Vector<Scalar> x = data.X.row(0);
  allocations = 0;
  counting = true;
  int sum = 0;
  for (Index i = 0; i < 20; ++i) sum += model.predict_into(data.X.row(i), scores, ws);
  sum += model.predict_into(x, scores, ws);
  counting = false;
  EXPECT_EQ(allocations, 0) << to_string(kind) << ' ' << sum;
}

TEST(PredictInto, AllocatesNothing) {
#ifdef SPARSE_EXPERTS_SANITIZER_BUILD
  GTEST_SKIP() << "the sanitizers own malloc";
#endif
  for (const EncoderKind kind :
       {EncoderKind::identity, EncoderKind::soft_threshold, EncoderKind::feed_forward, EncoderKind::triangle})
    for (const Index n_clusters : {0, 4}) {
      expect_no_allocation<float>(kind, ClusterOn::codes, Scaling::unit_norm, n_clusters);
      expect_no_allocation<double>(kind, ClusterOn::input, Scaling::standardize, n_clusters);
    }
}

}  // namespace
