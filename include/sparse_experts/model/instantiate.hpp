// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/model/extern_templates.hpp>

/// For exactly one file of a program that defines SPARSE_EXPERTS_EXTERN_TEMPLATES: compiles what
/// extern_templates.hpp declares.
namespace sparse_experts {
SPARSE_EXPERTS_TEMPLATES()
}  // namespace sparse_experts
