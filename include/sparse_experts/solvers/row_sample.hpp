// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace sparse_experts::detail {

/// Every eighth row of X, copied: where few rows already tell the weights roughly, the first steps of a
/// solver need no more. Cost: one pass over X; 12 bytes for each entry of the rows kept.
class RowSample final : public MarginColumns {
 public:
  static constexpr Index stride = 8;

  RowSample(const MarginColumns& x, int n_threads)
      : MarginColumns((x.rows() + stride - 1) / stride, x.cols(), false) {
    columns_.resize(static_cast<std::size_t>(cols()));
    norms_.resize(cols());
    parallel_blocks(cols(), 64, n_threads, [&](const Block& block) {
      ColumnCopy scratch;
      for (Index j = block.begin; j < block.end; ++j) {
        ColumnCopy& column = columns_[static_cast<std::size_t>(j)];
        const ColumnRun run = x.visit(j, scratch);
        double square = 0;
        const auto keep = [&](Index i, double value) {
          column.rows.push_back(static_cast<std::int32_t>(i / stride));
          column.values.push_back(value);
          square += value * value;
        };
        if (run.rows) {
          for (Index k = 0; k < run.count; ++k)
            if (run.rows[k] % stride == 0) keep(run.rows[k], run.value(k));
        } else {
          for (Index i = 0; i < run.count; i += stride)
            if (run.value(i) != 0) keep(i, run.value(i));
        }
        norms_[j] = std::sqrt(square);
      }
    });
    if (!x.by_rows().empty()) by_rows_ = row_entries(*this, n_threads);
  }

  /// The entries of v that belong to the rows kept.
  Vector<double> take(const Vector<double>& v) const {
    Vector<double> part(rows());
    for (Index i = 0; i < part.size(); ++i) part[i] = v[i * stride];
    return part;
  }

  ColumnRun run(Index j) const override { return columns_[static_cast<std::size_t>(j)].run(); }
  ColumnRun visit(Index j, ColumnCopy&) const override { return run(j); }
  void correlations(const double* r, double* out, int n_threads) const override {
    parallel_blocks(cols(), 64, threads_for(entries(cols()), n_threads), [&](const Block& block) {
      for (Index j = block.begin; j < block.end; ++j) out[j] = run(j).dot(r);
    });
  }

 private:
  std::vector<ColumnCopy> columns_;
};

}  // namespace sparse_experts::detail
