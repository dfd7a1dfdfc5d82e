// SPDX-License-Identifier: MIT
// The one file of sparse_experts::compiled, built with the flags of the program that links it.
#include <sparse_experts/model/instantiate.hpp>
