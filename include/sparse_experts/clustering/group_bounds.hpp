// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/clustering/any_rows.hpp>
#include <sparse_experts/clustering/bounds.hpp>
#include <sparse_experts/clustering/center_groups.hpp>
#include <sparse_experts/clustering/center_tiles.hpp>
#include <sparse_experts/clustering/center_update.hpp>
#include <sparse_experts/clustering/nearest.hpp>
#include <sparse_experts/clustering/scores.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace sparse_experts::detail {

/// Assignment step with lower bounds by groups of centres. One group fills one vector of the score kernels,
/// so a group is what is skipped or evaluated, for up to 64 samples at a time.
///   per_center = false (Yinyang): one lower bound per sample and group, of the centres that are not its own;
///   per_center = true (Elkan): one per sample and centre, sharper, width times the memory.
/// Both also use d(x, c_k) >= d(c_a, c_k) - upper. A sample of which some group is not excluded evaluates the
/// group of its own centre first, which makes upper tight, then the groups still not excluded.
/// Labels: those of LloydStep.
/// Ref: Ding et al., "Yinyang K-means", ICML 2015, section 3; Elkan, "Using the triangle inequality to
/// accelerate k-means", ICML 2003.
template <class Problem>
class GroupStep {
 public:
  using Scalar = typename Problem::Scalar;
  using Tiles = CenterTiles<Scalar>;
  static constexpr Index width = Tiles::width;

  GroupStep(const Problem& problem, bool per_center)
      : problem_(problem), per_center_(per_center), bounds_per_group_(per_center ? width : 1) {}

  void assign(const RowMatrix<Scalar>& centers, const Vector<double>& drift, Labels& labels) {
    const Index n = problem_.x.rows();
    fresh_ = drift.size() == 0;
    if (fresh_) {
      slots_ = group_centers(centers, width);
      slot_of_.resize(centers.rows());
      for (std::size_t s = 0; s < slots_.size(); ++s)
        if (slots_[s] >= 0) slot_of_[slots_[s]] = static_cast<Index>(s);
      n_groups_ = static_cast<Index>(slots_.size()) / width;
      fill(upper_, n, std::numeric_limits<float>::max());
      fill(lower_, n, n_groups_ * bounds_per_group_, 0.0f);
    }
    tiles_.pack(centers, problem_.origin, slots_, 1);
    slack_ = score_slack(problem_, tiles_);
    set_drift(drift);
    if (!fresh_) set_separations(centers);
    evaluations_ +=
        parallel_sum<std::int64_t>(n, chunk, problem_.n_threads, fresh_ ? 0 : separations_cost(centers),
                                   [&](const Block& block) { return assign_chunk(block, labels); });
  }

  void forget(Index i) {
    upper_[i] = std::numeric_limits<float>::max();
    std::fill_n(lower_.data() + i * lower_.cols(), lower_.cols(), 0.0f);
  }
  std::int64_t evaluations() const { return evaluations_; }

 private:
  static constexpr Index chunk = 512;

  /// A row of the chunk that must evaluate a group.
  struct Pair {
    std::int32_t group;
    std::int32_t row;
  };

  void set_drift(const Vector<double>& drift) {
    fill(drift_, n_groups_ * bounds_per_group_, 0.0f);
    if (fresh_) return;
    own_drift_ = drift_bounds(drift, tiles_);
    for (std::size_t s = 0; s < slots_.size(); ++s) {
      if (slots_[s] < 0) continue;
      float& bound = drift_[static_cast<Index>(s) / (width / bounds_per_group_)];
      bound = std::max(bound, own_drift_[slots_[s]]);
    }
  }

  std::int64_t separations_cost(const RowMatrix<Scalar>& centers) const {
    return use_separations_ ? std::int64_t{centers.rows()} * centers.rows() : 0;
  }

  /// separations_(a, .): lower bounds of the distances of c_a to every other centre, or to the nearest one of
  /// every group. Only where their K^2 products are few beside the n K of an iteration.
  void set_separations(const RowMatrix<Scalar>& centers) {
    const Index n_centers = centers.rows();
    use_separations_ = 16 * n_centers <= problem_.x.rows();
    fill(separations_, n_centers, n_groups_ * bounds_per_group_, 0.0f);
    if (!use_separations_) return;
    const CenterGeometry<Scalar> geometry(centers, problem_.origin, tiles_);
    const AnyRows<Scalar> rows(
        DenseRows<Scalar>(centers.data(), n_centers, centers.cols(), Eigen::OuterStride<>(centers.cols())));
    parallel_blocks(n_centers, row_chunk, problem_.n_threads, [&](const Block& block) {
      ScoreScratch<Scalar> scores = make_score_scratch<Scalar>();
      Index ids[row_chunk];
      for (Index t = 0; t < block.size(); ++t) ids[t] = block.begin + t;
      for (Index g = 0; g < n_groups_; ++g) {
        panel_scores(rows, block.size(), ids, tiles_, tiles_.panels()[static_cast<std::size_t>(g)],
                     scores.data());
        for (Index t = 0; t < block.size(); ++t) {
          const Index a = block.begin + t;
          float* to = separations_.data() + a * separations_.cols() + g * bounds_per_group_;
          std::fill_n(to, bounds_per_group_, std::numeric_limits<float>::max());
          for (Index lane = 0; lane < width; ++lane) {
            const std::int32_t k = slots_[static_cast<std::size_t>(g * width + lane)];
            if (k < 0 || k == static_cast<std::int32_t>(a)) continue;
            float& bound = to[per_center_ ? lane : 0];
            bound = std::min(
                bound,
                geometry.lower(a, static_cast<double>(scores[static_cast<std::size_t>(t * width + lane)])));
          }
        }
      }
    });
  }

  /// Whether some centre of group g, other than the one at `own` (its place among the bounds), may be as
  /// near.
  bool must_evaluate(const float* lower, const float* separation, Index g, float upper, Index own) const {
    const auto closed = [&](Index b) {
      const float bound = separation == nullptr ? lower[b] : std::max(lower[b], separation[b] - upper);
      return certainly_farther(bound, upper, slack_);
    };
    if (!per_center_) return !closed(g);
    int open = 0;
    for (Index b = g * width; b < (g + 1) * width; ++b) open += !closed(b) & (b != own);
    return open != 0;
  }

  const float* separation_row(Index label) const {
    return use_separations_ ? separations_.data() + label * separations_.cols() : nullptr;
  }

  std::int64_t assign_chunk(const Block& block, Labels& labels) {
    Work work(block.size());
    const Index n_bounds = n_groups_ * bounds_per_group_;
    std::vector<Pair> pairs;
    for (Index i = block.begin; i < block.end; ++i) {
      const auto row = static_cast<std::int32_t>(i - block.begin);
      if (fresh_) {
        for (std::int32_t g = 0; g < static_cast<std::int32_t>(n_groups_); ++g) pairs.push_back({g, row});
        continue;
      }
      const Index label = labels[static_cast<std::size_t>(i)], own = slot_of_[label];
      float* lower = lower_.data() + i * n_bounds;
      const float upper = upper_[i] = moved_upper(upper_[i], own_drift_[label]);
      for (Index b = 0; b < n_bounds; ++b) lower[b] = moved_lower(lower[b], drift_[b]);
      Index g = 0;
      while (g < n_groups_ && !must_evaluate(lower, separation_row(label), g, upper, own)) ++g;
      if (g < n_groups_) pairs.push_back({static_cast<std::int32_t>(own / width), row});
    }
    std::int64_t evaluated = evaluate(block, pairs, work);
    if (!fresh_) {
      std::vector<Pair> others;
      for (const Pair& pair : pairs) {
        const Index i = block.begin + pair.row;
        const Nearest<Scalar>& best = work.best[static_cast<std::size_t>(pair.row)];
        const float upper = upper_of(i, best.score);
        for (std::int32_t g = 0; g < static_cast<std::int32_t>(n_groups_); ++g)
          if (g != pair.group &&
              must_evaluate(lower_.data() + i * n_bounds, separation_row(best.index), g, upper, -1))
            others.push_back({g, pair.row});
      }
      evaluated += evaluate(block, others, work);
    }
    for (std::size_t t = 0; t < work.best.size(); ++t) {
      if (work.best[t].index < 0) continue;
      const Index i = block.begin + static_cast<Index>(t);
      labels[static_cast<std::size_t>(i)] = work.best[t].index;
      upper_[i] = upper_of(i, work.best[t].score);
    }
    return evaluated;
  }

  struct Work {
    std::vector<Nearest<Scalar>> best;
    ScoreScratch<Scalar> scores = make_score_scratch<Scalar>();
    std::vector<Pair> sorted;
    std::vector<std::size_t> starts;

    explicit Work(Index rows) : best(static_cast<std::size_t>(rows)) {}
  };

  double squared(Index i, Scalar score, double error) const {
    return problem_.from_origin[i] + 2 * (static_cast<double>(score) + error);
  }
  float upper_of(Index i, Scalar score) const { return upper_bound(squared(i, score, slack_ / 4)); }
  float lower_of(Index i, Scalar score) const { return lower_bound(squared(i, score, -slack_ / 4)); }

  /// Scores of all pairs, group by group; merges them into best and the lower bounds. Returns their number.
  std::int64_t evaluate(const Block& block, const std::vector<Pair>& pairs, Work& work) {
    work.starts = std::vector<std::size_t>(static_cast<std::size_t>(n_groups_) + 1);
    for (const Pair& pair : pairs) ++work.starts[static_cast<std::size_t>(pair.group) + 1];
    for (std::size_t g = 1; g < work.starts.size(); ++g) work.starts[g] += work.starts[g - 1];
    work.sorted.resize(pairs.size());
    std::vector<std::size_t> next(work.starts.begin(), work.starts.end() - 1);
    for (const Pair& pair : pairs) work.sorted[next[static_cast<std::size_t>(pair.group)]++] = pair;

    std::int64_t evaluated = 0;
    for (Index g = 0; g < n_groups_; ++g) {
      const Index begin = static_cast<Index>(work.starts[static_cast<std::size_t>(g)]);
      const Index end = static_cast<Index>(work.starts[static_cast<std::size_t>(g) + 1]);
      for (Index at = begin; at < end; at += row_chunk) {
        const Index rows = std::min(row_chunk, end - at);
        Index ids[row_chunk];
        for (Index t = 0; t < rows; ++t)
          ids[t] = block.begin + work.sorted[static_cast<std::size_t>(at + t)].row;
        panel_scores(problem_.x, rows, ids, tiles_, tiles_.panels()[static_cast<std::size_t>(g)],
                     work.scores.data());
        for (Index t = 0; t < rows; ++t)
          merge(ids[t], g, work.scores.data() + t * width,
                work.best[static_cast<std::size_t>(ids[t] - block.begin)]);
      }
      evaluated += (end - begin) * group_size(g);
    }
    return evaluated;
  }

  Index group_size(Index g) const {
    Index size = 0;
    for (Index lane = 0; lane < width; ++lane)
      size += slots_[static_cast<std::size_t>(g * width + lane)] >= 0;
    return size;
  }

  /// Takes the scores of row i with group g into the nearest centre so far and the lower bounds.
  void merge(Index i, Index g, const Scalar* scores, Nearest<Scalar>& best) {
    const std::int32_t* ids = slots_.data() + g * width;
    Nearest<Scalar> group;
    merge_scores<1, true>(scores, ids, group);
    float* lower = lower_.data() + i * n_groups_ * bounds_per_group_;
    const bool nearer =
        best.index < 0 || group.score < best.score || (group.score == best.score && group.index < best.index);
    if (per_center_) {
      // Square roots by packets: a loop over std::sqrt is not vectorised.
      using Packet = Eigen::internal::packet_traits<float>;
      constexpr Index lanes = std::max<Index>(width, Packet::size);
      float square[static_cast<std::size_t>(lanes)] = {};
      const double shift = squared(i, 0, -slack_ / 4);
      for (Index l = 0; l < width; ++l)
        square[l] =
            static_cast<float>(std::min(std::max(2 * static_cast<double>(scores[l]) + shift, 0.0), 1e37));
      for (Index l = 0; l < lanes; l += Packet::size)
        Eigen::internal::pstoreu(
            square + l, Eigen::internal::psqrt(Eigen::internal::ploadu<typename Packet::type>(square + l)));
      for (Index l = 0; l < width; ++l) lower[g * width + l] = square[l] * (bound_down * bound_down);
    } else {
      if (nearer && best.index >= 0) {
        float& old = lower[slot_of_[best.index] / width];
        old = std::min(old, lower_of(i, best.score));
      }
      lower[g] = lower_of(i, nearer ? group.second : group.score);
    }
    if (nearer) best = group;
  }

  const Problem& problem_;
  bool per_center_;
  Index bounds_per_group_;
  Tiles tiles_;
  std::vector<std::int32_t> slots_;
  Vector<Index> slot_of_;  // K
  Index n_groups_ = 0;
  bool fresh_ = true, use_separations_ = false;
  float slack_ = 0;
  Vector<float> own_drift_;       // K
  Vector<float> drift_;           // per bound
  RowMatrix<float> separations_;  // K x bounds
  Vector<float> upper_;           // n
  RowMatrix<float> lower_;        // n x bounds
  std::int64_t evaluations_ = 0;
};

}  // namespace sparse_experts::detail
