#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""K-means beside scikit-learn (Lloyd and Elkan), faiss and dlib: same data, same first centres, tol = 0, same number
of iterations. Runs are interleaved; medians; inertia is recomputed here in double from the final centres.

  SPARSE_EXPERTS_DATA=<folder with mnist/ and birch1/> kmeans.py [--threads 1] [--runs 3] [--cases mnist10 ...]

Needs scikit-learn, threadpoolctl, Debian's libfaiss-dev, libdlib-dev and libopenblas-dev, g++. With the reference BLAS the
peers take several times as long: the first line printed says which one scikit-learn has loaded.
"""
import argparse, gzip, os, subprocess, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--runs", type=int, default=3)
parser.add_argument("--cases", nargs="*", default=["mnist10", "mnist100", "mnist1000", "mnist100-double", "birch1"])
parser.add_argument("--peers", nargs="*", default=["sklearn-lloyd", "sklearn-elkan", "faiss", "dlib"])
parser.add_argument("--ours", nargs="*", default=["automatic", "lloyd", "hamerly", "elkan", "yinyang"])
parser.add_argument("--driver", help="kmeans_driver already built")
args = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(args.threads)

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info

print("BLAS of scikit-learn:", [d["prefix"] for d in threadpool_info() if d["user_api"] == "blas"] or "reference")

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ["SPARSE_EXPERTS_DATA"]
TMP = tempfile.mkdtemp()
DRIVER = args.driver or os.path.join(TMP, "driver")
if not args.driver:
    subprocess.run(["g++", "-std=c++20", "-O3", "-march=native", "-DNDEBUG", "-fopenmp", "-I", os.path.join(HERE, "../../include"),
                    "-isystem", "/usr/include/eigen3", os.path.join(HERE, "kmeans_driver.cpp"), "-o", DRIVER, "-lfaiss", "-ldlib",
                    "-lopenblas"], check=True)


def mnist():
    with gzip.open(os.path.join(DATA, "mnist/train-images-idx3-ubyte.gz")) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)


def birch1():
    return np.loadtxt(gzip.open(os.path.join(DATA, "birch1/birch1.data.gz")))


def inertia(X, C):
    total = 0.0
    for i in range(0, len(X), 10000):
        B = X[i:i + 10000].astype(np.float64)
        nearest = ((C * C).sum(1) - 2 * B @ C.T).argmin(1)
        total += ((B - C[nearest]) ** 2).sum()
    return total


def run(who, X, C0, iterations, files):
    if who.startswith("sklearn"):
        model = KMeans(len(C0), init=C0, n_init=1, max_iter=iterations, tol=0, algorithm=who.split("-")[1])
        start = time.perf_counter()
        model.fit(X)
        return time.perf_counter() - start, model.n_iter_, model.cluster_centers_.astype(np.float64)
    kind = "float" if X.dtype == np.float32 else "double"
    out = os.path.join(TMP, "out")
    text = subprocess.run([DRIVER, who, kind, files[0], str(X.shape[0]), str(X.shape[1]), files[1], str(len(C0)), str(iterations),
                           str(args.threads), out], check=True, capture_output=True, text=True).stdout.split()
    return float(text[0]), int(text[1]), np.fromfile(out).reshape(C0.shape)


for case in args.cases:
    kind = np.float64 if case.endswith("double") or case == "birch1" else np.float32
    X = np.ascontiguousarray(birch1() if case == "birch1" else mnist(), kind)
    K = 100 if case == "birch1" else int(case.split("-")[0][5:])
    iterations = 300 if case == "birch1" else 10 if K == 1000 else 20
    C0 = X[np.random.RandomState(0).choice(len(X), K, replace=False)].copy()
    files = os.path.join(TMP, "x"), os.path.join(TMP, "c")
    X.tofile(files[0])
    C0.tofile(files[1])
    who = args.ours + [
        peer for peer in args.peers if not (peer == "faiss" and kind == np.float64) and
        not (peer == "dlib" and case == "mnist1000") and not (peer == "sklearn-elkan" and case == "mnist1000")]
    results = {name: [] for name in who}
    for _ in range(args.runs):
        for name in who:
            results[name].append(run(name, X, C0, iterations, files))
    print(f"\n{case}: {X.shape[0]} x {X.shape[1]} {X.dtype}, K = {K}, at most {iterations} iterations, {args.threads} thread(s)")
    best = min([np.median([t for t, _, _ in results[name]]) for name in who if name in args.peers] or [np.nan])
    for name in who:
        seconds = np.median([t for t, _, _ in results[name]])
        _, n_iter, C = results[name][-1]
        print(f"  {name:14s} {seconds:8.3f} s  iterations {n_iter:3d}  inertia {inertia(X, C):.8g}  best peer / this {best / seconds:6.2f}",
              flush=True)
