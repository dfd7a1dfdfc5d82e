// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <cmath>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

/// What happens to a sample before anything else sees it.
enum class Scaling {
  none,             ///< x
  standardize,      ///< (x - mean) / standard deviation, by feature; constant features become 0
  unit_norm,        ///< x / |x|; a zero sample stays zero
  center_unit_norm  ///< (x - mean) / |x - mean|
};

constexpr const char* to_string(Scaling scaling) {
  switch (scaling) {
    case Scaling::none:
      return "none";
    case Scaling::standardize:
      return "standardize";
    case Scaling::unit_norm:
      return "unit_norm";
    case Scaling::center_unit_norm:
      return "center_unit_norm";
  }
  return "unknown";
}

/// The fitted scaler of samples (rows of X, n x p).
///
/// Sparse X is never densified: its centring is skipped, so standardize divides by the standard deviation
/// about the mean alone and center_unit_norm equals unit_norm. A scaler that centres (fitted on dense X)
/// rejects sparse X. Cost O(np) or O(nnz). Means and deviations are accumulated in double.
template <class Scalar>
class Scaler {
 public:
  explicit Scaler(Scaling kind = Scaling::unit_norm) : kind_(kind) {}

  /// X: any dense or sparse Eigen object with finite entries.
  template <class X>
  Scaler& fit(const Eigen::EigenBase<X>& x) {
    static_assert(std::is_same_v<typename X::Scalar, Scalar>, "X has another scalar type than the scaler");
    detail::check_not_empty(x.rows(), x.cols(), "X");
    detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      fit_rows(rows);
    });
    return *this;
  }

  /// Kernel of fit: rows is DenseRows or SparseRows, already checked.
  template <class Rows>
  void fit_rows(const Rows& rows) {
    constexpr bool sparse = detail::is_sparse<Rows>;
    const Index n = rows.rows(), p = rows.cols();
    std::vector<double> mean(static_cast<std::size_t>(p), 0.0), square(mean), stored(mean);
    const auto at = [](Index j) { return static_cast<std::size_t>(j); };
    const bool centred = !sparse && (kind_ == Scaling::standardize || kind_ == Scaling::center_unit_norm);
    if (centred || kind_ == Scaling::standardize) {
      for_entries(rows, [&](Index, Index j, double v) { mean[at(j)] += v; });
      for (double& m : mean) m /= static_cast<double>(n);
    }
    if (kind_ == Scaling::standardize) {
      // Entries that are not stored are zeros: each contributes mean^2.
      for_entries(rows, [&](Index, Index j, double v) {
        square[at(j)] += (v - mean[at(j)]) * (v - mean[at(j)]);
        stored[at(j)] += 1;
      });
      for (std::size_t j = 0; j < mean.size(); ++j)
        square[j] += (static_cast<double>(n) - stored[j]) * mean[j] * mean[j];
    }
    Vector<Scalar> center, scale;
    detail::fill(center, p, Scalar(0));
    detail::fill(scale, p, Scalar(1));
    for (Index j = 0; centred && j < p; ++j) center[j] = static_cast<Scalar>(mean[at(j)]);
    if (kind_ == Scaling::standardize)
      for (Index j = 0; j < p; ++j) {
        const double deviation = std::sqrt(square[at(j)] / static_cast<double>(n));
        const bool constant = deviation <= 1e-12 * std::abs(mean[at(j)]) || deviation == 0;
        scale[j] = static_cast<Scalar>(constant ? 1 : 1 / deviation);
      }
    center_ = std::move(center);
    scale_ = std::move(scale);
    n_features_ = p;
  }

  /// Scaled rows: RowMatrix for dense X, SparseRowMatrix for sparse X.
  template <class X>
  auto transform(const Eigen::EigenBase<X>& x) const {
    check_fitted_with(x.cols());
    return detail::with_rows(x, [&](const auto& rows) {
      detail::check_finite(rows, "X");
      return transform_rows(rows);
    });
  }

  template <class StorageIndex>
  SparseRowMatrix<Scalar, StorageIndex> transform_rows(const SparseRows<Scalar, StorageIndex>& rows) const {
    if (center_.size() > 0 && !center_.isZero(0))
      throw std::invalid_argument(
          "sparse_experts: X is sparse, expected dense X as in fit: its scaling subtracts the means");
    SparseRowMatrix<Scalar, StorageIndex> out = rows;
    for (Index i = 0; i < out.rows(); ++i) {
      const auto begin = static_cast<Index>(out.outerIndexPtr()[i]);
      const Index count = static_cast<Index>(out.outerIndexPtr()[i + 1]) - begin;
      scale_sparse(count, out.innerIndexPtr() + begin, out.valuePtr() + begin);
    }
    return out;
  }
  RowMatrix<Scalar> transform_rows(const DenseRows<Scalar>& rows) const {
    RowMatrix<Scalar> out(rows.rows(), rows.cols());
    for (Index i = 0; i < rows.rows(); ++i)
      transform_into(rows.data() + i * rows.outerStride(), out.data() + i * out.cols());
    return out;
  }

  /// One dense sample of length p; no allocation. `x` and `out` may be the same.
  void transform_into(const Scalar* x, Scalar* out) const {
    const Index p = n_features_;
    switch (kind_) {
      case Scaling::none:
        for (Index j = 0; j < p; ++j) out[j] = x[j];
        return;
      case Scaling::standardize:
        for (Index j = 0; j < p; ++j) out[j] = (x[j] - center_[j]) * scale_[j];
        return;
      case Scaling::unit_norm:
      case Scaling::center_unit_norm:
        for (Index j = 0; j < p; ++j) out[j] = x[j] - center_[j];
        normalize(p, out);
        return;
    }
  }

  Scaling kind() const { return kind_; }
  Index n_features() const { return n_features_; }
  const Vector<Scalar>& center() const { return center_; }  ///< p, zeros where nothing is subtracted
  const Vector<Scalar>& scale() const { return scale_; }    ///< p, ones where nothing is multiplied

 private:
  template <class Rows, class F>
  static void for_entries(const Rows& rows, F&& f) {
    if constexpr (detail::is_sparse<Rows>) {
      for (Index i = 0; i < rows.rows(); ++i)
        for (typename Rows::InnerIterator it(rows, i); it; ++it)
          f(i, static_cast<Index>(it.col()), static_cast<double>(it.value()));
    } else {
      for (Index i = 0; i < rows.rows(); ++i)
        for (Index j = 0; j < rows.cols(); ++j) f(i, j, static_cast<double>(rows(i, j)));
    }
  }

  static void normalize(Index count, Scalar* x) {
    double sum = 0;
    for (Index j = 0; j < count; ++j) sum += static_cast<double>(x[j]) * static_cast<double>(x[j]);
    if (!(sum > 0)) return;
    const auto factor = static_cast<Scalar>(1 / std::sqrt(sum));
    for (Index j = 0; j < count; ++j) x[j] *= factor;
  }

  template <class StorageIndex>
  void scale_sparse(Index count, const StorageIndex* columns, Scalar* values) const {
    if (kind_ == Scaling::standardize)
      for (Index k = 0; k < count; ++k) values[k] *= scale_[static_cast<Index>(columns[k])];
    else if (kind_ != Scaling::none)
      normalize(count, values);
  }

  void check_fitted_with(Index cols) const {
    detail::check_fitted(n_features_ > 0, "Scaler");
    detail::check_size("X.cols()", cols, n_features_, "the number of features in fit");
  }

  Scaling kind_;
  Index n_features_ = 0;
  Vector<Scalar> center_, scale_;
};

}  // namespace sparse_experts
