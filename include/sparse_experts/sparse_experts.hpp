// SPDX-License-Identifier: MIT
#pragma once

/// All of the library but the optional headers (io/). To keep compile times low include the single header of
/// a solver.

#include <sparse_experts/clustering/balanced.hpp>
#include <sparse_experts/clustering/dbscan.hpp>
#include <sparse_experts/clustering/kmeans.hpp>
#include <sparse_experts/clustering/mini_batch.hpp>
#include <sparse_experts/clustering/spherical.hpp>
#include <sparse_experts/coding/dictionary_learning.hpp>
#include <sparse_experts/coding/feed_forward.hpp>
#include <sparse_experts/coding/omp.hpp>
#include <sparse_experts/coding/selection.hpp>
#include <sparse_experts/coding/soft_threshold.hpp>
#include <sparse_experts/coding/sparse_coder.hpp>
#include <sparse_experts/coding/triangle.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/fwd.hpp>
#include <sparse_experts/linear/elastic_net.hpp>
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/linear/l1_svm_cv.hpp>
#include <sparse_experts/linear/l1_svm_path.hpp>
#include <sparse_experts/linear/lasso.hpp>
#include <sparse_experts/linear/lasso_cv.hpp>
#include <sparse_experts/linear/path.hpp>
#include <sparse_experts/model/elastic_net_expert.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>
#include <sparse_experts/model/sparsify.hpp>
#include <sparse_experts/model_selection/metrics.hpp>
#include <sparse_experts/model_selection/sparse_expert_cv.hpp>
#include <sparse_experts/model_selection/split.hpp>
#include <sparse_experts/version.hpp>
