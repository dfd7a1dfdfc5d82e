// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/any_rows.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/kmeans_options.hpp>
#include <sparse_experts/clustering/kmeans_problem.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/clustering/row_access.hpp>
#include <sparse_experts/clustering/scores.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace sparse_experts::detail {

/// Rows copied as centres.
template <class Rows>
RowMatrix<typename Rows::Scalar> gather_rows(const Rows& x, const std::vector<Index>& rows) {
  RowMatrix<typename Rows::Scalar> out(static_cast<Index>(rows.size()), x.cols());
  for (std::size_t r = 0; r < rows.size(); ++r)
    copy_row(x, rows[r], out.data() + static_cast<Index>(r) * x.cols());
  return out;
}

/// Draws row i with probability mass[i] / sum of mass. The sum is taken over blocks of 1024 in fixed order.
/// When all mass is zero, all rows of positive weight are as likely as each other.
class MassSampler {
 public:
  void reset(const Vector<double>& mass) {
    mass_ = &mass;
    sums_ = std::vector<double>(static_cast<std::size_t>(block_count(mass.size(), block_rows)));
    total_ = 0;
    for (std::size_t b = 0; b < sums_.size(); ++b) {
      const Index begin = static_cast<Index>(b) * block_rows;
      for (Index i = begin; i < std::min(begin + block_rows, mass.size()); ++i) sums_[b] += mass[i];
      total_ += sums_[b];
    }
  }
  double total() const { return total_; }

  Index draw(Random& random) const {
    double rest = random.uniform() * total_;
    std::size_t b = 0;
    while (b + 1 < sums_.size() && rest >= sums_[b]) rest -= sums_[b++];
    const Vector<double>& mass = *mass_;
    const Index end = std::min(mass.size(), static_cast<Index>(b + 1) * block_rows);
    Index last = -1;
    for (Index i = static_cast<Index>(b) * block_rows; i < end; ++i) {
      if (!(mass[i] > 0)) continue;
      last = i;
      if (rest < mass[i]) return i;
      rest -= mass[i];
    }
    if (last >= 0) return last;
    // Rounding led past the end: the last row that has mass.
    for (Index i = mass.size() - 1; i > 0; --i)
      if (mass[i] > 0) return i;
    return 0;
  }

 private:
  static constexpr Index block_rows = 1024;
  const Vector<double>* mass_ = nullptr;
  std::vector<double> sums_;
  double total_ = 0;
};

/// Greedy k-means++: the first centre is a random row; each further one is the best of 2 + floor(log K) rows
/// drawn with probability proportional to w_i |x_i - nearest centre|^2, the one that leaves the least sum of
/// them. In: problem, K, random. Out: rows chosen. Once every row coincides with a chosen one (fewer distinct
/// rows than K), the rest are repeated rows. Cost: O(n p K log K), no more memory than n (2 + log K) numbers.
/// Ref: Arthur, Vassilvitskii, SODA 2007, section 2.2 and the greedy variant of its section 7.
template <class Problem>
std::vector<Index> kmeans_plus_plus_rows(const Problem& problem, Index n_clusters, Random& random) {
  using Scalar = typename Problem::Scalar;
  // A difference of squares below this share of them has lost its leading digits: computed directly.
  constexpr double cancelled = sizeof(Scalar) == 4 ? 1e-3 : 1e-9;
  const Index n = problem.x.rows(), p = problem.x.cols();
  const Index trials = 2 + static_cast<Index>(std::log(static_cast<double>(n_clusters)));

  Vector<double> closest(n), mass(n);
  for (Index i = 0; i < n; ++i) mass[i] = problem.weight(i);
  MassSampler sampler;
  sampler.reset(mass);
  std::vector<Index> chosen, candidates{sampler.draw(random)};
  fill(closest, n, std::numeric_limits<double>::max());

  RowMatrix<double> distances(n, trials), potentials;
  CenterTiles<Scalar> tiles;
  while (true) {
    const RowMatrix<Scalar> points = gather_rows(problem.x, candidates);
    const auto count = static_cast<Index>(candidates.size());
    tiles.pack(points, problem.origin);
    const Vector<double> squares = row_squares(points);
    constexpr Index block_rows = 8 * row_chunk;
    fill(potentials, block_count(n, block_rows), count, 0.0);
    parallel_blocks(n, block_rows, problem.n_threads, [&](const Block& block) {
      ScoreScratch<Scalar> scratch = make_score_scratch<Scalar>();
      for (Index begin = block.begin; begin < block.end; begin += row_chunk) {
        const Index rows = std::min(row_chunk, block.end - begin);
        Index ids[row_chunk];
        for (Index t = 0; t < rows; ++t) ids[t] = begin + t;
        for (const auto& panel : tiles.panels()) {
          const Index stride = panel.n_vectors * tiles.width;
          panel_scores(problem.x, rows, ids, tiles, panel, scratch.data());
          for (Index t = 0; t < rows; ++t)
            for (Index c = panel.first_slot; c < std::min(count, panel.first_slot + stride); ++c) {
              const Index i = begin + t;
              const double score =
                  static_cast<double>(scratch[static_cast<std::size_t>(t * stride + c - panel.first_slot)]);
              double square = problem.from_origin[i] + 2 * score;
              if (square < cancelled * (problem.squared_norms[i] + squares[c]))
                square = row_squared_distance(problem.x, i, points.data() + c * p, squares[c]);
              distances(i, c) = std::min(closest[i], square);
              potentials(block.id, c) += problem.weight(i) * distances(i, c);
            }
        }
      }
    });
    add_rows_to_first(potentials);
    Index best = 0;
    for (Index c = 1; c < count; ++c)
      if (potentials(0, c) < potentials(0, best)) best = c;
    chosen.push_back(candidates[static_cast<std::size_t>(best)]);
    if (static_cast<Index>(chosen.size()) == n_clusters) return chosen;

    for (Index i = 0; i < n; ++i) {
      closest[i] = distances(i, best);
      mass[i] = problem.weight(i) * closest[i];
    }
    sampler.reset(mass);
    if (!(sampler.total() > 0)) {
      for (Index i = 0; i < n; ++i) mass[i] = problem.weight(i);
      sampler.reset(mass);
    }
    candidates.clear();
    for (Index t = 0; t < trials; ++t) candidates.push_back(sampler.draw(random));
  }
}

/// K different rows of positive weight, uniformly (there must be K of them).
template <class Problem>
std::vector<Index> random_rows(const Problem& problem, Index n_clusters, Random& random) {
  std::vector<Index> rows;
  for (Index i = 0; i < problem.x.rows(); ++i)
    if (problem.weight(i) > 0) rows.push_back(i);
  const auto k = static_cast<std::size_t>(n_clusters);
  for (std::size_t i = 0; i < k; ++i)
    std::swap(rows[i], rows[i + static_cast<std::size_t>(random.below(static_cast<Index>(rows.size() - i)))]);
  rows.resize(k);
  return rows;
}

/// k-means||: from one random row, five rounds each add every row independently with probability
/// 2 K w_i d_i^2 / sum, d_i the distance to the nearest candidate; the candidates, weighted by the samples
/// nearest to them, are then reduced to K by greedy k-means++. Random numbers belong to rows, not to threads.
/// In: problem, K, seed. Out: centres (K x p). Cost: about 10 K more distances per sample, in large blocks.
/// Ref: Bahmani, Moseley, Vattani, Kumar, Vassilvitskii, "Scalable k-means++", VLDB 2012, algorithm 2.
template <class Problem>
RowMatrix<typename Problem::Scalar> kmeans_parallel_centers(const Problem& problem, Index n_clusters,
                                                            Random& random) {
  using Scalar = typename Problem::Scalar;
  constexpr int rounds = 5;
  const Index n = problem.x.rows();
  const double oversampling = 2 * static_cast<double>(n_clusters);

  Vector<double> closest, mass(n), weights;
  IndexVector owner;
  fill(closest, n, std::numeric_limits<double>::max());
  fill(owner, n, 0);
  for (Index i = 0; i < n; ++i) mass[i] = problem.weight(i);
  MassSampler sampler;
  sampler.reset(mass);
  std::vector<Index> candidates{sampler.draw(random)}, fresh = candidates;
  CenterTiles<Scalar> tiles;
  for (int round = 0;; ++round) {
    const RowMatrix<Scalar> points = gather_rows(problem.x, fresh);
    const auto first = static_cast<Index>(candidates.size() - fresh.size());
    tiles.pack(points, problem.origin);
    for_each_nearest<false>(
        problem.x, tiles, problem.n_threads, [&](Index i, const Nearest<Scalar>& nearest) {
          const double square = problem.from_origin[i] + 2 * static_cast<double>(nearest.score);
          if (square >= closest[i]) return;
          closest[i] = std::max(0.0, square);
          owner[i] = first + nearest.index;
        });
    // A candidate is no distance from itself, whatever rounding says.
    for (std::size_t c = 0; c < fresh.size(); ++c) closest[fresh[c]] = 0;
    if (round == rounds) break;
    for (Index i = 0; i < n; ++i) mass[i] = problem.weight(i) * closest[i];
    sampler.reset(mass);
    fresh.clear();
    for (Index i = 0; i < n && sampler.total() > 0; ++i)
      if (random.uniform() * sampler.total() < oversampling * mass[i]) fresh.push_back(i);
    if (fresh.empty()) break;
    for (const Index row : fresh) candidates.push_back(row);
  }

  fill(weights, static_cast<Index>(candidates.size()), 0.0);
  for (Index i = 0; i < n; ++i) weights[owner[i]] += problem.weight(i);
  const RowMatrix<Scalar> points = gather_rows(problem.x, candidates);
  const AnyRows<Scalar> rows(
      DenseRows<Scalar>(points.data(), points.rows(), points.cols(), Eigen::OuterStride<>(points.cols())));
  const KMeansProblem<AnyRows<Scalar>> reduced(rows, weights, problem.n_threads);
  return gather_rows(rows, kmeans_plus_plus_rows(reduced, n_clusters, random));
}

/// First centres (K x p) by `init`.
template <class Problem>
RowMatrix<typename Problem::Scalar> seed_centers(const Problem& problem, Index n_clusters, KMeansInit init,
                                                 Random& random) {
  if (init == KMeansInit::kmeans_parallel) return kmeans_parallel_centers(problem, n_clusters, random);
  return gather_rows(problem.x, init == KMeansInit::random
                                    ? random_rows(problem, n_clusters, random)
                                    : kmeans_plus_plus_rows(problem, n_clusters, random));
}

}  // namespace sparse_experts::detail
