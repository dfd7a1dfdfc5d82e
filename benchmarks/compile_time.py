#!/usr/bin/env python3
"""Seconds that g++ -O2 needs for one translation unit: the umbrella header with a fitted SparseExpertModel<double>, and
each solver's header beyond what Eigen itself costs. usage: compile_time.py [compiler] [runs]

Prints the median of the runs. The unit calls what a user calls, so that the solver is instantiated.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COMPILER = sys.argv[1] if len(sys.argv) > 1 else "g++"
RUNS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
EIGEN = next((d for d in ("/usr/include/eigen3", "/usr/local/include/eigen3") if os.path.isdir(d)), "/usr/include/eigen3")

MAIN = "int main() {{ Eigen::MatrixXd X = Eigen::MatrixXd::Random(60, 5); Eigen::VectorXd y = X.col(0); {} }}\n"
LABELS = "Eigen::VectorXi labels = (y.array() > 0).cast<int>(); "
UNITS = {
    "umbrella, SparseExpertModel": ("sparse_experts.hpp", LABELS + "sparse_experts::SparseExpertModel<double> m; m.fit(X, labels); return m.predict(X)[0];"),
    "linear/lasso.hpp": ("linear/lasso.hpp", "sparse_experts::Lasso<double> m; m.fit(X, y); return m.coef()[0] > 0;"),
    "linear/l1_svm.hpp": ("linear/l1_svm.hpp", LABELS + "sparse_experts::L1SVM<double> m; m.fit(X, labels); return m.predict(X)[0];"),
    "clustering/kmeans.hpp": ("clustering/kmeans.hpp", "sparse_experts::KMeans<double> m({.n_clusters = 3}); m.fit(X); return m.labels()[0] > 0;"),
    "clustering/dbscan.hpp": ("clustering/dbscan.hpp", "sparse_experts::DBSCAN<double> m; m.fit(X); return m.labels()[0] > 0;"),
    "coding/sparse_coder.hpp": ("coding/sparse_coder.hpp", "sparse_experts::SparseCoder<double> m(Eigen::MatrixXd::Identity(5, 5), {}); return m.transform(X).nonZeros() > 0;"),
    "coding/dictionary_learning.hpp": ("coding/dictionary_learning.hpp", "sparse_experts::DictionaryLearning<double> m({.n_components = 3}); m.fit(X); return 0;"),
}


def seconds(source, *flags):
    with tempfile.TemporaryDirectory() as folder:
        unit = os.path.join(folder, "unit.cpp")
        with open(unit, "w") as file:
            file.write(source)
        command = [COMPILER, "-std=c++20", "-O2", *flags, "-I", os.path.join(ROOT, "include"), "-I", EIGEN, "-c", unit, "-o", unit + ".o"]
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            subprocess.run(command, check=True)
            times.append(time.perf_counter() - start)
        return statistics.median(times)


base = seconds("#include <Eigen/Core>\n#include <Eigen/SparseCore>\nint main() {}\n")
print(f"{'Eigen/Core + Eigen/SparseCore':34s} {base:6.2f} s")
for name, (header, body) in UNITS.items():
    source = f"#include <sparse_experts/{header}>\n" + MAIN.format(body)
    total, compiled = seconds(source), seconds(source, "-DSPARSE_EXPERTS_EXTERN_TEMPLATES")
    print(f"{name:34s} {total:6.2f} s   beyond Eigen {total - base:6.2f} s   with sparse_experts::compiled {compiled - base:6.2f} s")
print(f"{'the one file of that target':34s} {seconds('#include <sparse_experts/model/instantiate.hpp>', '-DSPARSE_EXPERTS_EXTERN_TEMPLATES'):6.2f} s")
