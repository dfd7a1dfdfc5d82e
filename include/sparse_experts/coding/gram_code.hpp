// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <vector>

/// One sparse code, seen through the Gram matrix:
///   min_s  1/2 |x|^2 - c's + 1/2 s'G s + alpha |s|_1,   c = D x,  G = D D' + alpha2 I,  s >= 0 optional.
/// g = c - G s are the correlations of the residual; s is optimal when |g_j| <= alpha everywhere and g_j =
/// alpha sign(s_j) on the support (without the absolute value where s >= 0 is asked for).
namespace sparse_experts::detail {

template <class Scalar>
struct CodeProblem {
  const Scalar* gram = nullptr;  // k rows of `stride` entries, zeros beyond k
  Index k = 0, stride = 0;
  Index rank = 0;  // no more atoms than this are independent
  double alpha = 0;
  bool positive = false;
  double tol = 0;
  Index max_iter = 0;
  double largest_norm = 0;  // of the atoms

  const Scalar* row(Index j) const { return gram + j * stride; }
  Scalar diagonal(Index j) const { return gram[j * stride + j]; }
};

/// The code under construction: the support in the order in which it was found.
template <class Scalar>
struct CodeState {
  explicit CodeState(Index k = 0, Index padded = 0)
      : g(Vector<Scalar>::Zero(padded)),
        support(static_cast<std::size_t>(k)),
        value(Vector<Scalar>::Zero(padded)) {}

  Vector<Scalar> g;          // correlations of the residual, padded
  std::vector<int> support;  // first `size` entries
  Vector<Scalar> value;      // first `size` entries, by the support
  Index size = 0;
};

struct CodeCertificate {
  double objective = 0;
  double value = 0;  // relative duality gap
};

/// Largest |g_j| (or g_j) of each lane of the vectors that g is cut into, and where it is.
template <class Scalar>
struct Peaks {
  std::array<Scalar, static_cast<std::size_t>(lane_width<Scalar>)> value;
  std::array<int, static_cast<std::size_t>(lane_width<Scalar>)> index;

  /// The largest; of equal ones the first atom.
  std::size_t largest() const {
    std::size_t best = 0;
    for (std::size_t lane = 1; lane < value.size(); ++lane) {
      const bool better =
          value[lane] > value[best] || (value[lane] == value[best] && index[lane] < index[best]);
      best = better ? lane : best;
    }
    return best;
  }
};

/// G = D D' + alpha2 I, rows padded with zeros.
template <class Wide, class Scalar>
RowMatrix<Wide> padded_gram(const Atoms<Wide>& atoms, const RowMatrix<Scalar>& dictionary, double alpha2) {
  RowMatrix<Wide> gram(atoms.n_atoms(), atoms.padded());
  atoms.correlate_rows(dictionary.data(), dictionary.cols(), dictionary.rows(), gram.data());
  for (Index j = 0; j < gram.rows(); ++j) gram(j, j) += static_cast<Wide>(alpha2);
  return gram;
}

/// `Count` vectors of g from `first` on: g = c - sum_i value_i G_(support_i).
template <bool Positive, std::size_t Count, class Scalar, class Vec, class Mask>
void residual_run(const CodeProblem<Scalar>& problem, const Scalar* c, CodeState<Scalar>& state, Index first,
                  Vec& best, Mask& at) {
  constexpr Index w = lane_width<Scalar>;
  Vec sum[Count];
  for (std::size_t q = 0; q < Count; ++q) sum[q] = lanes(c + first + static_cast<Index>(q) * w);
  const int* support = state.support.data();
  const Scalar* value = state.value.data();
  for (Index i = 0; i < state.size; ++i) {
    const Scalar* row = problem.row(support[i]) + first;
    const Scalar v = value[i];
    for (std::size_t q = 0; q < Count; ++q) sum[q] -= v * lanes(row + static_cast<Index>(q) * w);
  }
  for (std::size_t q = 0; q < Count; ++q) {
    const Index from = first + static_cast<Index>(q) * w;
    lanes(state.g.data() + from) = sum[q];
    const Vec size = Positive ? sum[q] : (sum[q] < 0 ? -sum[q] : sum[q]);
    const Mask greater = size > best;
    best = greater ? size : best;
    at = greater ? Mask{} + static_cast<std::decay_t<decltype(at[0])>>(from) : at;
  }
}

template <bool Positive, class Scalar>
Peaks<Scalar> residual_peaks(const CodeProblem<Scalar>& problem, const Scalar* c, CodeState<Scalar>& state) {
  constexpr Index w = lane_width<Scalar>;
  typename Lanes<Scalar>::Type best{};
  typename Lanes<Scalar>::Mask at{};
  Index first = 0;
  for (; first + 8 * w <= problem.stride; first += 8 * w)
    residual_run<Positive, 8>(problem, c, state, first, best, at);
  if (first < problem.stride) residual_run<Positive, 4>(problem, c, state, first, best, at);
  Peaks<Scalar> peaks;
  for (std::size_t lane = 0; lane < peaks.value.size(); ++lane) {
    peaks.value[lane] = best[lane];
    peaks.index[lane] = static_cast<int>(at[lane]) + static_cast<int>(lane);
  }
  return peaks;
}

/// g = c - G s from scratch, and its peaks: k (size + 1) multiplications in registers.
template <class Scalar>
Peaks<Scalar> residual_correlations(const CodeProblem<Scalar>& problem, const Scalar* c,
                                    CodeState<Scalar>& state) {
  return problem.positive ? residual_peaks<true>(problem, c, state)
                          : residual_peaks<false>(problem, c, state);
}

/// Objective and relative duality gap of the code from c, g = c - G s and the peak of g.
/// With r' = (x - D's, -sqrt(alpha2) s) the dual point is theta = min(1, alpha / peak) r'; primal, dual and
/// |theta|^2 follow from inner products over the support alone. The gap is divided by |x|^2 / 2. With alpha =
/// 0 no multiple of r' is feasible; the value is then the largest |g_j| / (|x| max_j |d_j|).
template <class Scalar>
CodeCertificate certificate(const CodeProblem<Scalar>& problem, const Scalar* c,
                            const CodeState<Scalar>& state, double peak, double squared_norm) {
  double cs = 0, gs = 0, l1 = 0;
  for (Index i = 0; i < state.size; ++i) {
    const auto j = static_cast<Index>(state.support[static_cast<std::size_t>(i)]);
    const auto s = static_cast<double>(state.value.data()[i]);
    cs += static_cast<double>(c[j]) * s;
    gs += static_cast<double>(state.g.data()[j]) * s;
    l1 += std::abs(s);
  }
  const double xr = squared_norm - cs, rr = std::max(0.0, squared_norm - cs - gs);
  CodeCertificate result;
  result.objective = 0.5 * rr + problem.alpha * l1;
  if (!(squared_norm > 0)) return result;
  if (problem.alpha > 0) {
    const double scale = peak > problem.alpha ? problem.alpha / peak : 1.0;
    const double dual = scale * xr - 0.5 * scale * scale * rr;
    result.value = std::max(0.0, result.objective - dual) / (0.5 * squared_norm);
  } else {
    double residual = peak;
    for (Index i = 0; i < state.size; ++i)
      residual =
          std::max(residual,
                   std::abs(static_cast<double>(state.g.data()[state.support[static_cast<std::size_t>(i)]])));
    result.value = residual / (std::sqrt(squared_norm) * std::max(problem.largest_norm, 1e-300));
  }
  return result;
}

/// The support in ascending order, zeros dropped.
template <class Scalar>
void sort_support(CodeState<Scalar>& state) {
  int* support = state.support.data();
  Scalar* value = state.value.data();
  Index kept = 0;
  for (Index i = 0; i < state.size; ++i) {
    const int j = support[i];
    const Scalar v = value[i];
    if (v == Scalar(0)) continue;
    Index to = kept++;
    for (; to > 0 && support[to - 1] > j; --to) {
      support[to] = support[to - 1];
      value[to] = value[to - 1];
    }
    support[to] = j;
    value[to] = v;
  }
  state.size = kept;
}

}  // namespace sparse_experts::detail
