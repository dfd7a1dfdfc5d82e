// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Row numbers of a training and a test part; both ascending, together each row once.
struct Split {
  std::vector<Index> train;
  std::vector<Index> test;
};

struct TrainTestSplitOptions {
  double test_size = 0.25;  ///< share of the samples that are tested, in (0, 1)
  std::uint64_t seed = 0;
};

struct KFoldOptions {
  Index n_folds = 5;       ///< at least 2
  bool shuffle = true;     ///< false: fold f takes every n_folds-th sample
  std::uint64_t seed = 0;  ///< used when shuffle is true
};

namespace detail {

/// Rows of each label, labels ascending.
template <class Derived>
std::vector<std::vector<Index>> rows_by_label(const Eigen::MatrixBase<Derived>& labels) {
  std::map<typename Derived::Scalar, std::vector<Index>> rows;
  for (Index i = 0; i < labels.size(); ++i) rows[labels.derived().coeff(i)].push_back(i);
  std::vector<std::vector<Index>> groups;
  for (auto& [label, members] : rows) groups.push_back(std::move(members));
  return groups;
}

template <class = void>
std::vector<Index> all_rows(Index n) {
  std::vector<Index> rows(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<Index>(i);
  return rows;
}

/// Split by the fold number of each row: equal to `fold` is the test part.
template <class = void>
Split split_of_fold(const std::vector<Index>& fold_of, Index fold) {
  Split split;
  for (std::size_t i = 0; i < fold_of.size(); ++i)
    (fold_of[i] == fold ? split.test : split.train).push_back(static_cast<Index>(i));
  return split;
}

/// Deals each group's rows to the folds in turn; the turn goes on from group to group, so that the sizes of
/// the folds differ by at most one in each group and in total.
template <class = void>
std::vector<Split> deal(std::vector<std::vector<Index>> groups, Index n, const KFoldOptions& options) {
  check_at_least("n_folds", options.n_folds, 2);
  if (options.n_folds > n)
    reject("n_folds", options.n_folds, "at most the number of samples, " + std::to_string(n));
  Random random(options.seed);
  std::vector<Index> fold_of(static_cast<std::size_t>(n));
  Index turn = 0;
  for (std::vector<Index>& group : groups) {
    if (options.shuffle) random.shuffle(group);
    for (const Index row : group) fold_of[static_cast<std::size_t>(row)] = turn++ % options.n_folds;
  }
  std::vector<Split> splits;
  for (Index fold = 0; fold < options.n_folds; ++fold) splits.push_back(split_of_fold(fold_of, fold));
  return splits;
}

/// Test rows of each group in proportion to its size (largest remainders get what rounding leaves); no group
/// gives its last row away.
template <class = void>
Split hold_out(std::vector<std::vector<Index>> groups, Index n, const TrainTestSplitOptions& options) {
  if (!is_finite(options.test_size) || !(options.test_size > 0 && options.test_size < 1))
    reject("test_size", options.test_size, "a share in (0, 1)");
  check_at_least("n_samples", n, 2);
  const Index n_test = std::clamp<Index>(
      static_cast<Index>(std::llround(options.test_size * static_cast<double>(n))), 1, n - 1);
  std::vector<Index> quota(groups.size());
  std::vector<std::pair<double, std::size_t>> remainders;
  Index given = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double share =
        static_cast<double>(n_test) * static_cast<double>(groups[g].size()) / static_cast<double>(n);
    quota[g] = std::min(static_cast<Index>(share), static_cast<Index>(groups[g].size()) - 1);
    given += quota[g];
    remainders.emplace_back(static_cast<double>(quota[g]) - share, g);
  }
  std::sort(remainders.begin(), remainders.end());
  for (const auto& [remainder, g] : remainders)
    if (given < n_test && quota[g] + 1 < static_cast<Index>(groups[g].size())) {
      ++quota[g];
      ++given;
    }
  Random random(options.seed);
  std::vector<Index> fold_of(static_cast<std::size_t>(n), 1);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    random.shuffle(groups[g]);
    for (Index k = 0; k < quota[g]; ++k)
      fold_of[static_cast<std::size_t>(groups[g][static_cast<std::size_t>(k)])] = 0;
  }
  return split_of_fold(fold_of, 0);
}

}  // namespace detail

/// Holds round(test_size n) samples out at random.
template <class = void>
Split train_test_split(Index n_samples, const TrainTestSplitOptions& options = TrainTestSplitOptions()) {
  return detail::hold_out({detail::all_rows(n_samples)}, n_samples, options);
}

/// The same, stratified: every label has its share of the test part (to rounding) and keeps at least one
/// sample in the training part.
template <class Derived>
Split train_test_split(const Eigen::MatrixBase<Derived>& labels,
                       const TrainTestSplitOptions& options = TrainTestSplitOptions()) {
  return detail::hold_out(detail::rows_by_label(labels), labels.size(), options);
}

/// K-fold cross-validation: n_folds splits, whose test parts together hold each sample once.
class KFold {
 public:
  explicit KFold(KFoldOptions options = KFoldOptions()) : options_(options) {}
  std::vector<Split> split(Index n_samples) const {
    return detail::deal({detail::all_rows(n_samples)}, n_samples, options_);
  }

 private:
  KFoldOptions options_;
};

/// K-fold cross-validation with each label spread evenly over the folds.
class StratifiedKFold {
 public:
  explicit StratifiedKFold(KFoldOptions options = KFoldOptions()) : options_(options) {}
  template <class Derived>
  std::vector<Split> split(const Eigen::MatrixBase<Derived>& labels) const {
    return detail::deal(detail::rows_by_label(labels), labels.size(), options_);
  }

 private:
  KFoldOptions options_;
};

/// Copy of the given rows of a dense matrix or vector, in the given order, in X's own storage order.
template <class Derived>
typename Derived::PlainObject take_rows(const Eigen::DenseBase<Derived>& X, const std::vector<Index>& rows) {
  for (const Index row : rows)
    if (row < 0 || row >= X.rows())
      detail::reject("row", row, "a row of X, below " + std::to_string(X.rows()));
  typename Derived::PlainObject out(static_cast<Index>(rows.size()), X.cols());
  if constexpr (Derived::IsRowMajor || Derived::ColsAtCompileTime == 1) {
    for (Index i = 0; i < out.rows(); ++i) out.row(i) = X.derived().row(rows[static_cast<std::size_t>(i)]);
  } else {
    for (Index j = 0; j < out.cols(); ++j)
      for (Index i = 0; i < out.rows(); ++i)
        out(i, j) = X.derived().coeff(rows[static_cast<std::size_t>(i)], j);
  }
  return out;
}

/// The same for a sparse matrix.
template <class Derived>
typename Derived::PlainObject take_rows(const Eigen::SparseMatrixBase<Derived>& X,
                                        const std::vector<Index>& rows) {
  using StorageIndex = typename Derived::StorageIndex;
  using Rows = SparseRowMatrix<typename Derived::Scalar, StorageIndex>;
  for (const Index row : rows)
    if (row < 0 || row >= X.rows())
      detail::reject("row", row, "a row of X, below " + std::to_string(X.rows()));
  const auto take = [&](const auto& source) {
    using Source = std::decay_t<decltype(source)>;
    Vector<StorageIndex> sizes = Vector<StorageIndex>::Zero(static_cast<Index>(rows.size()));
    Index total = 0;
    for (Index i = 0; i < sizes.size(); ++i) {
      for (typename Source::InnerIterator it(source, rows[static_cast<std::size_t>(i)]); it; ++it) ++sizes[i];
      total += sizes[i];
    }
    if (total > static_cast<Index>(std::numeric_limits<StorageIndex>::max()))
      detail::reject("non-zeros of the rows taken", total, "a number that fits the storage index of X");
    Rows out(static_cast<Index>(rows.size()), source.cols());
    out.reserve(sizes);
    for (Index i = 0; i < out.rows(); ++i)
      for (typename Source::InnerIterator it(source, rows[static_cast<std::size_t>(i)]); it; ++it)
        out.insert(i, it.col()) = it.value();
    if (out.rows() > 0) out.makeCompressed();  // Eigen 3.4 reads beyond the end of no rows
    return out;
  };
  if constexpr (Derived::IsRowMajor && requires { X.derived().valuePtr(); })
    return take(X.derived());
  else
    return take(Rows(X.derived()));
}

}  // namespace sparse_experts
