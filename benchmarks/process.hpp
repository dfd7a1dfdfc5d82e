// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <fstream>
#include <ios>
#include <string>
#include <vector>

/// What benchmark programs ask of the system: arrays in files, and their own memory.

/// All values of a raw file.
template <class T>
std::vector<T> read(const std::string& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  std::vector<T> values(static_cast<std::size_t>(in.tellg()) / sizeof(T));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

/// High-water mark of this process in MB (getrusage would include the one that started it).
inline double peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      double kilobytes = 0;
      status >> kilobytes;
      return kilobytes / 1024;
    }
  return 0;
}
