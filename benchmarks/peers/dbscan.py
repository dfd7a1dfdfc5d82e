#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""DBSCAN of this library against scikit-learn: seconds, peak memory, agreement.

usage: dbscan.py [--repeat N] [--threads T] [--cases blobs3,uniform3,blobs6,t4_8k,mnist]

Both run on the same arrays, each fit in a process of its own, in turn. Agreement is checked here: the cores must be
the same set, cores and noise must have the same partition (a border sample may lie in two clusters: scikit-learn takes
the first, this library the nearest). Data of SPARSE_EXPERTS_DATA (chameleon t4_8k, MNIST) are used where present.
"""
import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(HERE, "..", "..", "include")

PEER = """
import resource, sys, time
import numpy as np
from sklearn.cluster import DBSCAN
kind, n, p, eps, min_samples, threads, x, labels, core = sys.argv[1:]
X = np.fromfile(x, dtype=np.float32 if kind == "float" else np.float64).reshape(int(n), int(p))
start = time.perf_counter()
db = DBSCAN(eps=float(eps), min_samples=int(min_samples), n_jobs=int(threads)).fit(X)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
db.labels_.astype(np.int64).tofile(labels)
db.core_sample_indices_.astype(np.int64).tofile(core)
"""


def blobs(n, p):
    """50 Gaussian blobs and a tenth of uniform noise."""
    random = np.random.default_rng(1)
    centers = random.uniform(-20, 20, (50, p))
    x = centers[np.arange(n) % 50] + random.normal(size=(n, p))
    x[::10] = random.uniform(-25, 25, (len(x[::10]), p))
    return x


def cases(wanted):
    data = os.environ.get("SPARSE_EXPERTS_DATA", "")
    if "blobs3" in wanted:
        yield "10^6 x 3, 50 blobs and noise", blobs(1000000, 3), 0.2, 10, None
    if "uniform3" in wanted:
        yield "10^6 x 3, uniform", np.random.default_rng(1).uniform(0, 100, (1000000, 3)), 1.2, 5, None
    if "blobs6" in wanted:
        yield "10^5 x 6, 50 blobs and noise", blobs(100000, 6), 1.5, 10, None
    path = os.path.join(data, "chameleon_t4_8k", "chameleon_t4_8k.data.gz")
    if "t4_8k" in wanted and os.path.exists(path):
        truth = np.loadtxt(path.replace(".data.", ".labels0."), dtype=int)
        yield "chameleon t4_8k, 8000 x 2", np.loadtxt(path), 8.5, 15, truth
    path = os.path.join(data, "mnist", "train-images-idx3-ubyte.gz")
    if "mnist" in wanted and os.path.exists(path):
        with gzip.open(path) as file:
            x = np.frombuffer(file.read(16 + 20000 * 784), np.uint8)[16:].reshape(20000, 784).astype(np.float32)
        yield "MNIST, 20000 x 784 float", x, 1600, 5, None


def same_partition(a, b):
    pairs = set(zip(a.tolist(), b.tolist()))
    return len(pairs) == len({i for i, _ in pairs}) == len({j for _, j in pairs})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", default="blobs3,uniform3,blobs6,t4_8k,mnist")
    arguments = parser.parse_args()
    environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads), OPENBLAS_NUM_THREADS=str(arguments.threads))
    with tempfile.TemporaryDirectory() as folder:
        driver = os.path.join(folder, "driver")
        subprocess.run(["g++", "-std=c++20", "-O3", "-march=native", "-DNDEBUG", "-fopenmp", "-w", "-I", INCLUDE, "-I",
                        "/usr/include/eigen3", os.path.join(HERE, "dbscan_driver.cpp"), "-o", driver], check=True)
        programs = {"sparse_experts": [driver], "scikit-learn": [sys.executable, "-c", PEER]}
        failed = False
        for name, x, eps, min_samples, truth in cases(arguments.cases.split(",")):
            kind = "float" if x.dtype == np.float32 else "double"
            raw = os.path.join(folder, "x.raw")
            np.ascontiguousarray(x).tofile(raw)
            seconds, memory, labels, core = {}, {}, {}, {}
            for _ in range(arguments.repeat):
                for program, command in programs.items():
                    outputs = [os.path.join(folder, part) for part in ("labels.raw", "core.raw")]
                    line = subprocess.run(command + [kind, str(x.shape[0]), str(x.shape[1]), str(eps),
                                                     str(min_samples), str(arguments.threads), raw] + outputs,
                                          check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout.split()
                    seconds.setdefault(program, []).append(float(line[0]))
                    memory[program] = float(line[1])
                    labels[program], core[program] = (np.fromfile(path, np.int64) for path in outputs)
            ours, peer = "sparse_experts", "scikit-learn"
            settled = core[ours]  # cores and noise leave no choice
            agree = (np.array_equal(core[ours], core[peer]) and
                     np.array_equal(labels[ours] < 0, labels[peer] < 0) and
                     same_partition(labels[ours][settled], labels[peer][settled]))
            failed |= not agree
            ratio = statistics.median(seconds[peer]) / statistics.median(seconds[ours])
            print(f"{name}, eps {eps:g}, min_samples {min_samples}, {arguments.threads} thread(s): "
                  f"ours {statistics.median(seconds[ours]):.3f} s, {memory[ours]:.0f} MB; "
                  f"scikit-learn {statistics.median(seconds[peer]):.3f} s, {memory[peer]:.0f} MB; ratio {ratio:.1f}; "
                  f"{labels[ours].max() + 1} clusters, {np.sum(labels[ours] < 0)} noise; "
                  f"{'cores, noise and clusters agree' if agree else 'THE RESULTS DIFFER'}", flush=True)
            if truth is not None:
                from sklearn.metrics import adjusted_rand_score
                print(f"  adjusted Rand index with the known labels: ours {adjusted_rand_score(truth, labels[ours]):.4f}, "
                      f"scikit-learn {adjusted_rand_score(truth, labels[peer]):.4f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
