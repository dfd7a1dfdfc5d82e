// SPDX-License-Identifier: MIT
//
// LIBLINEAR -s 5 on the arrays that l1_svm.py leaves in a directory; times the training alone.
//   liblinear_driver <directory> <C> <eps>        (link with -llinear)
// Files as for l1_svm_driver. No bias. Prints the seconds; writes the weights (p x problems, by columns).
#include "../process.hpp"

#include <linear.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 4) return 1;
  const std::string directory = argv[1];
  std::size_t n = 0, p = 0, stored = 0;
  std::ifstream(directory + "/shape") >> n >> p >> stored;
  const std::vector<int> y = read<int>(directory + "/y");
  std::vector<double> labels(y.begin(), y.end());
  std::vector<std::vector<feature_node>> rows(n);
  if (stored == 0) {
    const std::vector<double> x = read<double>(directory + "/x");
    for (std::size_t j = 0; j < p; ++j)
      for (std::size_t i = 0; i < n; ++i)
        if (x[j * n + i] != 0) rows[i].push_back({static_cast<int>(j) + 1, x[j * n + i]});
  } else {
    const std::vector<double> values = read<double>(directory + "/values");
    const std::vector<int> inner = read<int>(directory + "/rows"), starts = read<int>(directory + "/starts");
    for (std::size_t j = 0; j < p; ++j)
      for (int k = starts[j]; k < starts[j + 1]; ++k)
        rows[static_cast<std::size_t>(inner[static_cast<std::size_t>(k)])].push_back(
            {static_cast<int>(j) + 1, values[static_cast<std::size_t>(k)]});
  }
  std::vector<feature_node*> pointers(n);
  for (std::size_t i = 0; i < n; ++i) {
    rows[i].push_back({-1, 0});
    pointers[i] = rows[i].data();
  }
  problem data{};
  data.l = static_cast<int>(n);
  data.n = static_cast<int>(p);
  data.y = labels.data();
  data.x = pointers.data();
  data.bias = -1;
  parameter options{};
  options.solver_type = L1R_L2LOSS_SVC;
  options.C = std::atof(argv[2]);
  options.eps = std::atof(argv[3]);
  set_print_string_function([](const char*) {});
  const auto start = std::chrono::steady_clock::now();
  model* fitted = train(&data, &options);
  std::printf("%.6f\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  const auto problems = static_cast<std::size_t>(fitted->nr_class == 2 ? 1 : fitted->nr_class);
  // The first class met is the positive one.
  std::vector<double> coef(p * problems);
  for (std::size_t c = 0; c < problems; ++c) {
    const double sign = problems == 1 && fitted->label[0] < fitted->label[1] ? -1 : 1;
    for (std::size_t j = 0; j < p; ++j) coef[c * p + j] = sign * fitted->w[j * problems + c];
  }
  std::ofstream(directory + "/liblinear", std::ios::binary)
      .write(reinterpret_cast<const char*>(coef.data()),
             static_cast<std::streamsize>(coef.size() * sizeof(double)));
  free_and_destroy_model(&fitted);
}
