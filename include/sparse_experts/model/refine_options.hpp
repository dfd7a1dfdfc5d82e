// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

namespace sparse_experts {

/// Supervised refinement of the atoms of feed-forward codes (dense X).
struct RefineOptions {
  Index epochs = -1;       ///< passes over the samples; 0: the atoms stay unsupervised; -1: 12 … 150 by n
  double rate = 2e-3;      ///< step size of Adam, relative to the size of each group of parameters
  Index batch_size = 128;  ///< samples a step
  double dropout = 0.2;    ///< share of code entries left out of a step, at random
  bool readout = true;     ///< the linear scores found on the way become q further components of the code
  double l1 = 0;           ///< weight of the mean L1 norm of the codes: larger means sparser codes
};

}  // namespace sparse_experts
