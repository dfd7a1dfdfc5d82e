// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/atoms.hpp>
#include <sparse_experts/coding/coding_report.hpp>
#include <sparse_experts/coding/encode_rows.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

/// Encoders without iteration: a rule turns the correlations D x and |x|^2 into the code at once.
/// rule(c, |x|^2, push) calls push(j, value) in ascending order of j.
namespace sparse_experts::detail {

/// Buffers of one thread.
template <class Scalar>
struct DirectWorkspace {
  SampleBuffer<Scalar> sample;
  Vector<Scalar> correlations;
};

template <class Scalar>
DirectWorkspace<Scalar> direct_workspace(const Atoms<Scalar>& atoms) {
  return {SampleBuffer<Scalar>(atoms.n_features()), Vector<Scalar>::Zero(atoms.padded())};
}

template <class Scalar, class X, class Rule>
SparseRowMatrix<Scalar> direct_transform(const Eigen::EigenBase<X>& input, const Atoms<Scalar>& atoms,
                                         int n_threads, CodingReport* report, const Rule& rule) {
  return with_rows(input, [&](const auto& x) {
    check_features(x, atoms.n_features());
    SparseRowMatrix<Scalar> codes = encode_rows<Scalar>(
        x, atoms, n_threads,
        [&](const Scalar* c, double squared_norm, Index, const Block&, CodeRows<Scalar>& sink) {
          rule(c, squared_norm, [&](Index j, Scalar v) { sink.push(static_cast<int>(j), v); });
        });
    if (report) *report = make_report({}, 0, codes.rows(), codes.cols(), codes.nonZeros());
    return codes;
  });
}

template <class Scalar, class X, class Code, class Rule>
Convergence direct_encode(const X& x, Code& code, const Atoms<Scalar>& atoms, DirectWorkspace<Scalar>& work,
                          const Rule& rule) {
  check_sample(x, atoms.n_features());
  check_size("code.size()", code.size(), atoms.n_atoms(), "components of the encoder");
  const SparseSample<Scalar> sample = work.sample.gather(x);
  atoms.correlate(sample, work.correlations.data());
  code.setZero();
  rule(work.correlations.data(), squared_norm(sample), [&](Index j, Scalar v) { code[j] = v; });
  return {Status::converged, 0, 0, 0, 0};
}

}  // namespace sparse_experts::detail
