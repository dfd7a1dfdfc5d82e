// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/kmeans.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/atom_encoder.hpp>
#include <sparse_experts/model/encoder_options.hpp>
#include <sparse_experts/model/policies.hpp>
#include <sparse_experts/model/principal_axes.hpp>
#include <sparse_experts/model/refinement.hpp>
#include <sparse_experts/model/select_rows.hpp>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

/// The default representation: an encoder chosen at run time (EncoderKind), with its atoms (AtomSource) and,
/// for feed-forward codes, their supervised refinement. Codes are sparse rows, n x k.
///
/// Thresholds of feed-forward and triangle codes come from the wanted share of non-zeros (`density`),
/// measured on training samples, so no threshold has to be tuned to the scale of the data; the codes are then
/// scaled to a mean squared norm of 1, which makes C comparable between encoders.
template <class Scalar>
class Encoder {
 public:
  using Options = EncoderOptions;

  /// Buffers and result of encode(): `index` and `value` hold the non-zeros of the code.
  struct Workspace {
    std::vector<Scalar> dense;  // padded k, then what the axes of the atoms need
    std::vector<Scalar> shift;  // encode_centered: products with the centre
    std::vector<int> index;
    std::vector<Scalar> value;
  };

  explicit Encoder(EncoderOptions options = EncoderOptions()) : options_(std::move(options)) {}

  /// rows: DenseRows or SparseRows, finite. The certificate is that of the refinement, or of the atoms.
  template <class Rows>
  Convergence fit(const Rows& rows, const Targets<Scalar>& targets, const StageContext& context) {
    detail::check_encoder_options(options_, rows.cols());
    if (uses_atoms()) detail::check_at_least("representation.n_components", options_.n_components, 1);
    n_features_ = rows.cols();
    n_components_ = rows.cols();
    if (options_.kind == EncoderKind::identity || options_.kind == EncoderKind::soft_threshold)
      return {Status::converged, 0, 0, 0, 0};
    Convergence certificate{Status::converged, 0, 0, 0, 0};
    const RowMatrix<Scalar> atoms = make_atoms(rows, context, certificate);  // k x p
    n_components_ = atoms.rows();
    pack(atoms);
    set_thresholds(rows, context);
    if (const Index epochs = refine_epochs(rows.rows()); epochs > 0)
      certificate = refine(rows, targets, epochs, context);
    return certificate;
  }

  /// `epochs` more passes of the supervised refinement from the present atoms (feed-forward codes).
  template <class Rows>
  Convergence refine(const Rows& rows, const Targets<Scalar>& targets, Index epochs,
                     const StageContext& context) {
    RefineOptions refine = options_.refine;
    refine.epochs = epochs;
    if (refine.batch_size == 0)
      refine.batch_size = rows.rows() < 4000 ? 64 : (rows.rows() < 30000 ? 128 : 256);
    const DenseRows<Scalar>* dense = nullptr;
    const SparseRows<Scalar>* sparse = nullptr;
    if constexpr (std::is_same_v<Rows, DenseRows<Scalar>>)
      dense = &rows;
    else if constexpr (std::is_same_v<Rows, SparseRows<Scalar>>)
      sparse = &rows;
    else
      return {Status::converged, 0, 0, 0, 0};
    const Index n_axes = refine.n_axes >= 0 ? refine.n_axes : detail::default_axes(rows.cols());
    if (dense && n_axes > 0 && n_axes < rows.cols() && atoms_.axes.size() == 0)
      atoms_.factor(detail::principal_axes(*dense, n_axes, context.seed, context.n_threads),
                    context.n_threads);
    if (sparse && atoms_.axes.size() > 0) atoms_.unfactor(context.n_threads);
    detail::RefinedCode<Scalar> code{std::move(atoms_.atoms), std::move(atoms_.theta), {}, {}};
    const Convergence certificate =
        detail::Refinement<Scalar>(dense, sparse, atoms_.axes, targets, atoms_.n_components, refine, context)
            .run(code);
    atoms_.atoms = std::move(code.atoms);
    atoms_.theta = std::move(code.theta);
    if (refine.readout) {
      atoms_.readout = std::move(code.readout);
      atoms_.readout_bias = std::move(code.readout_bias);
      n_components_ = atoms_.n_codes();
    }
    atoms_.unfactor_if_smaller(context.n_threads);
    return certificate;
  }

  /// Leaves the given atoms (ascending).
  void keep_atoms(const std::vector<Index>& kept) {
    atoms_.keep_atoms(kept);
    n_components_ = atoms_.n_codes();
  }
  Index n_atoms() const { return uses_atoms() ? atoms_.n_components : 0; }  ///< without the read-out
  const RowMatrix<Scalar>& readout() const { return atoms_.readout; }       ///< padded n_atoms x q or empty

  /// n x k codes of scaled samples.
  template <class Rows>
  SparseRowMatrix<Scalar> transform(const Rows& rows, int n_threads) const {
    if (uses_atoms()) return atoms_.transform(rows, n_threads);
    constexpr Index block_rows = 256;
    detail::RowAssembler<Scalar> out(rows.rows(), block_rows);
    detail::parallel_blocks(rows.rows(), block_rows, n_threads, [&](const detail::Block& block) {
      auto& part = out.part(block);
      for (Index i = block.begin; i < block.end; ++i) {
        const std::size_t before = part.index.size();
        if constexpr (detail::is_sparse<Rows>) {
          for (typename Rows::InnerIterator it(rows, i); it; ++it) keep(it.col(), it.value(), part);
        } else {
          for (Index j = 0; j < rows.cols(); ++j) keep(j, rows(i, j), part);
        }
        out.set_count(i, part.index.size() - before);
      }
    });
    return out.join(n_components_);
  }

  Workspace workspace() const {
    Workspace ws;
    ws.dense.resize(static_cast<std::size_t>(uses_atoms() ? atoms_.work_size() : 0));
    ws.index.reserve(static_cast<std::size_t>(n_components_));
    ws.value.reserve(static_cast<std::size_t>(n_components_));
    return ws;
  }

  /// Code of one dense scaled sample (p numbers) into ws.index, ws.value. No allocation.
  void encode(const Scalar* x, Workspace& ws) const {
    ws.index.clear();
    ws.value.clear();
    if (!uses_atoms()) {
      for (Index j = 0; j < n_features_; ++j) keep(j, x[j], ws);
      return;
    }
    atoms_.encode(x, ws.dense.data());
    atoms_.append(ws.dense.data(), ws);
  }

  /// Prepares encode_centered.
  void set_center(const Vector<Scalar>& center, Workspace& ws) const {
    if (!uses_atoms() || atoms_.triangle) return;
    atoms_.shift_of(center, ws.shift);
  }
  /// encode() of (x - center) / |x - center| that skips the zeros of x. False: not possible for this sample.
  bool encode_centered(const Scalar* x, const Vector<Scalar>& center, Workspace& ws) const {
    if (ws.shift.empty() || !atoms_.encode_centered(x, center.data(), ws.shift.data(), ws.dense.data()))
      return false;
    ws.index.clear();
    ws.value.clear();
    atoms_.append(ws.dense.data(), ws);
    return true;
  }

  Index n_components() const { return n_components_; }  ///< k
  const EncoderOptions& options() const { return options_; }
  /// True when the codes depend on the targets: scores of the training samples then flatter, even out of
  /// fold.
  bool supervised() const {
    return options_.kind == EncoderKind::feed_forward && options_.refine.epochs != 0;
  }
  /// The atoms as used by the encoder, k x p; empty for encoders without atoms.
  RowMatrix<Scalar> dictionary() const {
    if (!uses_atoms()) return {};
    return atoms_.features_by_atoms(1).leftCols(atoms_.n_components).transpose();
  }
  Index bytes() const {
    return static_cast<Index>(sizeof(Scalar)) *
           (uses_atoms()
                ? (atoms_.atoms.rows() + 1) * atoms_.n_components + atoms_.axes.size() + atoms_.readout.size()
                : 0);
  }
  /// What bytes() falls by with an atom.
  Index bytes_per_atom() const {
    const Index columns = atoms_.readout_bias.size();
    return static_cast<Index>(sizeof(Scalar)) * (uses_atoms() ? atoms_.atoms.rows() + 1 + columns : 0);
  }

 private:
  bool uses_atoms() const {
    return options_.kind == EncoderKind::feed_forward || options_.kind == EncoderKind::triangle;
  }

  Index refine_epochs(Index n) const {
    if (options_.kind != EncoderKind::feed_forward) return 0;
    if (options_.refine.epochs >= 0) return options_.refine.epochs;
    return std::clamp<Index>(800000 / n, 12, 200);
  }

  template <class Part>
  void keep(Index j, Scalar v, Part& part) const {
    if (options_.kind == EncoderKind::soft_threshold) {
      const auto level = static_cast<Scalar>(options_.alpha);
      v = v > level ? v - level : (v < -level && !options_.nonnegative ? v + level : Scalar(0));
      v /= static_cast<Scalar>(1 + options_.alpha2);
    }
    if (v == Scalar(0)) return;
    part.index.push_back(static_cast<int>(j));
    part.value.push_back(v);
  }

  template <class Rows>
  RowMatrix<Scalar> make_atoms(const Rows& rows, const StageContext& context,
                               Convergence& certificate) const {
    if (const auto& given = options_.dictionary; given.size() > 0) {
      RowMatrix<Scalar> atoms(given.rows(), given.cols());
      for (Index j = 0; j < given.rows(); ++j)
        for (Index f = 0; f < given.cols(); ++f) atoms(j, f) = static_cast<Scalar>(given(j, f));
      return atoms;
    }
    const Index k = std::min(options_.n_components, rows.rows());
    Random random(context.seed, 101);
    const std::vector<Index> order = random.permutation(rows.rows());
    if (options_.atoms == AtomSource::kmeans) {
      // Centres need some tens of samples each; more only cost time.
      const Index n = std::min(rows.rows(), std::max<Index>(20 * k, 5000));
      const auto sample = detail::select_rows<Scalar>(rows, order, n);
      KMeans<Scalar> kmeans({.n_clusters = k,
                             .max_iter = 10,
                             .seed = context.seed,
                             .init = KMeansInit::random,
                             .n_threads = context.n_threads});
      certificate = kmeans.fit(sample);
      certificate.status = certificate.status == Status::max_iter ? Status::converged : certificate.status;
      return kmeans.centers();
    }
    if constexpr (detail::is_sparse<Rows>)
      return RowMatrix<Scalar>(detail::select_rows<Scalar>(rows, order, k));
    else
      return detail::select_rows<Scalar>(rows, order, k);
  }

  void pack(const RowMatrix<Scalar>& atoms) {
    const Index k = atoms.rows(), width = detail::padded_width<Scalar>(k);
    atoms_ = {};
    atoms_.triangle = options_.kind == EncoderKind::triangle;
    atoms_.n_components = k;
    const Index p = atoms.cols();
    detail::fill(atoms_.atoms, p, width, Scalar(0));
    detail::transpose(atoms.data(), k, p, atoms_.atoms.data(), width);
    // Padding never fires: its threshold, or its distance, is out of reach.
    detail::fill(atoms_.theta, width, Scalar(1e30));
    if (atoms_.triangle) atoms_.norms = atoms_.theta;
    for (Index j = 0; j < k; ++j) {
      const double square = detail::squared_length(atoms.data() + j * p, p);
      if (atoms_.triangle) {
        atoms_.norms[j] = static_cast<Scalar>(square);
      } else if (square > 0) {
        const auto norm = static_cast<Scalar>(std::sqrt(square));
        for (Index f = 0; f < p; ++f) atoms_.atoms(f, j) /= norm;
      }
    }
  }

  // Thresholds that give the wanted density on up to 1000 samples, then the scale.
  template <class Rows>
  void set_thresholds(const Rows& rows, const StageContext& context) {
    const Index n = std::min<Index>(rows.rows(), 1000), k = n_components_;
    const auto sample =
        detail::select_rows<Scalar>(rows, Random(context.seed, 102).permutation(rows.rows()), n);
    const auto n_zero = static_cast<std::ptrdiff_t>((1 - options_.density) * static_cast<double>(n));
    const auto raw = raw_products(sample);  // n x padded k
    std::vector<Scalar> column(static_cast<std::size_t>(n));
    const auto quantile = [&](std::vector<Scalar>& values, std::ptrdiff_t at) {
      at = std::clamp<std::ptrdiff_t>(at, 0, static_cast<std::ptrdiff_t>(values.size()) - 1);
      std::nth_element(values.begin(), values.begin() + at, values.end());
      return values[static_cast<std::size_t>(at)];
    };
    if (!atoms_.triangle) {
      for (Index j = 0; j < k; ++j) {
        for (Index i = 0; i < n; ++i) column[static_cast<std::size_t>(i)] = raw(i, j);
        atoms_.theta[j] =
            options_.theta >= 0 ? static_cast<Scalar>(options_.theta) : quantile(column, n_zero);
      }
    } else {
      // Ratio of each distance to the mean distance of its sample: theta is their quantile.
      std::vector<Scalar> ratio;
      ratio.reserve(static_cast<std::size_t>(n * k));
      for (Index i = 0; i < n; ++i) {
        const Scalar* d = raw.data() + i * raw.cols();
        double sum = 0;
        for (Index j = 0; j < k; ++j) sum += static_cast<double>(d[j]);
        const auto mean = static_cast<Scalar>(sum / static_cast<double>(k));
        if (mean > Scalar(0))
          for (Index j = 0; j < k; ++j) ratio.push_back(d[j] / mean);
      }
      Scalar theta = 1;
      if (!ratio.empty())
        theta = quantile(ratio,
                         static_cast<std::ptrdiff_t>(options_.density * static_cast<double>(ratio.size())));
      atoms_.theta[0] = options_.theta >= 0 ? static_cast<Scalar>(options_.theta) : theta;
    }
    rescale(rows, context);
  }

  // Products with the atoms (feed-forward) or distances to them (triangle), n x padded k.
  template <class Sample>
  RowMatrix<Scalar> raw_products(const Sample& sample) const {
    RowMatrix<Scalar> z(sample.rows(), atoms_.width());
    detail::with_rows(sample, [&](const auto& rows) {
      atoms_.products(rows, 0, rows.rows(), z.data());
      if (!atoms_.triangle) return;
      for (Index i = 0; i < z.rows(); ++i)
        atoms_.distances(atoms_.squared_norm(rows, i), z.data() + i * z.cols());
    });
    return z;
  }

  // Codes of mean squared norm 1.
  template <class Rows>
  void rescale(const Rows& rows, const StageContext& context) {
    const Index n = std::min<Index>(rows.rows(), 2000);
    const auto sample =
        detail::select_rows<Scalar>(rows, Random(context.seed, 103).permutation(rows.rows()), n);
    double sum = 0;
    detail::with_rows(sample, [&](const auto& view) {
      const SparseRowMatrix<Scalar> codes = atoms_.transform(view, context.n_threads);
      for (Index t = 0; t < codes.nonZeros(); ++t)
        sum += static_cast<double>(codes.valuePtr()[t]) * static_cast<double>(codes.valuePtr()[t]);
    });
    if (!(sum > 0)) return;
    const auto factor = static_cast<Scalar>(std::sqrt(static_cast<double>(n) / sum));
    if (atoms_.triangle) {
      atoms_.scale *= factor;
    } else {
      detail::multiply(atoms_.atoms.data(), atoms_.atoms.size(), factor);
      detail::multiply(atoms_.theta.data(), atoms_.n_components, factor);
    }
  }

  EncoderOptions options_;
  Index n_features_ = 0, n_components_ = 0;
  detail::AtomEncoder<Scalar> atoms_;
};

}  // namespace sparse_experts
