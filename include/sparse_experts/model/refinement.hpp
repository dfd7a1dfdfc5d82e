// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/model/policies.hpp>
#include <sparse_experts/model/refine_options.hpp>
#include <sparse_experts/model/row_product.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace sparse_experts {

namespace detail {

// Atoms, thresholds and linear weights of s = max(D x - theta, 0), F = S W + b.
template <class Scalar>
struct RefinedCode {
  RowMatrix<Scalar> atoms;         // p x padded k: D transposed; with axes V (p x r): r x padded k, D' = V A
  Vector<Scalar> theta;            // padded k; padding never fires
  RowMatrix<Scalar> readout;       // out: padded k x q, W
  RowVector<Scalar> readout_bias;  // out: q, b
};

// First-order method with step sizes by entry.
// Ref: Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
template <class Scalar>
class AdamGroup {
 public:
  AdamGroup(Scalar* data, Index size, double rate) : data_(data), rate_(rate) {
    for (Vector<Scalar>* v : {&gradient_, &first_, &second_}) fill(*v, size, Scalar(0));
  }

  Scalar* gradient() { return gradient_.data(); }

  void step(Index t, double schedule, int n_threads) {
    const auto b1 = static_cast<Scalar>(0.9), b2 = static_cast<Scalar>(0.999);
    const auto tiny = static_cast<Scalar>(1e-8);
    const double debias =
        std::sqrt(1 - std::pow(0.999, static_cast<double>(t))) / (1 - std::pow(0.9, static_cast<double>(t)));
    const auto length = static_cast<Scalar>(rate_ * schedule * debias);
    parallel_blocks(gradient_.size(), 1 << 17, n_threads, [&](const Block& block) {
      // Array expressions: a loop over std::sqrt does not become vector code.
      const auto g = gradient_.segment(block.begin, block.size()).array();
      auto first = first_.segment(block.begin, block.size()).array();
      auto second = second_.segment(block.begin, block.size()).array();
      first = b1 * first + (1 - b1) * g;
      second = b2 * second + (1 - b2) * g * g;
      Eigen::Map<Eigen::Array<Scalar, Eigen::Dynamic, 1>>(data_ + block.begin, block.size()) -=
          length * first / (second.sqrt() + tiny);
    });
  }

 private:
  Scalar* data_;
  double rate_;
  Vector<Scalar> gradient_, first_, second_;
};

// Task-driven dictionary update for feed-forward codes.
//   min_{D, theta, W, b}  1/n sum_i sum_c max(0, 1 - y_ic (W_c's_i + b_c))^2 + l1 |s_i|_1,  s_i = max(D x_i -
//   theta, 0)
// (regression: squared error to the standardised target) by Adam on random batches with dropout on s, step
// sizes warmed up, then lowered along a cosine. W and b are scaffolding: the experts are solved to a
// certificate afterwards on the final codes. In: rows x (n x p, dense or sparse), targets, start atoms (p x
// padded k), theta. Out: both refined in place, Convergence{value = mean loss of the last epoch over the loss
// of zero scores, objective = that loss}.  Cost 6 n p k a pass. Same bits at any number of threads. Ref:
// Mairal, Bach, Ponce, "Task-driven dictionary learning", IEEE PAMI 34(4), 2012, section 3 with the exact
// code replaced by its feed-forward form; Srivastava et al., "Dropout", JMLR 15, 2014.
template <class Scalar>
class Refinement {
 public:
  // One of the two views of the samples is given. One class serves both: compiling it twice costs more than
  // the branches. axes: V, orthonormal columns that dense samples are projected to after the dropout; empty:
  // they are not.
  Refinement(const DenseRows<Scalar>* dense, const SparseRows<Scalar>* sparse, const RowMatrix<Scalar>& axes,
             const Targets<Scalar>& targets, Index n_components, const RefineOptions& options,
             const StageContext& context)
      : dense_(dense),
        sparse_(sparse),
        axes_(axes),
        targets_(targets),
        options_(options),
        context_(context),
        k_(n_components) {
    // Two classes share one output, as their experts do.
    n_outputs_ = targets.n_classes > 2 ? targets.n_classes : 1;
    q_ = padded_width<Scalar>(n_outputs_);
    if (targets.n_classes == 0) {
      const auto n = static_cast<double>(targets.values.size());
      for (const Scalar y : targets.values) mean_ += static_cast<double>(y) / n;
      double var = 0;
      for (const Scalar y : targets.values)
        var += (static_cast<double>(y) - mean_) * (static_cast<double>(y) - mean_) / n;
      scale_ = var > 0 ? 1 / std::sqrt(var) : 1;
    }
  }

  Convergence run(RefinedCode<Scalar>& code) {
    const Index n = dense_ ? dense_->rows() : sparse_->rows(), k = code.atoms.cols();
    const Index batch = std::min(options_.batch_size, n), n_batches = (n + batch - 1) / batch;
    const Index n_steps = options_.epochs * n_batches, warm_up = std::min<Index>(100, n_steps / 10 + 1);
    fill(weights_, q_, k, Scalar(0));
    fill(bias_, q_, n_outputs_ > 1 ? Scalar(-0.5) : Scalar(0));
    // Step sizes as if the atoms had length 1.
    const double length =
        std::sqrt(squared_length(code.atoms.data(), code.atoms.size()) / static_cast<double>(k_));
    AdamGroup<Scalar> atoms(code.atoms.data(), code.atoms.size(), options_.rate * length);
    AdamGroup<Scalar> theta(code.theta.data(), k, options_.rate * length);
    AdamGroup<Scalar> weights(weights_.data(), weights_.size(), options_.rate / length);
    AdamGroup<Scalar> bias(bias_.data(), q_, options_.rate);
    if (dense_) x_.resize(batch, dense_->cols());
    if (axes_.size() > 0) projected_.resize(batch, axes_.cols());
    s_.resize(batch, k);
    back_.resize(batch, k);
    f_.resize(batch, q_);
    weights_by_atom_.resize(k, q_);
    // No certificate of a global optimum: the loss relative to scores of zero, where every entry loses 1.
    Convergence certificate{Status::converged, 0, 1, 0, 0};
    Index t = 0;
    for (Index epoch = 0; epoch < options_.epochs; ++epoch) {
      const std::vector<Index> order =
          Random(context_.seed, 2 * static_cast<std::uint64_t>(epoch) + 11).permutation(n);
      double loss = 0;
      for (Index b = 0; b < n_batches; ++b) {
        // Batches of equal size: the last one takes samples from the front again.
        for (Index i = 0; i < batch; ++i)
          picked_.push_back(order[static_cast<std::size_t>((b * batch + i) % n)]);
        ++t;
        const double progress = static_cast<double>(t) / static_cast<double>(n_steps);
        const double schedule = std::min(1.0, static_cast<double>(t) / static_cast<double>(warm_up)) *
                                std::max(1e-3, 0.5 * (1 + std::cos(3.14159265358979 * progress)));
        forward(code, t);
        loss += backward();
        gradients(atoms.gradient(), theta.gradient(), weights.gradient(), bias.gradient());
        atoms.step(t, schedule, context_.n_threads);
        theta.step(t, schedule, context_.n_threads);
        weights.step(t, schedule, context_.n_threads);
        bias.step(t, schedule, context_.n_threads);
        picked_.clear();
      }
      certificate.objective = loss / static_cast<double>(n_batches);
      certificate.value = certificate.objective / static_cast<double>(n_outputs_);
      certificate.n_iter = epoch + 1;
      if (!report_progress(context_.on_progress, {"refinement", epoch + 1, certificate.value,
                                                  certificate.tolerance, certificate.objective})) {
        certificate.status = Status::stopped;
        break;
      }
    }
    if (certificate.status == Status::converged && !(certificate.value <= 1))
      certificate.status = Status::stalled;
    code.readout.resize(k, n_outputs_);
    transpose(weights_.data(), n_outputs_, k, code.readout.data(), n_outputs_);
    code.readout_bias.resize(n_outputs_);
    std::copy(bias_.data(), bias_.data() + n_outputs_, code.readout_bias.data());
    return certificate;
  }

 private:
  // Factor of a kept entry, and the byte value below which an entry is dropped.
  static std::pair<unsigned, Scalar> dropping(double share) {
    const auto limit = static_cast<unsigned>(std::lround(256 * share));
    return {limit, static_cast<Scalar>(1 / (1 - limit / 256.0))};
  }
  // One random byte decides about one entry.
  static void drop(Random random, std::pair<unsigned, Scalar> how, Index size, Scalar* values) {
    for (Index j = 0; j < size; j += 8) {
      const std::uint64_t bits = random.next();
      const Index end = std::min<Index>(8, size - j);
      for (Index l = 0; l < end; ++l)
        values[j + l] *= ((bits >> (8 * l)) & 0xFF) < how.first ? Scalar(0) : how.second;
    }
  }

  void forward(const RefinedCode<Scalar>& code, Index t) {
    const Index batch = s_.rows(), k = s_.cols();
    const std::pair<unsigned, Scalar> inner = dropping(options_.dropout);
    const auto stream = [&](Index i) { return static_cast<std::uint64_t>(2 * (t * batch + i)); };
    if (dense_)
      dense_products(code, stream);
    else
      sparse_products(code, stream);
    parallel_blocks(batch, std::max<Index>(16, (1 << 17) / k), context_.n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) {
        Scalar* s = s_.data() + i * k;
        for (Index j = 0; j < k; ++j) s[j] = std::max(s[j] - code.theta[j], Scalar(0));
        if (inner.first > 0) drop(Random(context_.seed ^ 0x5DEECE66Du, stream(i)), inner, k, s);
      }
    });
    transpose(weights_.data(), q_, k, weights_by_atom_.data(), q_);
    row_product<Scalar>(batch, q_, k, {s_.data(), k, 1}, weights_by_atom_.data(), q_, f_.data(), q_, 1);
    for (Index i = 0; i < batch; ++i) add_multiple(Scalar(1), bias_.data(), f_.data() + i * q_, q_);
  }

  // s_ = X D of the batch, X with dropout.
  template <class Stream>
  void dense_products(const RefinedCode<Scalar>& code, const Stream& stream) {
    const Index batch = s_.rows(), k = s_.cols(), p = x_.cols();
    const std::pair<unsigned, Scalar> how = dropping(options_.input_dropout);
    parallel_blocks(batch, std::max<Index>(16, (1 << 16) / p), context_.n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) {
        const Scalar* x = dense_->data() + picked_[static_cast<std::size_t>(i)] * dense_->outerStride();
        std::copy(x, x + p, x_.data() + i * p);
        if (how.first > 0)
          drop(Random(context_.seed ^ 0x5DEECE66Du, stream(i) + 1), how, p, x_.data() + i * p);
      }
    });
    if (axes_.size() > 0)
      row_product<Scalar>(batch, axes_.cols(), p, {x_.data(), p, 1}, axes_.data(), axes_.cols(),
                          projected_.data(), axes_.cols(), context_.n_threads);
    const RowMatrix<Scalar>& input = inputs();
    row_product<Scalar>(batch, k, input.cols(), {input.data(), input.cols(), 1}, code.atoms.data(), k,
                        s_.data(), k, context_.n_threads);
  }
  // What the atoms are multiplied with.
  const RowMatrix<Scalar>& inputs() const { return axes_.size() > 0 ? projected_ : x_; }
  template <class Stream>
  void sparse_products(const RefinedCode<Scalar>& code, const Stream& stream) {
    const Index batch = s_.rows(), k = s_.cols();
    const std::pair<unsigned, Scalar> input = dropping(options_.input_dropout);
    begin_.assign(1, 0);
    column_.clear();
    value_.clear();
    for (Index i = 0; i < batch; ++i) {
      const Index row = picked_[static_cast<std::size_t>(i)];
      const auto from = static_cast<Index>(sparse_->outerIndexPtr()[row]);
      const auto count = static_cast<Index>(sparse_->outerIndexPtr()[row + 1]) - from;
      column_.insert(column_.end(), sparse_->innerIndexPtr() + from, sparse_->innerIndexPtr() + from + count);
      value_.insert(value_.end(), sparse_->valuePtr() + from, sparse_->valuePtr() + from + count);
      if (input.first > 0)
        drop(Random(context_.seed ^ 0x5DEECE66Du, stream(i) + 1), input, count,
             value_.data() + begin_.back());
      begin_.push_back(begin_.back() + static_cast<std::size_t>(count));
    }
    parallel_blocks(batch, 16, context_.n_threads, [&](const Block& block) {
      std::fill_n(s_.data() + block.begin * k, block.size() * k, Scalar(0));
      for (Index i = block.begin; i < block.end; ++i)
        for (std::size_t t = begin_[static_cast<std::size_t>(i)]; t < begin_[static_cast<std::size_t>(i) + 1];
             ++t)
          add_multiple(value_[t], code.atoms.data() + column_[t] * k, s_.data() + i * k, k);
    });
  }

  // Replaces scores by the gradient of the loss in them and back_ by the gradient in the codes.
  double backward() {
    const Index batch = f_.rows(), k = s_.cols();
    double loss = 0;
    const auto per_sample = static_cast<Scalar>(1.0 / static_cast<double>(batch));
    for (Index i = 0; i < batch; ++i) {
      const Index sample = picked_[static_cast<std::size_t>(i)];
      Scalar* f = f_.data() + i * q_;
      if (targets_.n_classes == 0) {
        const double error =
            static_cast<double>(f[0]) - scale_ * (static_cast<double>(targets_.values[sample]) - mean_);
        loss += error * error;
        for (Index c = 0; c < q_; ++c) f[c] = 0;
        f[0] = static_cast<Scalar>(2 * error) * per_sample;
        continue;
      }
      for (Index c = 0; c < q_; ++c) {
        const Index positive = n_outputs_ == 1 ? 1 : c;
        const Scalar y = targets_.classes[sample] == positive ? Scalar(1) : Scalar(-1);
        const Scalar slack = c < n_outputs_ ? std::max(Scalar(0), 1 - y * f[c]) : Scalar(0);
        loss += static_cast<double>(slack) * static_cast<double>(slack);
        f[c] = -2 * y * slack * per_sample;
      }
    }
    row_product<Scalar>(batch, k, q_, {f_.data(), q_, 1}, weights_.data(), k, back_.data(), k,
                        context_.n_threads);
    const auto l1 = static_cast<Scalar>(options_.l1) * per_sample;
    const Scalar keep = dropping(options_.dropout).second;
    parallel_blocks(batch, std::max<Index>(16, (1 << 17) / k), context_.n_threads, [&](const Block& block) {
      for (Index i = block.begin; i < block.end; ++i) {
        Scalar* g = back_.data() + i * k;
        const Scalar* s = s_.data() + i * k;
        for (Index j = 0; j < k; ++j) g[j] = s[j] > 0 ? keep * g[j] + l1 : Scalar(0);
      }
    });
    return loss / static_cast<double>(batch);
  }

  void gradients(Scalar* atoms, Scalar* theta, Scalar* weights, Scalar* bias) {
    const Index batch = s_.rows(), k = s_.cols();
    if (dense_) {
      const RowMatrix<Scalar>& input = inputs();
      row_product<Scalar>(input.cols(), k, batch, {input.data(), 1, input.cols()}, back_.data(), k, atoms, k,
                          context_.n_threads);
    } else {
      // Columns in parallel: every entry is one sum in the order of the samples.
      parallel_blocks(k, 64, context_.n_threads, [&](const Block& block) {
        for (Index f = 0; f < sparse_->cols(); ++f)
          std::fill_n(atoms + f * k + block.begin, block.size(), Scalar(0));
        for (Index i = 0; i < batch; ++i)
          for (std::size_t t = begin_[static_cast<std::size_t>(i)];
               t < begin_[static_cast<std::size_t>(i) + 1]; ++t)
            add_multiple(value_[t], back_.data() + i * k + block.begin, atoms + column_[t] * k + block.begin,
                         block.size());
      });
    }
    row_product<Scalar>(q_, k, batch, {f_.data(), 1, q_}, s_.data(), k, weights, k, context_.n_threads);
    add_rows_to_first(back_);
    for (Index j = 0; j < k; ++j) theta[j] = -back_(0, j);
    add_rows_to_first(f_);
    std::copy(f_.data(), f_.data() + q_, bias);
  }

  const DenseRows<Scalar>* dense_;
  const SparseRows<Scalar>* sparse_;
  const RowMatrix<Scalar>& axes_;
  const Targets<Scalar>& targets_;
  RefineOptions options_;
  const StageContext& context_;
  Index k_, n_outputs_ = 0, q_ = 0;
  double mean_ = 0, scale_ = 1;
  std::vector<Index> picked_;
  std::vector<std::size_t> begin_;  // sparse samples of the batch
  std::vector<int> column_;
  std::vector<Scalar> value_;
  RowMatrix<Scalar> x_, projected_, s_, back_, f_, weights_, weights_by_atom_;
  Vector<Scalar> bias_;
};

}  // namespace detail

}  // namespace sparse_experts
