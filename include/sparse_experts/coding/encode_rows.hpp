// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

/// What all encoders share: samples in, compressed rows of codes out.
namespace sparse_experts::detail {

/// Holds the non-zeros of up to `n_samples` samples; allocates only when it is made.
template <class Scalar>
class SampleBuffer {
 public:
  explicit SampleBuffer(Index n_features = 0, Index n_samples = 1)
      : n_features_(n_features),
        feature_(static_cast<std::size_t>(n_features * n_samples)),
        value_(static_cast<std::size_t>(n_features * n_samples)) {}

  /// The non-zeros of a dense sample, kept in place `slot`.
  template <class X>
  SparseSample<Scalar> gather(const X& x, Index slot = 0) {
    int* feature = feature_.data() + slot * n_features_;
    Scalar* value = value_.data() + slot * n_features_;
    Index size = 0;
    for (Index f = 0; f < x.size(); ++f) {
      const Scalar v = x[f];
      feature[size] = static_cast<int>(f);
      value[size] = v;
      size += v != Scalar(0);
    }
    return {feature, value, size};
  }
  /// Row i of a compressed sparse matrix, bound where its indices are int.
  template <class Rows>
  SparseSample<Scalar> gather_row(const Rows& x, Index i, Index slot = 0) {
    const auto begin = x.outerIndexPtr()[i];
    const Index size = x.outerIndexPtr()[i + 1] - begin;
    if constexpr (std::is_same_v<typename Rows::StorageIndex, int>) {
      return {x.innerIndexPtr() + begin, x.valuePtr() + begin, size};
    } else {
      int* feature = feature_.data() + slot * n_features_;
      for (Index e = 0; e < size; ++e) feature[e] = static_cast<int>(x.innerIndexPtr()[begin + e]);
      return {feature, x.valuePtr() + begin, size};
    }
  }

 private:
  Index n_features_;
  std::vector<int> feature_;
  std::vector<Scalar> value_;
};

inline double sum_of_parts(const std::array<double, 8>& part) {
  return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

/// |x|^2 in double: eight sums by the feature modulo 8, so that stored zeros change no bit.
template <class Scalar>
double squared_norm(const SparseSample<Scalar>& x) {
  std::array<double, 8> part{};
  for (Index i = 0; i < x.size; ++i) {
    const auto v = static_cast<double>(x.value[i]);
    part[static_cast<std::size_t>(x.feature[i] & 7)] += v * v;
  }
  return sum_of_parts(part);
}
/// Rows of codes under construction; entries of a row are pushed in ascending order.
template <class Scalar>
struct CodeRows {
  std::vector<int> index;
  std::vector<Scalar> value;
  std::vector<std::size_t> end;

  void push(int j, Scalar v) {
    index.push_back(j);
    value.push_back(v);
  }
  void end_row() { end.push_back(index.size()); }
};

template <class Scalar>
SparseRowMatrix<Scalar> assemble(const std::vector<CodeRows<Scalar>>& blocks, Index n, Index k,
                                 int n_threads) {
  SparseRowMatrix<Scalar> codes(n, k);
  std::vector<std::size_t> offset(blocks.size() + 1, 0);
  for (std::size_t b = 0; b < blocks.size(); ++b) offset[b + 1] = offset[b] + blocks[b].index.size();
  if (offset.back() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    reject("non-zeros of the codes", offset.back(), "fewer than 2^31: encode in smaller batches");
  codes.resizeNonZeros(static_cast<Index>(offset.back()));
  prefer_large_pages(codes.innerIndexPtr(), static_cast<Index>(offset.back()));
  prefer_large_pages(codes.valuePtr(), static_cast<Index>(offset.back()));
  std::vector<Index> first_row(blocks.size() + 1, 0);
  for (std::size_t b = 0; b < blocks.size(); ++b)
    first_row[b + 1] = first_row[b] + static_cast<Index>(blocks[b].end.size());
  parallel_blocks(static_cast<Index>(blocks.size()), 1, n_threads, [&](const Block& block) {
    const auto b = static_cast<std::size_t>(block.id);
    const CodeRows<Scalar>& rows = blocks[b];
    std::copy(rows.index.begin(), rows.index.end(), codes.innerIndexPtr() + offset[b]);
    std::copy(rows.value.begin(), rows.value.end(), codes.valuePtr() + offset[b]);
    for (std::size_t i = 0; i < rows.end.size(); ++i)
      codes.outerIndexPtr()[first_row[b] + static_cast<Index>(i) + 1] =
          static_cast<int>(offset[b] + rows.end[i]);
  });
  codes.outerIndexPtr()[0] = 0;
  return codes;
}

inline constexpr Index code_block = 256;  ///< samples of one block of work

/// Names what keeps |x|^2 from being a number.
template <class Scalar>
[[noreturn]] void reject_sample(const SparseSample<Scalar>& x, Index row) {
  for (Index i = 0; i < x.size; ++i)
    if (!is_finite(x.value[i]))
      reject(entry_name("X", row, x.feature[i], false), x.value[i], "a finite value");
  reject("|X.row(" + std::to_string(row) + ")|^2", "not finite", "a finite value");
}

/// Calls body(correlations D x, |x|^2, row, block, sink) for each row of X (DenseRows or SparseRows) and
/// returns the n x k codes that it pushed. Dense rows are correlated in groups, mostly empty ones entry by
/// entry. Correlations have the precision of the atoms. Rows that are not finite are rejected.
template <class Scalar, class Wide, class Rows, class Body>
SparseRowMatrix<Scalar> encode_rows(const Rows& x, const Atoms<Wide>& atoms, int n_threads, Body&& body) {
  constexpr Index batch = 48;  // rows whose correlations are held at a time
  const Index n = x.rows(), p = x.cols();
  std::vector<CodeRows<Scalar>> blocks(static_cast<std::size_t>(block_count(n, code_block)));
  const auto n_workers = static_cast<std::size_t>(
      std::max<Index>(1, std::min(resolve_threads(n_threads), block_count(n, code_block))));
  std::vector<Vector<Wide>> buffers(n_workers);
  std::vector<SampleBuffer<Scalar>> samples(n_workers);
  parallel_blocks(n, code_block, n_threads, [&](const Block& block) {
    Vector<Wide>& buffer = buffers[static_cast<std::size_t>(block.worker)];
    SampleBuffer<Scalar>& sample = samples[static_cast<std::size_t>(block.worker)];
    if (buffer.size() == 0) {
      buffer.resize(batch * atoms.padded());
      sample = SampleBuffer<Scalar>(p, batch);
    }
    CodeRows<Scalar>& sink = blocks[static_cast<std::size_t>(block.id)];
    sink.end.reserve(static_cast<std::size_t>(block.size()));
    std::array<SparseSample<Scalar>, static_cast<std::size_t>(batch)> gathered;
    std::array<double, static_cast<std::size_t>(batch)> norms;
    for (Index first = block.begin; first < block.end; first += batch) {
      const Index size = std::min(batch, block.end - first);
      Index stored = 0;
      for (Index i = 0; i < size; ++i) {
        SparseSample<Scalar>& row = gathered[static_cast<std::size_t>(i)];
        if constexpr (is_sparse<Rows>)
          row = sample.gather_row(x, first + i, i);
        else
          row = sample.gather(x.row(first + i), i);
        norms[static_cast<std::size_t>(i)] = squared_norm(row);
        if (!is_finite(norms[static_cast<std::size_t>(i)])) reject_sample(row, first + i);
        stored += row.size;
      }
      bool grouped = false;
      if constexpr (!is_sparse<Rows>) {
        grouped = 3 * stored > size * p;
        if (grouped)
          atoms.correlate_rows(x.data() + first * x.outerStride(), x.outerStride(), size, buffer.data());
      }
      if (!grouped) atoms.correlate(gathered.data(), size, buffer.data());
      for (Index i = 0; i < size; ++i) {
        body(buffer.data() + i * atoms.padded(), norms[static_cast<std::size_t>(i)], first + i, block, sink);
        sink.end_row();
      }
    }
  });
  return assemble(blocks, n, atoms.n_atoms(), n_threads);
}

/// Checks of a batch and of one sample.
template <class Rows>
void check_features(const Rows& x, Index n_features) {
  check_size("X.cols()", x.cols(), n_features, "features of the encoder");
}
template <class Rows>
void check_samples(const Rows& x, Index n_features) {
  check_features(x, n_features);
  check_finite(x, "X");
}
template <class X>
void check_sample(const X& x, Index n_features) {
  check_size("x.size()", x.size(), n_features, "features of the encoder");
  for (Index f = 0; f < x.size(); ++f)
    if (!is_finite(x[f])) reject(entry_name("x", f, 0, true), x[f], "a finite value");
}
template <class Derived>
void check_dictionary(const Eigen::MatrixBase<Derived>& d, std::string_view name) {
  check_not_empty(d.rows(), d.cols(), name);
  const RowMatrix<typename Derived::Scalar> copy = d;
  check_finite(copy, name);
}

}  // namespace sparse_experts::detail
