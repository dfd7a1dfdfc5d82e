// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/column_reader.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// One column as runs in memory: `count` values at `rows` (ascending), or at 0, 1, … when rows is null.
template <class Scalar>
struct ColumnRun {
  const std::int32_t* rows;
  const Scalar* values;
  Index count;

  double dot(const double* r) const {
    return rows ? sparse_column_dot(rows, values, count, r) : dense_column_dot(values, r, count);
  }
  template <class F>
  void for_each(F&& f) const {
    if (rows)
      for (Index k = 0; k < count; ++k) f(static_cast<Index>(rows[k]), static_cast<double>(values[k]));
    else
      for (Index i = 0; i < count; ++i) f(i, static_cast<double>(values[i]));
  }
  void axpy(double a, double* f) const {
    for_each([&](Index i, double x) { f[i] += a * x; });
  }
};

/// The columns that a working-set solver has touched. Columns of dense and sparse designs stay where they
/// are, those of any other design are copied once. Every column gets a slot, numbered in the order of
/// arrival, and its Euclidean norm in double.
template <Design D>
class PackedColumns {
 public:
  using Scalar = typename D::Scalar;
  using Run = ColumnRun<Scalar>;

  explicit PackedColumns(ColumnReader<D>& reader)
      : reader_(&reader), slot_of_(static_cast<std::size_t>(reader.cols()), -1) {}

  /// Slot of column j, packed now if it is new.
  Index slot(Index j) {
    Index& known = slot_of_[static_cast<std::size_t>(j)];
    if (known < 0) known = pack(j);
    return known;
  }
  Index size() const { return static_cast<Index>(columns_.size()); }
  Index rows() const { return reader_->rows(); }
  Index column(Index slot) const { return columns_[static_cast<std::size_t>(slot)]; }
  double norm(Index slot) const { return norms_[static_cast<std::size_t>(slot)]; }

  Run run(Index slot) const {
    const Place& place = places_[static_cast<std::size_t>(slot)];
    if constexpr (DenseDesign<D>) {
      const auto& x = reader_->design().matrix();
      return {nullptr, x.data() + place.begin * x.outerStride(), place.count};
    } else if constexpr (in_place) {
      const auto& x = reader_->design().matrix();
      return {x.innerIndexPtr() + place.begin, x.valuePtr() + place.begin, place.count};
    } else {
      return {rows_.data() + place.begin, values_.data() + place.begin, place.count};
    }
  }

 private:
  struct Place {
    Index begin, count;  // begin: the column of a dense design, else the first entry
  };

  static constexpr bool in_place = [] {
    if constexpr (SparseDesign<D>)
      return std::is_same_v<std::decay_t<decltype(*std::declval<const D&>().matrix().innerIndexPtr())>,
                            std::int32_t>;
    else
      return false;
  }();

  Index pack(Index j) {
    Place place{static_cast<Index>(rows_.size()), 0};
    if constexpr (DenseDesign<D>) {
      place = {j, reader_->rows()};
    } else if constexpr (in_place) {
      place = {static_cast<Index>(reader_->design().matrix().outerIndexPtr()[j]),
               reader_->design().stored(j)};
    } else {
      reader_->for_each(j, [&](Index i, double x) {
        if (x == 0) return;
        rows_.push_back(static_cast<std::int32_t>(i));
        values_.push_back(static_cast<Scalar>(x));
      });
      place.count = static_cast<Index>(rows_.size()) - place.begin;
    }
    columns_.push_back(j);
    places_.push_back(place);
    double square = 0;
    run(size() - 1).for_each([&](Index, double x) { square += x * x; });
    norms_.push_back(std::sqrt(square));
    return size() - 1;
  }

  ColumnReader<D>* reader_;
  std::vector<Index> slot_of_, columns_;
  std::vector<double> norms_;
  std::vector<Place> places_;
  std::vector<std::int32_t> rows_;
  std::vector<Scalar> values_;
};

}  // namespace sparse_experts::detail
