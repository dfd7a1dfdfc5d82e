# What our own tests, benchmarks and examples are built with. Nothing of this reaches a consumer of the library.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_program(SPARSE_EXPERTS_CCACHE ccache)
if(SPARSE_EXPERTS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness lets ccache work beside precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                                  ${SPARSE_EXPERTS_CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()

add_library(sparse_experts_developer INTERFACE)
target_link_libraries(sparse_experts_developer INTERFACE sparse_experts::sparse_experts)
target_compile_options(sparse_experts_developer INTERFACE
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror>
  # g++ 12 warns of its own AVX-512 intrinsics (GCC bug 105593).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-uninitialized>)

# Sanitizer builds run the same blocks on std::thread: the thread sanitizer cannot see into OpenMP's runtime.
option(SPARSE_EXPERTS_STD_THREADS "Run parallel loops on std::thread instead of OpenMP" OFF)
if(SPARSE_EXPERTS_STD_THREADS)
  find_package(Threads REQUIRED)
  target_compile_definitions(sparse_experts_developer INTERFACE SPARSE_EXPERTS_STD_THREADS)
  target_link_libraries(sparse_experts_developer INTERFACE Threads::Threads)
else()
  find_package(OpenMP QUIET)
  if(OpenMP_CXX_FOUND)
    target_link_libraries(sparse_experts_developer INTERFACE OpenMP::OpenMP_CXX)
  else()
    target_compile_options(sparse_experts_developer INTERFACE -Wno-unknown-pragmas)
  endif()
endif()
