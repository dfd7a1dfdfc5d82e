// SPDX-License-Identifier: MIT
// A sparse linear classifier on LIBSVM text: objective, certificate, non-zeros, accuracy, strongest features.
//   l1_svm --data a9a.svm --test a9a.t.svm --C 1
#include <sparse_experts/io/libsvm.hpp>
#include <sparse_experts/linear/l1_svm.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace se = sparse_experts;

int main(int argc, char** argv) {
  std::string data, test;
  se::L1SVMOptions options;
  CLI::App app("L1-SVM on LIBSVM text");
  app.add_option("--data", data, "training file, LIBSVM text")->required();
  app.add_option("--test", test, "test file, LIBSVM text");
  app.add_option("--C", options.C, "weight of the loss")->capture_default_str();
  app.add_option("--tol", options.tol, "duality gap / primal value")->capture_default_str();
  app.add_option("--threads", options.n_threads, "threads, 0 = all")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const auto train = se::read_libsvm<double>(data);
  const se::LabelVector labels = train.labels();
  se::L1SVM<double> svm(options);
  const se::Convergence& end = svm.fit(train.X, labels);
  std::printf("%ld samples, %ld features, %zu classes\n", static_cast<long>(train.X.rows()),
              static_cast<long>(train.X.cols()), svm.classes().size());
  std::printf("%s: objective %.8g, gap / objective %.2e, %ld iterations\n", se::to_string(end.status),
              end.objective, end.value, static_cast<long>(end.n_iter));
  const auto non_zeros = (svm.coef().array() != 0).count();
  std::printf("weights that are not zero: %ld of %ld\n", static_cast<long>(non_zeros),
              static_cast<long>(svm.coef().size()));
  std::printf("training accuracy %.4f\n", svm.score(train.X, labels));
  if (!test.empty()) {
    se::LibsvmOptions same_features;
    same_features.n_features = train.X.cols();
    const auto fresh = se::read_libsvm<double>(test, same_features);
    std::printf("test accuracy %.4f\n", svm.score(fresh.X, fresh.labels()));
  }

  for (se::Index c = 0; c < svm.coef().cols(); ++c) {
    const auto weights = svm.coef().col(c);
    std::vector<se::Index> order(static_cast<std::size_t>(weights.size()));
    for (std::size_t j = 0; j < order.size(); ++j) order[j] = static_cast<se::Index>(j);
    const std::size_t shown = std::min<std::size_t>(5, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                      [&](se::Index a, se::Index b) { return std::abs(weights[a]) > std::abs(weights[b]); });
    std::printf("label %d:", svm.classes()[svm.coef().cols() == 1 ? 1 : static_cast<std::size_t>(c)]);
    for (std::size_t s = 0; s < shown; ++s)
      std::printf("  %ld: %+.4g", static_cast<long>(order[s] + 1), weights[order[s]]);
    std::printf("\n");
  }
  return 0;
}
