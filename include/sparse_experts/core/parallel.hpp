// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <exception>
#include <type_traits>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#elif defined(SPARSE_EXPERTS_STD_THREADS)
#include <atomic>
#include <thread>
#endif

#if defined(__GNUC__)
#define SPARSE_EXPERTS_NOINLINE __attribute__((noinline))
#else
#define SPARSE_EXPERTS_NOINLINE
#endif

/// Deterministic parallel loops. Work is cut into blocks by its size, never by the number of threads, and
/// partial results are combined in the order of the blocks, so every result has the same bits at any
/// n_threads. Runs on OpenMP where the including program is compiled with it, on std::thread where
/// SPARSE_EXPERTS_STD_THREADS is defined, serially otherwise.
namespace sparse_experts::detail {

/// A run of consecutive items; `worker` < number of threads names the thread's private workspace.
struct Block {
  Index id = 0;
  Index begin = 0;
  Index end = 0;
  Index worker = 0;

  Index size() const { return end - begin; }
};

/// Threads to use for an `n_threads` option (0 = all). Inside a parallel region: 1.
inline Index resolve_threads(int n_threads) {
#if defined(_OPENMP)
  if (omp_in_parallel()) return 1;
  return n_threads > 0 ? n_threads : std::max(1, omp_get_max_threads());
#elif defined(SPARSE_EXPERTS_STD_THREADS)
  return n_threads > 0 ? n_threads
                       : std::max<Index>(1, static_cast<Index>(std::thread::hardware_concurrency()));
#else
  (void)n_threads;
  return 1;
#endif
}

/// Work (in entries) below some ten microseconds is not worth waking other threads for.
inline int threads_for(Index work, int n_threads) { return work < 100000 ? 1 : n_threads; }

constexpr Index block_count(Index n_items, Index block_size) {
  return n_items <= 0 ? 0 : (n_items - 1) / std::max<Index>(1, block_size) + 1;
}

/// A body of parallel_blocks behind a function pointer: the loops around it are compiled once, not once a
/// body.
struct BlockBody {
  void (*call)(void* body, const Block& block);
  void* body;
};

template <class = void>
void run_blocks(Index n_items, Index block_size, int n_threads, BlockBody body) {
  const Index size = std::max<Index>(1, block_size);
  const Index n_blocks = block_count(n_items, size);
  [[maybe_unused]] const Index n_workers = std::min(resolve_threads(n_threads), n_blocks);
  const auto run = [&](Index id, Index worker) {
    body.call(body.body, Block{id, id * size, std::min(n_items, (id + 1) * size), worker});
  };
#if defined(_OPENMP) || defined(SPARSE_EXPERTS_STD_THREADS)
  if (n_workers > 1) {
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(n_blocks));
    const auto guarded = [&](Index id, Index worker) {
      try {
        run(id, worker);
      } catch (...) {
        errors[static_cast<std::size_t>(id)] = std::current_exception();
      }
    };
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1) num_threads(static_cast <int>(n_workers))
    for (Index id = 0; id < n_blocks; ++id) guarded(id, omp_get_thread_num());
#else
    std::atomic<Index> next{0};
    const auto work = [&](Index worker) {
      for (Index id = next++; id < n_blocks; id = next++) guarded(id, worker);
    };
    std::vector<std::thread> threads;
    for (Index worker = 1; worker < n_workers; ++worker) threads.emplace_back(work, worker);
    work(0);
    for (std::thread& thread : threads) thread.join();
#endif
    for (const std::exception_ptr& error : errors)
      if (error) std::rethrow_exception(error);
    return;
  }
#endif
  for (Index id = 0; id < n_blocks; ++id) run(id, 0);
}

/// Calls body(Block) once for each block of `block_size` items out of [0, n_items). Blocks are handed out
/// dynamically; body must write only to places that belong to its block or its worker. An exception leaves
/// with the block of the lowest id that threw.
template <class Body>
void parallel_blocks(Index n_items, Index block_size, int n_threads, Body&& body) {
  using B = std::remove_reference_t<Body>;
  // One copy of the body for the serial and the parallel loop: inlined in two places, the compiler may fuse
  // multiplications and additions in one and not in the other, and the bits would differ.
  const auto call = [](void* one, const Block& block)
                        SPARSE_EXPERTS_NOINLINE { (*static_cast<B*>(one))(block); };
  run_blocks(n_items, block_size, n_threads, {call, const_cast<void*>(static_cast<const void*>(&body))});
}

/// Sum over blocks of body(Block) -> T, added in the order of the blocks.
template <class T, class Body>
T parallel_sum(Index n_items, Index block_size, int n_threads, T zero, Body&& body) {
  std::vector<T> parts(static_cast<std::size_t>(block_count(n_items, block_size)), zero);
  parallel_blocks(n_items, block_size, n_threads,
                  [&](const Block& block) { parts[static_cast<std::size_t>(block.id)] = body(block); });
  for (const T& part : parts) zero += part;
  return zero;
}

}  // namespace sparse_experts::detail
