// SPDX-License-Identifier: MIT
#pragma once

/// Version of the library, `major * 10000 + minor * 100 + patch`; CMakeLists.txt reads the three numbers
/// here.
#define SPARSE_EXPERTS_VERSION_MAJOR 0
#define SPARSE_EXPERTS_VERSION_MINOR 1
#define SPARSE_EXPERTS_VERSION_PATCH 0
#define SPARSE_EXPERTS_VERSION \
  (SPARSE_EXPERTS_VERSION_MAJOR * 10000 + SPARSE_EXPERTS_VERSION_MINOR * 100 + SPARSE_EXPERTS_VERSION_PATCH)
