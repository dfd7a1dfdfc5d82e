// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/model/policies.hpp>

#include <vector>

namespace sparse_experts::detail {

/// What a caller gave as y, checked: labels (any ints, 2 or more classes; `classes` receives them, ascending)
/// or finite values.
template <class Scalar, bool is_classifier, class Y>
Targets<Scalar> make_targets(const Y& y, Index n, std::vector<int>& classes) {
  Targets<Scalar> targets;
  if constexpr (is_classifier) {
    const LabelVector labels = as_labels(y);
    check_size("labels.size()", labels.size(), n, "X.rows()");
    classes = distinct_labels(labels);
    if (classes.size() < 2) reject("number of classes in labels", classes.size(), "at least 2");
    targets.n_classes = static_cast<Index>(classes.size());
    targets.labels = classes;
    targets.classes.resize(n);
    for (Index i = 0; i < n; ++i) targets.classes[i] = static_cast<int>(class_of(classes, labels[i]));
  } else {
    check_size("y.size()", y.size(), n, "X.rows()");
    targets.values = y;
    check_finite(targets.values, "y");
  }
  return targets;
}

}  // namespace sparse_experts::detail
