// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

namespace sparse_experts {

/// Supervised refinement of the atoms of feed-forward codes.
struct RefineOptions {
  Index epochs = -1;     ///< passes over the samples; 0: the atoms stay unsupervised; -1: 12 … 200 by n
  double rate = 5e-3;    ///< largest step of Adam, relative to the length of an atom
  Index batch_size = 0;  ///< samples a step; 0: 64 … 256 by n
  double dropout = 0.5;  ///< share of code entries left out of a step, at random
  double input_dropout = 0.1;  ///< share of entries of x left out of a step, at random
  bool readout = true;         ///< the linear scores found on the way become q further components of the code
  double l1 = 0;               ///< weight of the mean L1 norm of the codes: larger means sparser codes
  /// Dense samples: while they are refined the atoms stay in the span of so many leading principal axes of
  /// the samples, which divides the cost by about p / n_axes; 0: they are free; -1: 96 where p is above 200.
  Index n_axes = -1;
};

}  // namespace sparse_experts
