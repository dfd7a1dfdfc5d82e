// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
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

/// Memory that begins where a large page does, if it is as large as one: else all before the first boundary,
/// half a page on average, would lie on small ones. A vector with it grows by numbers that are not
/// initialised.
template <class T>
struct LargePageAllocator {
  using value_type = T;
  static constexpr std::size_t page = std::size_t{2} << 20;

  LargePageAllocator() = default;
  template <class Other>
  LargePageAllocator(const LargePageAllocator<Other>&) {}

  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    void* data = ::operator new(bytes, alignment(count));
    prefer_large_pages(data, bytes);
    return static_cast<T*>(data);
  }
  void deallocate(T* data, std::size_t count) noexcept { ::operator delete(data, alignment(count)); }

  template <class U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }

  friend bool operator==(LargePageAllocator, LargePageAllocator) { return true; }

 private:
  static std::align_val_t alignment(std::size_t count) {
    return std::align_val_t{count * sizeof(T) >= page ? page : std::size_t{64}};
  }
};

template <class T>
using LargeVector = std::vector<T, LargePageAllocator<T>>;

/// A matrix of numbers, by columns, on large pages where it is large: an Eigen::Map that owns what it shows.
/// New entries are not initialised, so that room which is never used is never touched.
class LargeMatrix : public Eigen::Map<Matrix<double>> {
  using View = Eigen::Map<Matrix<double>>;

 public:
  LargeMatrix() : View(nullptr, 0, 0) {}
  LargeMatrix(Index rows, Index cols) : View(allocate(rows * cols), rows, cols) {}
  LargeMatrix(LargeMatrix&& other) noexcept : View(other.data(), other.rows(), other.cols()) {
    other.show(nullptr, 0, 0);
  }
  LargeMatrix& operator=(LargeMatrix&& other) noexcept {
    if (this == &other) return *this;
    free();
    show(other.data(), other.rows(), other.cols());
    other.show(nullptr, 0, 0);
    return *this;
  }
  template <class Other>
  LargeMatrix& operator=(const Eigen::MatrixBase<Other>& values) {
    resize(values.rows(), values.cols());
    View::operator=(values);
    return *this;
  }
  ~LargeMatrix() { free(); }

  /// Entries are kept only if the shape is.
  void resize(Index rows, Index cols) {
    if (rows != this->rows() || cols != this->cols()) *this = LargeMatrix(rows, cols);
  }

 private:
  static double* allocate(Index count) {
    return count > 0 ? LargePageAllocator<double>().allocate(static_cast<std::size_t>(count)) : nullptr;
  }
  void free() noexcept {
    if (data()) LargePageAllocator<double>().deallocate(data(), static_cast<std::size_t>(size()));
  }
  /// How Eigen's manual has a Map show another array.
  void show(double* data, Index rows, Index cols) { new (static_cast<View*>(this)) View(data, rows, cols); }
};

}  // namespace sparse_experts::detail
