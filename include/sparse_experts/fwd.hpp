// SPDX-License-Identifier: MIT
#pragma once

/// Declarations of the models, for headers that only name them. The one home of default template arguments.
namespace sparse_experts {

struct Convergence;
struct Progress;
struct Report;

template <class Scalar>
class Lasso;
template <class Scalar>
class ElasticNet;
template <class Scalar>
class LassoCV;
template <class Scalar>
class ElasticNetCV;
template <class Scalar>
class L1SVM;
template <class Scalar>
class L1SVMCV;

template <class Scalar>
class KMeans;
template <class Scalar>
class MiniBatchKMeans;
template <class Scalar>
class BalancedKMeans;
template <class Scalar>
class SphericalKMeans;
template <class Scalar>
class DBSCAN;

template <class Scalar>
class SparseCoder;
template <class Scalar>
class OmpCoder;
template <class Scalar>
class FeedForwardCoder;
template <class Scalar>
class TriangleCoder;
template <class Scalar>
class SoftThresholdCoder;
template <class Scalar>
class LassoSelection;
template <class Scalar>
class DictionaryLearning;

template <class Scalar>
class Encoder;
template <class Scalar>
class ClusterPolicy;
template <class Scalar>
class L1SVMExpert;
template <class Scalar>
class ElasticNetExpert;
template <class Scalar, class Representation = Encoder<Scalar>, class Clustering = ClusterPolicy<Scalar>,
          class Expert = L1SVMExpert<Scalar>>
class SparseExpertModel;
template <class Scalar>
class SparseExpertCV;

}  // namespace sparse_experts
