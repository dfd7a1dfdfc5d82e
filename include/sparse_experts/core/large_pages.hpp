// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sparse_experts::detail {

/// Asks the system to back a large array that is about to be filled with large pages: the first touch of a
/// page costs as much as some thousand multiply-adds. A hint; where it is not known nothing happens. Ref:
/// what numpy does for its arrays since 1.22.
inline void prefer_large_pages([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::size_t page = 4096, least = std::size_t{2} << 20;
  if (bytes < least) return;
  const std::size_t offset = (page - reinterpret_cast<std::uintptr_t>(data) % page) % page;
  (void)madvise(static_cast<char*>(data) + offset, bytes - offset, MADV_HUGEPAGE);
#endif
}

template <class T>
void prefer_large_pages(T* data, Index count) {
  prefer_large_pages(static_cast<void*>(data), static_cast<std::size_t>(count) * sizeof(T));
}

/// The same for a vector that is still empty.
template <class T>
void resize_on_large_pages(std::vector<T>& values, std::size_t count) {
  values.reserve(count);
  prefer_large_pages(values.data(), static_cast<Index>(count));
  values.resize(count);
}

/// A matrix that is not initialised, on large pages where it is large.
template <class Scalar>
Matrix<Scalar> large_matrix(Index rows, Index cols) {
  Matrix<Scalar> matrix(rows, cols);
  prefer_large_pages(matrix.data(), matrix.size());
  return matrix;
}

}  // namespace sparse_experts::detail
