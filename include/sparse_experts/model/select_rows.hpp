// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <vector>

namespace sparse_experts::detail {

/// Rows [begin, end) of a view.
template <class Scalar>
DenseRows<Scalar> row_range(const DenseRows<Scalar>& rows, Index begin, Index end) {
  return {rows.data() + begin * rows.outerStride(), end - begin, rows.cols(),
          Eigen::OuterStride<>(rows.outerStride())};
}
template <class Scalar>
SparseRows<Scalar> row_range(const SparseRows<Scalar>& rows, Index begin, Index end) {
  return {end - begin,
          rows.cols(),
          static_cast<Index>(rows.outerIndexPtr()[end] - rows.outerIndexPtr()[begin]),
          rows.outerIndexPtr() + begin,
          rows.innerIndexPtr(),
          rows.valuePtr()};
}
template <class Scalar>
SparseRows<Scalar> sparse_view(const SparseRowMatrix<Scalar>& m) {
  return {m.rows(), m.cols(), m.nonZeros(), m.outerIndexPtr(), m.innerIndexPtr(), m.valuePtr()};
}

/// Copies of the first `count` picked rows.
template <class Scalar>
SparseRowMatrix<Scalar> select_rows(const SparseRows<Scalar>& rows, const std::vector<Index>& picked,
                                    Index count) {
  const int *begin = rows.outerIndexPtr(), *index = rows.innerIndexPtr();
  SparseRowMatrix<Scalar> out(count, rows.cols());
  Index total = 0;
  for (Index r = 0; r < count; ++r) {
    const Index i = picked[static_cast<std::size_t>(r)];
    total += begin[i + 1] - begin[i];
  }
  out.resizeNonZeros(total);
  int at = 0;
  for (Index r = 0; r < count; ++r) {
    const Index i = picked[static_cast<std::size_t>(r)];
    out.outerIndexPtr()[r] = at;
    std::copy(index + begin[i], index + begin[i + 1], out.innerIndexPtr() + at);
    std::copy(rows.valuePtr() + begin[i], rows.valuePtr() + begin[i + 1], out.valuePtr() + at);
    at += begin[i + 1] - begin[i];
  }
  out.outerIndexPtr()[count] = at;
  return out;
}
template <class Scalar>
RowMatrix<Scalar> select_rows(const DenseRows<Scalar>& rows, const std::vector<Index>& picked, Index count) {
  RowMatrix<Scalar> out(count, rows.cols());
  for (Index r = 0; r < count; ++r) {
    const Scalar* row = rows.data() + picked[static_cast<std::size_t>(r)] * rows.outerStride();
    std::copy(row, row + rows.cols(), out.data() + r * rows.cols());
  }
  return out;
}

/// The same of all picked rows.
template <class Scalar, class Rows>
auto select_rows(const Rows& rows, const std::vector<Index>& picked) {
  return select_rows<Scalar>(rows, picked, static_cast<Index>(picked.size()));
}
template <class Scalar>
SparseRowMatrix<Scalar> select_rows(const SparseRowMatrix<Scalar>& m, const std::vector<Index>& picked) {
  return select_rows<Scalar>(sparse_view(m), picked, static_cast<Index>(picked.size()));
}

}  // namespace sparse_experts::detail
