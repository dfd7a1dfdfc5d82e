// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/model/gate.hpp>

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

namespace sparse_experts {

/// What the samples shall be mapped to: classes or real values, one of the two is empty.
template <class Scalar>
struct Targets {
  LabelVector classes;  ///< class 0 … n_classes-1 of each sample (classification)
  Index n_classes = 0;  ///< 0 in regression
  /// The label of each class, ascending; empty: class c has the label c.
  std::vector<int> labels = {};
  Vector<Scalar> values;  ///< target of each sample (regression)
};

/// What every stage is told besides its data.
struct StageContext {
  std::uint64_t seed = 0;
  int n_threads = 0;  ///< 0 = all
  ProgressCallback on_progress = {};
};

/// Step 1 of the model: samples (scaled rows of X) to codes. `Options` is default constructible, R(options)
/// makes one, fit may look at the targets, transform gives n x k codes as sparse rows. A representation that
/// shall also take sparse X accepts SparseRows in both; one that predicts without allocation also has
/// `workspace()`, `encode(x, workspace)` and a workspace with `index` and `value`, as Encoder does.
template <class R, class Scalar>
concept Representation = requires(R r, const R& fitted, const DenseRows<Scalar>& rows,
                                  const Targets<Scalar>& targets, const StageContext& context,
                                  typename R::Options options) {
  R(options);
  { r.fit(rows, targets, context) } -> std::same_as<Convergence>;
  { fitted.transform(rows, 1) } -> std::convertible_to<SparseRowMatrix<Scalar>>;
};

/// Step 2: the anchors of the gate from the codes (sparse rows) or the scaled samples. No anchors: no experts
/// but the shared one.
template <class C, class Scalar>
concept Clustering = requires(C c, const C& fitted, const SparseRows<Scalar>& rows,
                              const StageContext& context, typename C::Options options) {
  C(options);
  { c.fit(rows, context) } -> std::same_as<Convergence>;
  { fitted.anchors() } -> std::convertible_to<Anchors<Scalar>>;
};

/// Step 4: one weight vector per output on any Design (the lifted features). coef is n_features x q,
/// intercept q; q = 1 for two classes and in regression. `is_classifier` says which kind of targets it wants.
template <class E, class Scalar>
concept Expert = requires(E e, const E& fitted, const SparseColumns<Scalar>& design,
                          const Targets<Scalar>& targets, const StageContext& context,
                          typename E::Options options) {
  E(options);
  { E::is_classifier } -> std::convertible_to<bool>;
  { e.fit(design, targets, context) } -> std::same_as<Convergence>;
  { fitted.coef() } -> std::convertible_to<Matrix<Scalar>>;
  { fitted.intercept() } -> std::convertible_to<Vector<Scalar>>;
};

namespace detail {
// Workspace of a representation that has one.
template <class R>
struct WorkspaceOf {
  struct type {};
};
template <class R>
requires requires(const R& r) { r.workspace(); }
struct WorkspaceOf<R> {
  using type = decltype(std::declval<const R&>().workspace());
};
struct ModelAccess;
}  // namespace detail

}  // namespace sparse_experts
