// SPDX-License-Identifier: MIT
// The forward declarations agree with the definitions, default template arguments included.
#include <sparse_experts/fwd.hpp>

namespace {
using Declared = sparse_experts::SparseExpertModel<float>;
Declared* declared = nullptr;
}  // namespace

#include <sparse_experts/sparse_experts.hpp>

#include <gtest/gtest.h>

#include <type_traits>

namespace se = sparse_experts;

TEST(Forward, NamesTheSameTypes) {
  static_assert(
      std::is_same_v<Declared, se::SparseExpertModel<float, se::Encoder<float>, se::ClusterPolicy<float>,
                                                     se::L1SVMExpert<float>>>);
  static_assert(sizeof(se::Lasso<double>) > 0 && sizeof(se::LassoCV<float>) > 0 &&
                sizeof(se::L1SVM<double>) > 0);
  static_assert(sizeof(se::KMeans<float>) > 0 && sizeof(se::DBSCAN<double>) > 0);
  static_assert(sizeof(se::DictionaryLearning<float>) > 0 && sizeof(se::SparseExpertCV<float>) > 0);
  EXPECT_EQ(declared, nullptr);
}
