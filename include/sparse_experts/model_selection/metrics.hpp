// SPDX-License-Identifier: MIT
#pragma once

/// All measures: of predictions, of clusterings against known labels, of clusterings by themselves.
#include <sparse_experts/model_selection/clustering_metrics.hpp>
#include <sparse_experts/model_selection/prediction_metrics.hpp>
#include <sparse_experts/model_selection/silhouette.hpp>
