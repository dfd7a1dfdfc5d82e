// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <Eigen/SparseCore>

/// Matrix names used all over the library. Rows of X are samples: X is n x p.
namespace sparse_experts {

using Index = Eigen::Index;

template <class Scalar>
using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;
template <class Scalar>
using RowVector = Eigen::Matrix<Scalar, 1, Eigen::Dynamic>;
/// Column-major: columns (features) are contiguous. The layout that column solvers bind without a copy.
template <class Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
/// Row-major: rows (samples) are contiguous. The layout that clustering and coding bind without a copy.
template <class Scalar>
using RowMatrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class Scalar, class StorageIndex = int>
using SparseMatrix = Eigen::SparseMatrix<Scalar, Eigen::ColMajor, StorageIndex>;
template <class Scalar, class StorageIndex = int>
using SparseRowMatrix = Eigen::SparseMatrix<Scalar, Eigen::RowMajor, StorageIndex>;

/// Labels of a clustering (-1 = noise), one per sample.
using IndexVector = Eigen::Matrix<Index, Eigen::Dynamic, 1>;
/// Labels of a classifier, one per sample.
using LabelVector = Eigen::VectorXi;

/// Parameters of kernels: contiguous vectors, bound without a copy.
template <class Scalar>
using VectorIn = const Eigen::Ref<const Vector<Scalar>>&;
template <class Scalar>
using VectorOut = Eigen::Ref<Vector<Scalar>>;

}  // namespace sparse_experts
