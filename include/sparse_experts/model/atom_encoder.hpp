// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/large_pages.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/row_product.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

namespace sparse_experts::detail {

/// Non-zeros of rows made block by block, then joined in the order of the blocks.
template <class Scalar>
class RowAssembler {
 public:
  RowAssembler(Index n_rows, Index block_rows)
      : count_(static_cast<std::size_t>(n_rows), 0),
        parts_(static_cast<std::size_t>(block_count(n_rows, block_rows))) {}

  struct Part {
    std::vector<int> index;
    std::vector<Scalar> value;
  };
  Part& part(const Block& block) { return parts_[static_cast<std::size_t>(block.id)]; }
  void set_count(Index row, std::size_t count) { count_[static_cast<std::size_t>(row)] = count; }

  SparseRowMatrix<Scalar> join(Index n_cols) {
    const auto n = static_cast<Index>(count_.size());
    SparseRowMatrix<Scalar> out(n, n_cols);
    std::size_t total = 0;
    for (Index i = 0; i < n; ++i) {
      out.outerIndexPtr()[i] = static_cast<int>(total);
      total += count_[static_cast<std::size_t>(i)];
    }
    if (total > static_cast<std::size_t>(std::numeric_limits<int>::max()))
      reject("non-zeros of the codes", total, "fewer than 2^31; ask for sparser codes");
    out.outerIndexPtr()[n] = static_cast<int>(total);
    out.resizeNonZeros(static_cast<Index>(total));
    prefer_large_pages(out.innerIndexPtr(), static_cast<Index>(total));
    prefer_large_pages(out.valuePtr(), static_cast<Index>(total));
    std::size_t at = 0;
    for (Part& part : parts_) {
      std::copy(part.index.begin(), part.index.end(), out.innerIndexPtr() + at);
      std::copy(part.value.begin(), part.value.end(), out.valuePtr() + at);
      at += part.index.size();
      part = Part();
    }
    return out;
  }

 private:
  std::vector<std::size_t> count_;
  std::vector<Part> parts_;
};

/// Encoders of one matrix product on atoms D (k x p), stored transposed with rows padded for the kernel:
///   feed-forward  s_j = max(d_j'x - theta_j, 0)
///   triangle      s_j = scale max(theta_1 mean_l |x - c_l| - |x - c_j|, 0)
/// Atoms of feed-forward codes can be factored, D' = V A with a narrow V: D x = A'(V'x) then costs r (p + k)
/// instead of p k, and so does the memory.
/// Coates, Ng, "The importance of encoding versus training with sparse coding and vector quantization", ICML
/// 2011.
template <class Scalar>
struct AtomEncoder {
  bool triangle = false;
  Index n_components = 0;
  RowMatrix<Scalar> axes;          // p x padded r: V; empty: atoms are not factored
  RowMatrix<Scalar> atoms;         // p x padded k, or r x padded k: A
  Vector<Scalar> theta;            // padded k thresholds; triangle: theta[0]
  Vector<Scalar> norms;            // triangle: padded k squared norms of the centres
  Scalar scale = 1;                // triangle
  RowMatrix<Scalar> readout;       // padded k x q: further components R's + r; empty: none
  RowVector<Scalar> readout_bias;  // q

  Index width() const { return atoms.cols(); }
  Index n_codes() const { return n_components + readout_bias.size(); }
  Index n_features() const { return axes.size() > 0 ? axes.rows() : atoms.rows(); }
  Index work_size() const { return width() + axes.cols(); }  ///< of the buffer of encode()

  /// D', p x padded k.
  RowMatrix<Scalar> features_by_atoms(int n_threads) const {
    if (axes.size() == 0) return atoms;
    RowMatrix<Scalar> out(axes.rows(), width());
    row_product<Scalar>(out.rows(), width(), axes.cols(), {axes.data(), axes.cols(), 1}, atoms.data(),
                        width(), out.data(), width(), n_threads);
    return out;
  }
  /// Into the coordinates of the axes v (orthonormal columns, p x padded r): A = V'D'.
  void factor(RowMatrix<Scalar> v, int n_threads) {
    RowMatrix<Scalar> out(v.cols(), width());
    row_product<Scalar>(v.cols(), width(), v.rows(), {v.data(), 1, v.cols()}, atoms.data(), width(),
                        out.data(), width(), n_threads);
    atoms = std::move(out);
    axes = std::move(v);
  }
  /// Multiplies the factors out.
  void unfactor(int n_threads) {
    atoms = features_by_atoms(n_threads);
    axes.resize(0, 0);
  }
  /// That, where the factors are no smaller than their product.
  void unfactor_if_smaller(int n_threads) {
    if (axes.size() > 0 && axes.cols() * (n_features() + width()) >= n_features() * width())
      unfactor(n_threads);
  }

  /// Leaves the given atoms (ascending) with their thresholds and read-out.
  void keep_atoms(const std::vector<Index>& kept) {
    AtomEncoder all = *this;
    n_components = static_cast<Index>(kept.size());
    const Index k = padded_width<Scalar>(n_components);
    fill(atoms, all.atoms.rows(), k, Scalar(0));  // of the axes, where there are any
    // Padding never fires: its threshold, or its distance, is out of reach.
    fill(theta, k, Scalar(1e30));
    if (triangle) norms = theta;
    if (all.readout.size() > 0) fill(readout, k, all.readout.cols(), Scalar(0));
    for (Index j = 0; j < n_components; ++j) {
      const Index from = kept[static_cast<std::size_t>(j)];
      for (Index f = 0; f < atoms.rows(); ++f) atoms(f, j) = all.atoms(f, from);
      theta[j] = all.theta[from];
      if (triangle) norms[j] = all.norms[from];
      for (Index c = 0; c < readout.cols(); ++c) readout(j, c) = all.readout(from, c);
    }
    if (triangle) theta[0] = all.theta[0];
    unfactor_if_smaller(1);
  }

  /// In place: products with the centres to distances, |x - c_j| from c_j'x and |x|^2.
  void distances(double squared_norm, Scalar* z) const {
    const auto norm = static_cast<Scalar>(squared_norm);
    // An array expression: a loop over std::sqrt does not become vector code.
    Eigen::Map<Eigen::Array<Scalar, Eigen::Dynamic, 1>> distance(z, width());
    distance = (norm - 2 * distance + norms.array()).max(Scalar(0)).sqrt();
  }

  /// In place: products d_j'x (padded k) to codes (not compressed).
  void activate(double squared_norm, Scalar* z) const {
    if (!triangle) {
      for (Index j = 0; j < width(); ++j) z[j] = std::max(z[j] - theta[j], Scalar(0));
      return;
    }
    distances(squared_norm, z);
    double mean = 0;
    for (Index j = 0; j < n_components; ++j) mean += static_cast<double>(z[j]);
    const auto level =
        static_cast<Scalar>(static_cast<double>(theta[0]) * mean / static_cast<double>(n_components));
    for (Index j = 0; j < width(); ++j) z[j] = scale * std::max(level - z[j], Scalar(0));
  }

  /// Codes of one dense sample into the first padded k of the work_size() numbers z: zeros of x are skipped.
  /// No allocation.
  void encode(const Scalar* x, Scalar* z) const {
    if (axes.size() > 0) {
      add_all(axes, x, z + width());
      add_all(atoms, z + width(), z);
    } else {
      add_all(atoms, x, z);
    }
    // Summed as for batches: near a centre the root of a difference shows every rounding.
    double norm = 0;
    for (Index f = 0; triangle && f < atoms.rows(); ++f)
      norm += static_cast<double>(x[f]) * static_cast<double>(x[f]);
    activate(norm, z);
  }

  /// The same of (x - center) / |x - center| from x itself: D (x - center) = D x - shift with shift = D
  /// center, so that zeros of x are skipped although the centred sample has none (V' in place of D with
  /// axes). False, and nothing done, where fewer than half of x are zeros or where the difference would
  /// cancel.
  bool encode_centered(const Scalar* x, const Scalar* center, const Scalar* shift, Scalar* z) const {
    const Index p = n_features();
    Index used = 0;
    for (Index f = 0; f < p; ++f) used += x[f] != Scalar(0) ? 1 : 0;
    const double distance = squared_distance(x, center);
    if (2 * used > p || !(distance > 0.01 * squared_distance(x, nullptr))) return false;
    const RowMatrix<Scalar>& first = axes.size() > 0 ? axes : atoms;
    Scalar* product = axes.size() > 0 ? z + width() : z;
    add_all(first, x, product);
    const auto factor = static_cast<Scalar>(1 / std::sqrt(distance));
    for (Index j = 0; j < first.cols(); ++j) product[j] = factor * (product[j] - shift[j]);
    if (axes.size() > 0) add_all(atoms, product, z);
    activate(1.0, z);
    return true;
  }

  /// V'center or D center, for encode_centered.
  void shift_of(const Vector<Scalar>& center, std::vector<Scalar>& shift) const {
    const RowMatrix<Scalar>& first = axes.size() > 0 ? axes : atoms;
    shift.resize(static_cast<std::size_t>(first.cols()));
    Eigen::Map<Vector<Scalar>>(shift.data(), first.cols()) = first.transpose().lazyProduct(center);
  }

  /// Products D x_i of rows [begin, end) into z (rows x padded k).
  template <class Rows>
  void products(const Rows& rows, Index begin, Index end, Scalar* z) const {
    if (axes.size() == 0) {
      products(atoms, rows, begin, end, z);
      return;
    }
    const Index r = axes.cols();
    std::vector<Scalar> projected(static_cast<std::size_t>((end - begin) * r));
    products(axes, rows, begin, end, projected.data());
    row_product<Scalar>(end - begin, width(), r, {projected.data(), r, 1}, atoms.data(), width(), z, width(),
                        1);
  }

  /// Appends the non-zeros of an activated code and its read-out to `part`.
  template <class Part>
  void append(const Scalar* s, Part& part) const {
    const std::size_t before = part.index.size();
    for (Index j = 0; j < n_components; ++j)
      if (s[j] > Scalar(0)) {
        part.index.push_back(static_cast<int>(j));
        part.value.push_back(s[j]);
      }
    const std::size_t end = part.index.size();
    for (Index c = 0; c < readout_bias.size(); ++c) {
      part.index.push_back(static_cast<int>(n_components + c));
      part.value.push_back(readout_bias[c]);
    }
    for (std::size_t t = before; t < end; ++t) {
      const Scalar v = part.value[t];
      const Scalar* r = readout.data() + part.index[t] * readout.cols();
      for (Index c = 0; c < readout_bias.size(); ++c)
        part.value[end + static_cast<std::size_t>(c)] += v * r[c];
    }
  }

  /// n x k codes; blocks of rows in parallel.
  template <class Rows>
  SparseRowMatrix<Scalar> transform(const Rows& rows, int n_threads) const {
    constexpr Index block_rows = 128;
    RowAssembler<Scalar> out(rows.rows(), block_rows);
    parallel_blocks(rows.rows(), block_rows, n_threads, [&](const Block& block) {
      std::vector<Scalar> z(static_cast<std::size_t>(width() * block.size()));
      products(rows, block.begin, block.end, z.data());
      auto& part = out.part(block);
      for (Index i = block.begin; i < block.end; ++i) {
        Scalar* s = z.data() + (i - block.begin) * width();
        activate(triangle ? squared_norm(rows, i) : 0.0, s);
        const std::size_t before = part.index.size();
        append(s, part);
        out.set_count(i, part.index.size() - before);
      }
    });
    return out.join(n_codes());
  }

  template <class Rows>
  static double squared_norm(const Rows& rows, Index i) {
    double sum = 0;
    if constexpr (is_sparse<Rows>) {
      for (typename Rows::InnerIterator it(rows, i); it; ++it)
        sum += static_cast<double>(it.value()) * static_cast<double>(it.value());
    } else {
      for (Index f = 0; f < rows.cols(); ++f)
        sum += static_cast<double>(rows(i, f)) * static_cast<double>(rows(i, f));
    }
    return sum;
  }

 private:
  // Products of rows with the columns of m (p x padded width).
  static void products(const RowMatrix<Scalar>& m, const DenseRows<Scalar>& rows, Index begin, Index end,
                       Scalar* z) {
    const Scalar* x = rows.data() + begin * rows.outerStride();
    row_product<Scalar>(end - begin, m.cols(), rows.cols(), {x, rows.outerStride(), 1}, m.data(), m.cols(), z,
                        m.cols(), 1);
  }
  static void products(const RowMatrix<Scalar>& m, const SparseRows<Scalar>& rows, Index begin, Index end,
                       Scalar* z) {
    std::memset(z, 0, sizeof(Scalar) * static_cast<std::size_t>(m.cols() * (end - begin)));
    for (Index i = begin; i < end; ++i)
      for (typename SparseRows<Scalar>::InnerIterator it(rows, i); it; ++it)
        add(m, it.value(), it.col(), z + (i - begin) * m.cols());
  }
  static void add(const RowMatrix<Scalar>& m, Scalar v, Index f, Scalar* z) {
    const Scalar* d = m.data() + f * m.cols();
    for (Index j = 0; j < m.cols(); ++j) z[j] += v * d[j];
  }
  // z = m'x, four non-zeros of x in one pass over z, each entry in the order of the features.
  static void add_all(const RowMatrix<Scalar>& m, const Scalar* x, Scalar* z) {
    const Index p = m.rows(), k = m.cols();
    std::memset(z, 0, sizeof(Scalar) * static_cast<std::size_t>(k));
    Index at[4];
    int n = 0;
    for (Index f = 0; f < p; ++f) {
      if (x[f] == Scalar(0)) continue;
      at[n++] = f;
      if (n < 4) continue;
      n = 0;
      const Scalar v0 = x[at[0]], v1 = x[at[1]], v2 = x[at[2]], v3 = x[at[3]];
      const Scalar *d0 = m.data() + at[0] * k, *d1 = m.data() + at[1] * k, *d2 = m.data() + at[2] * k,
                   *d3 = m.data() + at[3] * k;
      for (Index j = 0; j < k; ++j) {
        Scalar sum = z[j] + v0 * d0[j];
        sum += v1 * d1[j];
        sum += v2 * d2[j];
        z[j] = sum + v3 * d3[j];
      }
    }
    for (int i = 0; i < n; ++i) add(m, x[at[i]], at[i], z);
  }
  // |x - center|^2, or |x|^2 without a centre, in double.
  double squared_distance(const Scalar* x, const Scalar* center) const {
    double part[4] = {0, 0, 0, 0};  // four chains: one would wait for itself
    const Index p = n_features();
    for (Index f = 0; f < p; ++f) {
      const auto v = static_cast<double>(center ? x[f] - center[f] : x[f]);
      part[f & 3] += v * v;
    }
    return (part[0] + part[1]) + (part[2] + part[3]);
  }
};

}  // namespace sparse_experts::detail
