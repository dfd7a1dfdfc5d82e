// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/linear/extern_templates.hpp>
#include <sparse_experts/model/extern_templates.hpp>

/// For exactly one file of a program that defines SPARSE_EXPERTS_EXTERN_TEMPLATES: compiles what the two
/// headers declare.
namespace sparse_experts {
SPARSE_EXPERTS_LINEAR_TEMPLATES()
SPARSE_EXPERTS_TEMPLATES()
}  // namespace sparse_experts
