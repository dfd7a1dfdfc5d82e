// SPDX-License-Identifier: MIT
// Golden figures of LIBLINEAR 2.3.0 (Debian's liblinear-dev 2.3.0+dfsg-5) on the bundled digits, pixels / 16,
// one problem per digit, bias 1 (a penalised constant feature), eps 1e-6: the objectives recomputed from its
// weights by -s 5 (squared hinge) and -s 6 (logistic), and how many of the 1797 samples it gets right.
#include <sparse_experts/io/csv.hpp>
#include <sparse_experts/linear/l1_svm.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace {

namespace se = sparse_experts;

struct Golden {
  se::L1SVMLoss loss;
  double C;
  std::vector<double> objectives;
  double right;
  bool converged = true;
};

TEST(L1SVMLiblinear, ObjectivesAndAccuracyAgree) {
  const auto data = se::read_csv<double>(SPARSE_EXPERTS_EXAMPLE_DATA "/digits.csv", {.target_column = 0});
  const se::Matrix<double> X = data.X / 16;
  const se::LabelVector labels = data.labels();
  const Golden golden[] = {{se::L1SVMLoss::squared_hinge,
                            0.01,
                            {4.20043179, 5.93343648, 5.15747082, 5.40115033, 5.10998433, 5.16035998,
                             5.06298630, 4.56924238, 6.76684176, 5.90527653},
                            1582},
                           {se::L1SVMLoss::squared_hinge,
                            1,
                            {18.79744984, 90.54778982, 29.03002673, 73.03077863, 30.28997123, 42.55134209,
                             32.28427854, 37.46384541, 187.87041342, 87.47347952},
                            1774,
                            false},  // stopped by its limit of 1000 iterations in nine classes

                           {se::L1SVMLoss::logistic,
                            0.01,
                            {6.60535551, 7.57302770, 7.44459122, 7.49110448, 7.42689656, 7.65791274,
                             7.51719768, 6.51083678, 7.67189948, 7.65380809},
                            1125},
                           {se::L1SVMLoss::logistic,
                            1,
                            {46.40439263, 131.10541852, 71.00861052, 107.83975259, 68.12968535, 78.71636603,
                             66.82619882, 69.86183089, 205.11316467, 125.66631454},
                            1757}};
  for (const Golden& theirs : golden)
    for (const se::L1SVMSolver solver : {se::L1SVMSolver::working_set, se::L1SVMSolver::proximal_newton}) {
      se::L1SVM<double> svm(
          {.C = theirs.C, .tol = 1e-8, .loss = theirs.loss, .penalize_intercept = true, .solver = solver});
      EXPECT_TRUE(svm.fit(X, labels)) << svm.convergence().value;
      for (std::size_t c = 0; c < 10; ++c) {
        if (theirs.converged)
          EXPECT_NEAR(svm.class_convergence()[c].objective / theirs.objectives[c], 1, 1e-5) << "class " << c;
        else
          EXPECT_LE(svm.class_convergence()[c].objective, theirs.objectives[c] * (1 + 1e-8)) << "class " << c;
      }
      EXPECT_NEAR(svm.score(X, labels) * 1797, theirs.right, 3);
    }
}

}  // namespace
