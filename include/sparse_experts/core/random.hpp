// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
/// 1, 2, 3", SC 2011). The i-th number of stream s under a seed depends on (seed, s, i) alone, so blocks of
/// work draw from streams of their own and give the same numbers on every platform and at any number of
/// threads. Integers and uniform numbers are exactly portable; normal() is so up to rounding of log and sqrt.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0)
      : key_{low(seed), high(seed)}, counter_{0, 0, low(stream), high(stream)} {}

  /// 64 random bits.
  std::uint64_t next() {
    if (used_ == 2) refill();
    return buffer_[used_++];
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low_end, double high_end) { return low_end + (high_end - low_end) * uniform(); }

  /// Uniform in {0, …, n-1}, without bias (rejection of the incomplete last interval). n >= 1.
  Index below(Index n) {
    const auto range = static_cast<std::uint64_t>(n);
    const std::uint64_t limit = range * (UINT64_MAX / range);
    std::uint64_t bits = next();
    while (bits >= limit) bits = next();
    return static_cast<Index>(bits % range);
  }

  /// Standard normal: polar method of Marsaglia and Bray (1964).
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    double u = 0, v = 0, s = 0;
    do {
      u = uniform(-1, 1);
      v = uniform(-1, 1);
      s = u * u + v * v;
    } while (s >= 1 || s == 0);
    const double scale = std::sqrt(-2 * std::log(s) / s);
    spare_ = v * scale;
    has_spare_ = true;
    return u * scale;
  }

  /// Fisher-Yates.
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(static_cast<Index>(i)))]);
  }

  /// A random order of 0, …, n-1.
  std::vector<Index> permutation(Index n) {
    std::vector<Index> order(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Index>(i);
    shuffle(order);
    return order;
  }

 private:
  using Words = std::array<std::uint32_t, 4>;

  static constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x & 0xFFFFFFFFu); }
  static constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

  void refill() {
    Words x = counter_;
    std::uint32_t k0 = key_[0], k1 = key_[1];
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t a = std::uint64_t{0xD2511F53u} * x[0], b = std::uint64_t{0xCD9E8D57u} * x[2];
      x = {high(b) ^ x[1] ^ k0, low(b), high(a) ^ x[3] ^ k1, low(a)};
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    buffer_ = {(std::uint64_t{x[1]} << 32) | x[0], (std::uint64_t{x[3]} << 32) | x[2]};
    used_ = 0;
    if (++counter_[0] == 0) ++counter_[1];
  }

  std::array<std::uint32_t, 2> key_;
  Words counter_;
  std::array<std::uint64_t, 2> buffer_{};
  std::size_t used_ = 2;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace sparse_experts
