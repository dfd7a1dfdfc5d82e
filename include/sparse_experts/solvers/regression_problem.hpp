// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace sparse_experts {

/// How the columns of a regression are seen.
struct RegressionOptions {
  bool fit_intercept = true;  ///< centre y and the columns (implicitly) by their weighted means
  bool standardize = false;   ///< divide the columns by their weighted standard deviations (implicitly)
  int n_threads = 0;          ///< 0 = all
};

/// Least squares on a design, as the solvers see it:
///   ½ Σ_i ω_i (y_i - ȳ - Σ_j w_j s_j (x_ij - m_j))²,   Σ ω_i = 1,
/// with m_j the weighted means (0 without an intercept) and s_j the scales. Nothing of it is materialised:
/// sparse columns stay sparse. In these units the solvers are free of n, of the sample weights and of the
/// intercept. All vectors are doubles. The design must outlive the problem.
/// Implicit centring loses the digits that |m_j| is above the spread of the column: where these are many, the
/// problem stands on a copy of X whose columns in question have been moved to about 0.
template <Design D>
class RegressionProblem {
 public:
  using Scalar = typename D::Scalar;

  /// `sample_weight` is empty or has n entries >= 0 with a positive sum.
  RegressionProblem(const D& design, const Vector<double>& y, const Vector<double>& sample_weight,
                    const RegressionOptions& options)
      : design_(&design), options_(options) {
    weights_ = sample_weight;
    detail::multiply(weights_.data(), weights_.size(), 1 / detail::total(weights_));
    summarise_columns();
    if (options.fit_intercept) move_far_columns();
    set_target(y);
  }

  /// Another target on the same columns.
  void set_target(const Vector<double>& y) {
    y_ = y;
    y_mean_ = options_.fit_intercept ? mean(y) : 0;
    if (options_.fit_intercept) {
      detail::add_constant(y_.data(), y_.size(), -y_mean_);
      recenter(y_);  // what rounding left, which matters where |mean| >> spread
    }
    y_squared_ = detail::inner_product(y_, weighted(y_));
    // A target that is constant up to rounding has nothing to explain.
    const double noise = 8 * std::numeric_limits<double>::epsilon() * y_mean_;
    if (y_squared_ <= noise * noise) {
      detail::fill(y_, y_.size(), 0.0);
      y_squared_ = 0;
    }
  }

  /// The columns that the solvers see: X, or its copy with some moved.
  const D& design() const { return *design_; }
  Index rows() const { return design_->rows(); }
  Index cols() const { return design_->cols(); }
  int n_threads() const { return options_.n_threads; }
  bool centered() const { return options_.fit_intercept; }
  const Vector<double>& target() const { return y_; }     ///< y - ȳ
  const Vector<double>& mean() const { return mean_; }    ///< m
  const Vector<double>& scale() const { return scale_; }  ///< s
  const Vector<double>& squared_norm() const {
    return norm_;
  }  ///< Σ_i ω_i s_j² (x_ij - m_j)²; 0: unusable column
  const Vector<double>& weights() const { return weights_; }  ///< ω, empty for 1/n
  /// The columns' sums of squares are finite, so their entries are.
  bool finite() const { return finite_; }
  /// Objective of w = 0, to which gaps are relative: Σ ω_i (y_i - ȳ)² / 2.
  double null_objective() const { return 0.5 * y_squared_; }

  /// ω∘r.
  Vector<double> weighted(const Vector<double>& r) const {
    if (weights_.size() > 0) return detail::entry_products(weights_, r);
    Vector<double> v = r;
    const auto n = static_cast<double>(rows());
    for (Index i = 0; i < v.size(); ++i) v[i] /= n;
    return v;
  }

  /// r = y - Xw from scratch, Σ ω_i r_i = 0.
  Vector<double> residual(const Vector<double>& w) const {
    Vector<double> r = y_;
    for (Index j = 0; j < cols(); ++j)
      if (w[j] != 0) column_axpy(j, -w[j], r);
    recenter(r);
    return r;
  }

  /// r += a s_j x_j, without the centring: call recenter when all columns are in.
  void column_axpy(Index j, double a, Vector<double>& r) const {
    detail::column_axpy(*design_, j, a * scale_[j], nullptr, r.data());
  }
  void recenter(Vector<double>& r) const {
    if (options_.fit_intercept) detail::add_constant(r.data(), r.size(), -mean(r));
  }

  /// c_j = Σ_i ω_i s_j (x_ij - m_j) r_i for all columns, from v = ω∘r: one pass over X.
  void correlations(const Vector<double>& v, Vector<double>& c) const {
    detail::column_dots(*design_, v, c, options_.n_threads);
    const double sum = detail::total(v);
    for (Index j = 0; j < c.size(); ++j) c[j] = scale_[j] * (c[j] - mean_[j] * sum);
  }

  /// The same for the given columns alone; the others keep what c holds.
  void correlations(const Vector<double>& v, const std::vector<Index>& columns, Vector<double>& c) const {
    const double sum = detail::total(v);
    const auto count = static_cast<Index>(columns.size());
    const int n_threads = detail::threads_for(rows() * count, options_.n_threads);
    detail::parallel_blocks(count, 64, n_threads, [&](const detail::Block& block) {
      for (Index k = block.begin; k < block.end; ++k) {
        const Index j = columns[static_cast<std::size_t>(k)];
        c[j] = scale_[j] * (detail::column_dot(*design_, j, v.data()) - mean_[j] * sum);
      }
    });
  }

  /// Coefficients and intercept in the units of the design.
  std::pair<Vector<double>, double> original_units(const Vector<double>& w) const {
    Vector<double> coef = detail::entry_products(scale_, w);
    double intercept = y_mean_;
    for (Index j = 0; j < cols(); ++j)
      if (coef[j] != 0) intercept -= full_mean(j) * coef[j];
    return {std::move(coef), intercept};
  }
  /// Bound on the rounding of that intercept beyond a few units of ȳ.
  double intercept_rounding(const Vector<double>& coef) const {
    if (!options_.fit_intercept) return 0;
    double sum = 0;
    for (Index j = 0; j < cols(); ++j) sum += std::abs(full_mean(j) * coef[j]);
    return 2 * std::numeric_limits<double>::epsilon() * sum;
  }
  /// The inverse: warm starts come in the units of the design.
  Vector<double> scaled_units(const Vector<double>& coef) const {
    Vector<double> w;
    detail::fill(w, cols(), 0.0);
    for (Index j = 0; j < cols(); ++j)
      if (norm_[j] > 0) w[j] = coef[j] / scale_[j];
    return w;
  }

 private:
  /// Of the column of X.
  double full_mean(Index j) const { return mean_[j] + (moved_ ? moved_->shift[j] : 0); }
  double mean(const Vector<double>& r) const {
    return weights_.size() > 0 ? detail::inner_product(weights_, r)
                               : detail::total(r) / static_cast<double>(rows());
  }

  /// Σ_i ω_i (x_ij - center)²; entries that are not stored sit at -center.
  double spread(Index j, double center, const Vector<double>& omega) const {
    if constexpr (detail::dense_columns<D>) {
      const auto* x = design_->column(j);
      if (weights_.size() > 0)
        return detail::dense_spread(x, center, rows(), [w = omega.data()](Index i) { return w[i]; });
      return detail::dense_spread(x, center, rows(), [](Index) { return 1.0; }) / static_cast<double>(rows());
    } else {
      double sum = 0, stored = 0;
      Index count = 0;
      detail::for_each_entry(*design_, j, [&](Index i, double x) {
        stored += omega[i];
        ++count;
        sum += omega[i] * (x - center) * (x - center);
      });
      return sum + (count == rows() ? 0 : std::max(0.0, 1 - stored)) * center * center;
    }
  }

  /// Σ_i ω_i (x_ij - center), of stored entries; of interest where these are all.
  double offset(Index j, double center, const Vector<double>& omega) const {
    double sum = 0;
    Index count = 0;
    detail::for_each_entry(*design_, j, [&](Index i, double x) {
      sum += omega[i] * (x - center);
      ++count;
    });
    return count == rows() ? sum : 0;
  }

  void summarise_columns() {
    const Index p = cols();
    const auto n = static_cast<double>(rows());
    detail::fill(mean_, p, 0.0);
    norm_.resize(p);
    detail::fill(scale_, p, 1.0);
    Vector<double> omega = weights_;
    if (omega.size() == 0) detail::fill(omega, rows(), 1 / n);
    const double rounding = std::numeric_limits<double>::epsilon() * (8 + std::sqrt(n)),
                 total = detail::total(omega);
    const int n_threads = detail::threads_for(rows() * p, options_.n_threads);
    constexpr Index block_size = 64;
    std::vector<char> finite(static_cast<std::size_t>(detail::block_count(p, block_size)), 1);
    detail::parallel_blocks(p, block_size, n_threads, [&](const detail::Block& block) {
      for (Index j = block.begin; j < block.end; ++j) {
        // Two passes: no cancellation however large the mean.
        const bool wants_mean = options_.fit_intercept || options_.standardize;
        double m = wants_mean ? detail::column_dot(*design_, j, omega.data()) : 0;
        double variance = spread(j, m, omega);
        // Sums of equal numbers drift: a constant column must not look like a spread.
        if (wants_mean && variance <= 1e-6 * m * m) {
          m += offset(j, m, omega) / total;
          variance = spread(j, m, omega);
        }
        const double center = options_.fit_intercept ? m : 0;
        double sum = center == m ? variance : spread(j, center, omega);
        if (!detail::is_finite(sum)) finite[static_cast<std::size_t>(block.id)] = 0;
        mean_[j] = center;
        if (options_.standardize) {
          const bool constant = variance <= rounding * rounding * m * m;
          scale_[j] = constant ? 1 : 1 / std::sqrt(variance);
          if (constant && options_.fit_intercept) sum = 0;
        }
        // A column that is constant up to rounding is the intercept's business.
        norm_[j] = sum <= rounding * rounding * center * center ? 0 : sum * scale_[j] * scale_[j];
      }
    });
    finite_ = std::find(finite.begin(), finite.end(), 0) == finite.end();
  }

  /// X with some columns moved.
  struct Moved {
    typename detail::Storage<D>::Matrix matrix;
    D design;
    Vector<double> shift;  // what has been subtracted from each column

    explicit Moved(const D& x) : matrix(x.matrix()), design(matrix) { detail::fill(shift, x.cols(), 0.0); }
  };

  void move_far_columns() {
    if constexpr (detail::Storage<D>::known) {
      // Sweeps with a lazy mean lose twice the digits of |mean| / spread.
      constexpr double far = 1e3;
      for (Index j = 0; j < cols(); ++j) {
        const double spread = std::sqrt(norm_[j]) / scale_[j];
        if (!(spread > 0 && std::abs(mean_[j]) > far * spread) || !detail::Storage<D>::full(*design_, j))
          continue;
        if (!moved_) moved_ = std::make_shared<Moved>(*design_);
        const auto shift = static_cast<Scalar>(mean_[j]);
        if (detail::Storage<D>::subtract(moved_->matrix, j, shift))
          moved_->shift[j] = static_cast<double>(shift);
      }
      if (!moved_) return;
      design_ = &moved_->design;
      summarise_columns();
    }
  }

  const D* design_;
  std::shared_ptr<Moved> moved_;  // design_ looks at it
  RegressionOptions options_;
  Vector<double> weights_, y_, mean_, norm_, scale_;
  double y_mean_ = 0, y_squared_ = 0;
  bool finite_ = true;
};

}  // namespace sparse_experts
