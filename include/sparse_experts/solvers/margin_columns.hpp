// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/column_run.hpp>
#include <sparse_experts/solvers/row_entries.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// A design whose stored entries can be visited: for_each(j, f) calls f(i, x_ij).
template <class D>
concept VisitableDesign = Design<D> && requires(const D& design, void (*visit)(Index, typename D::Scalar)) {
  design.for_each(Index{}, visit);
};

/// A design that is one dense column-major array.
template <class D>
concept DenseDesign = Design<D> && requires(const D& design) {
  design.matrix().data();
  design.matrix().outerStride();
};

/// A design that is one compressed sparse column-major array.
template <class D>
concept SparseDesign = Design<D> && requires(const D& design) {
  design.matrix().innerIndexPtr();
  design.matrix().valuePtr();
};

/// Entries of a column that does not lie in memory.
struct ColumnCopy {
  std::vector<std::int32_t> rows;
  std::vector<double> values;

  ColumnRun run() const {
    static constexpr std::int32_t none = 0;  // no rows at all, which a null pointer would not say
    return {rows.empty() ? &none : rows.data(), values.data(), nullptr, static_cast<Index>(rows.size())};
  }
};

/// All that the margin solvers know of X (n x p), whatever the design and its scalar: they are compiled once.
/// One object serves all classes and threads: the norms are computed once, and a column that does not lie in
/// memory (a gated design) is copied when a solver first works on it; no pass over all columns copies any.
class MarginColumns {
 public:
  MarginColumns(Index rows, Index cols, bool dense) : rows_(rows), cols_(cols), dense_(dense) {}
  MarginColumns(const MarginColumns&) = delete;
  MarginColumns& operator=(const MarginColumns&) = delete;
  virtual ~MarginColumns() = default;

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  bool dense() const { return dense_; }
  /// |x_j|
  double norm(Index j) const { return norms_[j]; }
  /// Entries that are stored, of all n p.
  double share() const { return share_; }
  /// X by rows, where a solver will want it; else empty.
  const RowEntries& by_rows() const { return by_rows_; }

  /// Column j, in memory from now on.
  virtual ColumnRun run(Index j) const = 0;
  /// Column j for one visit; `scratch` holds it if it lies nowhere else.
  virtual ColumnRun visit(Index j, ColumnCopy& scratch) const = 0;
  /// out = X'r, one pass.
  virtual void correlations(const double* r, double* out, int n_threads) const = 0;
  /// The same for some columns; out of the others is 0, or what it is where all are computed at once.
  virtual void correlations_of(const std::vector<Index>& columns, const double* r, double* out,
                               int n_threads) const {
    std::fill_n(out, cols_, 0.0);
    const auto count = static_cast<Index>(columns.size());
    parallel_blocks(count, 64, threads_for(entries(count), n_threads), [&](const Block& block) {
      ColumnCopy scratch;
      for (Index k = block.begin; k < block.end; ++k) {
        const Index j = columns[static_cast<std::size_t>(k)];
        out[j] = visit(j, scratch).dot(r);
      }
    });
  }

 protected:
  /// Stored ones of `count` columns, about.
  Index entries(Index count) const {
    return static_cast<Index>(share_ * static_cast<double>(rows_) * static_cast<double>(count));
  }

  Vector<double> norms_;
  double share_ = 1;
  RowEntries by_rows_;

 private:
  Index rows_, cols_;
  bool dense_;
};

/// The columns of a design, with one more constant column `bias_column` (the weight of a penalised
/// intercept) if that is not zero. `wants_rows`: a Gram of chosen rows will be made, so sparse columns are
/// copied by rows unless they are so sparse that it is summed pair by pair.
template <Design D>
class DesignColumns final : public MarginColumns {
 public:
  explicit DesignColumns(const D& design, int n_threads = 1, double bias_column = 0, bool wants_rows = false)
      : MarginColumns(design.rows(), design.cols() + (bias_column != 0 ? 1 : 0), DenseDesign<D>),
        design_(&design),
        constant_(static_cast<std::size_t>(bias_column != 0 ? design.rows() : 0), bias_column) {
    if constexpr (!in_place)
      copies_ = std::vector<std::atomic<ColumnCopy*>>(static_cast<std::size_t>(cols()));
    norms_.resize(cols());
    if constexpr (requires { design_->squared_norms(norms_.data(), n_threads); }) {
      design_->squared_norms(norms_.data(), n_threads);
      double count = 0;
      for (Index j = 0; j < design_->cols(); ++j) {
        norms_[j] = std::sqrt(norms_[j]);
        count += static_cast<double>(design_->stored(j));
      }
      if (cols() > design_->cols()) {
        norms_[cols() - 1] = bias_column * std::sqrt(static_cast<double>(rows()));
        count += static_cast<double>(rows());
      }
      share_ = count / (static_cast<double>(rows()) * static_cast<double>(cols()));
      return;
    }
    const Index stored =
        parallel_sum(cols(), 64, threads_for(rows() * cols(), n_threads), Index{0}, [&](const Block& block) {
          ColumnCopy scratch;
          Index count = 0;
          for (Index j = block.begin; j < block.end; ++j) {
            const ColumnRun run = visit(j, scratch);
            norms_[j] = std::sqrt(run.squared_norm());
            count += run.count;
          }
          return count;
        });
    share_ = static_cast<double>(stored) / (static_cast<double>(rows()) * static_cast<double>(cols()));
    if (SparseDesign<D> && in_place && wants_rows && !sums_pairs(share_))
      by_rows_ = row_entries(*this, n_threads);
  }
  ~DesignColumns() override {
    for (std::atomic<ColumnCopy*>& copy : copies_) delete copy.load();
  }

  ColumnRun run(Index j) const override {
    if (j == design_->cols() || in_place) return in_memory(j);
    std::atomic<ColumnCopy*>& place = copies_[static_cast<std::size_t>(j)];
    ColumnCopy* known = place.load(std::memory_order_acquire);
    if (!known) {
      auto made = std::make_unique<ColumnCopy>();
      fill(j, *made);
      made->rows.shrink_to_fit();
      made->values.shrink_to_fit();
      // Another class may have made the same copy meanwhile.
      if (place.compare_exchange_strong(known, made.get())) known = made.release();
    }
    return known->run();
  }

  ColumnRun visit(Index j, ColumnCopy& scratch) const override {
    if (j == design_->cols() || in_place) return in_memory(j);
    if (const ColumnCopy* known = copies_[static_cast<std::size_t>(j)].load(std::memory_order_acquire))
      return known->run();
    fill(j, scratch);
    return scratch.run();
  }

  void correlations(const double* r, double* out, int n_threads) const override {
    if constexpr (requires { design_->correlations(r, out, n_threads); }) {
      design_->correlations(r, out, n_threads);
      if (cols() > design_->cols()) out[cols() - 1] = in_memory(cols() - 1).dot(r);
    } else {
      parallel_blocks(cols(), 64, threads_for(entries(cols()), n_threads), [&](const Block& block) {
        ColumnCopy scratch;
        for (Index j = block.begin; j < block.end; ++j) out[j] = visit(j, scratch).dot(r);
      });
    }
  }

  void correlations_of(const std::vector<Index>& columns, const double* r, double* out,
                       int n_threads) const override {
    if constexpr (requires { design_->correlations(r, out, n_threads); })
      correlations(r, out, n_threads);
    else
      MarginColumns::correlations_of(columns, r, out, n_threads);
  }

 private:
  using Scalar = typename D::Scalar;
  static constexpr bool known_scalar = std::is_same_v<Scalar, double> || std::is_same_v<Scalar, float>;
  static constexpr bool in_place = [] {
    if constexpr (SparseDesign<D>)
      return known_scalar &&
             std::is_same_v<std::decay_t<decltype(*std::declval<const D&>().matrix().innerIndexPtr())>,
                            std::int32_t>;
    else
      return known_scalar && DenseDesign<D>;
  }();

  static ColumnRun with_values(const std::int32_t* rows, const double* values, Index count) {
    return {rows, values, nullptr, count};
  }
  static ColumnRun with_values(const std::int32_t* rows, const float* values, Index count) {
    return {rows, nullptr, values, count};
  }

  ColumnRun in_memory([[maybe_unused]] Index j) const {
    if constexpr (in_place)
      if (j < design_->cols()) {
        const auto& x = design_->matrix();
        if constexpr (SparseDesign<D>) {
          const Index begin = x.outerIndexPtr()[j];
          return with_values(x.innerIndexPtr() + begin, x.valuePtr() + begin,
                             x.outerIndexPtr()[j + 1] - begin);
        } else {
          return with_values(nullptr, x.data() + j * x.outerStride(), rows());
        }
      }
    return {nullptr, constant_.data(), nullptr, rows()};
  }

  void fill(Index j, ColumnCopy& copy) const {
    Index room = rows();
    if constexpr (requires { design_->stored(j); }) room = design_->stored(j);
    copy.rows.resize(static_cast<std::size_t>(room));
    copy.values.resize(static_cast<std::size_t>(room));
    std::int32_t* row = copy.rows.data();
    double* value = copy.values.data();
    const auto keep = [&](Index i, Scalar x) {
      if (x == Scalar(0)) return;
      *row++ = static_cast<std::int32_t>(i);
      *value++ = static_cast<double>(x);
    };
    if constexpr (VisitableDesign<D>) {
      design_->for_each(j, keep);
    } else {
      Vector<Scalar> column;
      detail::fill(column, rows(), Scalar(0));
      design_->axpy(j, Scalar(1), column);
      for (Index i = 0; i < rows(); ++i) keep(i, column[i]);
    }
    copy.rows.resize(static_cast<std::size_t>(row - copy.rows.data()));
    copy.values.resize(copy.rows.size());
  }

  const D* design_;
  std::vector<double> constant_;
  mutable std::vector<std::atomic<ColumnCopy*>> copies_;
};

}  // namespace sparse_experts::detail
