// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <functional>

namespace sparse_experts {

/// What a running solve reports once per outer iteration.
struct Progress {
  const char* stage = "";  ///< what is being solved, e.g. "lasso", "kmeans"
  Index iteration = 0;     ///< outer iterations done
  double value = 0;        ///< quantity compared with the tolerance
  double tolerance = 0;    ///< where it stops
  double objective = 0;    ///< objective now
};

/// Called from the thread that called fit; returning false stops the solve with Status::stopped.
using ProgressCallback = std::function<bool(const Progress&)>;

namespace detail {
/// True when the solve shall go on.
inline bool report_progress(const ProgressCallback& callback, const Progress& progress) {
  return !callback || callback(progress);
}
}  // namespace detail

}  // namespace sparse_experts
