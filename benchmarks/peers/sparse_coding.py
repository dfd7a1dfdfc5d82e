#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sparse coding and dictionary learning beside scikit-learn: same arrays, same alpha, runs interleaved.

  sparse_coding.py encode [--signals 10000] [--peer-signals 1500] [--repeats 5] [--threads 1]
  sparse_coding.py learn [--patches 200000]

Signals: 8x8 patches and whole images of MNIST (SPARSE_EXPERTS_DATA/mnist/*.gz), unit norm. Where BENCH_DIR holds
sc_patch8_X.npy, sc_patch8_D.npy, sc_mnist_X.npy, sc_mnist_D.npy (signals and dictionaries already made), `encode` uses
those. Every objective and gap is recomputed here in double; codes a second are medians.
"""
import argparse, gzip, os, subprocess, sys, tempfile, time, warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))


def build(folder):
    out = os.path.join(folder, "driver")
    eigen = os.environ.get("EIGEN3_INCLUDE_DIR", "/usr/include/eigen3")
    subprocess.run(["g++", "-std=c++20", "-O3", "-march=native", "-DNDEBUG", "-fopenmp", "-I", os.path.join(HERE, "..", "..", "include"),
                    "-isystem", eigen, os.path.join(HERE, "sparse_coding_driver.cpp"), "-o", out], check=True)
    return out


def run(command):
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [(l.split()[0], [float(v) for v in l.split()[1:]]) for l in lines]


def mnist_images():
    folder = os.path.join(os.environ["SPARSE_EXPERTS_DATA"], "mnist")
    with gzip.open(os.path.join(folder, "train-images-idx3-ubyte.gz")) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float64) / 255


def patches(n, seed=0):
    """n centred 8x8 patches of unit norm; nearly flat ones are left out."""
    g = np.random.default_rng(seed)
    images = mnist_images().reshape(-1, 28, 28)
    found = []
    while sum(map(len, found)) < n:
        i, r, c = g.integers(0, len(images), n), g.integers(0, 21, n), g.integers(0, 21, n)
        P = np.stack([images[i, r + a, c + b] for a in range(8) for b in range(8)], 1)
        P -= P.mean(1, keepdims=True)
        norms = np.linalg.norm(P, axis=1)
        found.append(P[norms > 0.5] / norms[norms > 0.5, None])
    return np.concatenate(found)[:n]


def signals(name, n):
    folder = os.environ.get("BENCH_DIR", "")
    files = [os.path.join(folder, f"sc_{name}_{what}.npy") for what in "XD"]
    if all(map(os.path.exists, files)):
        return np.ascontiguousarray(np.load(files[0])[:n]), np.ascontiguousarray(np.load(files[1]))
    g = np.random.default_rng(0)
    S = patches(n + 20000) if name == "patch8" else mnist_images()[g.permutation(60000)[:n + 20000]]
    S /= np.linalg.norm(S, axis=1, keepdims=True)
    m = MiniBatchDictionaryLearning(256, alpha=0.1, batch_size=256, max_iter=1, fit_algorithm="cd", transform_algorithm="lasso_cd",
                                    random_state=0, dict_init=S[:256] + 1e-3 * g.standard_normal((256, S.shape[1])))
    D = m.fit(S[n:]).components_
    return S[:n].copy(), np.ascontiguousarray(D / np.linalg.norm(D, axis=1, keepdims=True))


def gaps(X, D, A, alpha):
    """Mean objective, mean and largest relative duality gap."""
    R = X - A @ D
    r2, x2 = (R * R).sum(1), (X * X).sum(1)
    objective = 0.5 * r2 + alpha * np.abs(A).sum(1)
    theta = R * np.minimum(1, alpha / np.abs(R @ D.T).max(1))[:, None]
    gap = (objective - (X * theta).sum(1) + 0.5 * (theta * theta).sum(1)) / (0.5 * x2)
    return objective.mean(), gap.mean(), gap.max()


def encode(options, folder, driver):
    print(f"{'case':<16} {'who':<26} {'codes/s':>9} {'ratio':>6} {'mean gap':>9} {'max gap':>9} {'objective':>12} {'p50 us':>7} {'p99 us':>7}")
    for name, mode, setting in (("patch8", "encode", 0.05), ("mnist", "encode", 0.05), ("patch8", "omp", 15), ("mnist", "omp", 15)):
        X, D = signals(name, options.signals)
        files = {what: os.path.join(folder, what) for what in ("X", "D", "A")}
        X.tofile(files["X"]), D.tofile(files["D"])
        kinds = ("active_set double", "active_set float", "coordinate_descent double") if mode == "encode" else ("omp double", "omp float")
        few = X[:options.peer_signals]
        times, peer, latency = {k: [] for k in kinds}, [], {}
        codes = {}
        for _ in range(options.repeats):  # interleaved: every round runs everybody
            start = time.perf_counter()
            if mode == "encode":
                peer_codes = sparse_encode(few, D, algorithm="lasso_cd", alpha=setting, max_iter=10000, check_input=False)
            else:
                peer_codes = sparse_encode(few, D, algorithm="omp", n_nonzero_coefs=setting, check_input=False)
            peer.append((time.perf_counter() - start) / len(few))
            for kind in kinds:
                if kind.startswith("coordinate") and times[kind]:
                    continue
                algorithm, scalar = kind.split()
                result = dict(run([driver, mode, files["X"], str(len(X)), str(X.shape[1]), files["D"], str(len(D)), str(setting),
                                   algorithm, scalar, str(options.threads), "1", files["A"]]))
                times[kind].append(result["seconds"][0] / len(X))
                latency.setdefault(kind, []).append(result["latency"])
                codes[kind] = np.fromfile(files["A"]).reshape(len(X), len(D))
        base = np.median(peer)
        alpha = setting if mode == "encode" else 0.0

        def line(who, seconds, X, A, latencies=None):
            if mode == "encode":
                objective, mean, largest = gaps(X, D, A, alpha)
                quality = f"{mean:9.1e} {largest:9.1e} {objective:12.9f}"
            else:
                quality = f"{'-':>9} {'-':>9} {0.5 * ((X - A @ D) ** 2).sum(1).mean():12.9f}"
            late = "" if latencies is None else "{:7.1f} {:7.1f}".format(*np.median(latencies, axis=0))
            print(f"{name + ' ' + mode:<16} {who:<26} {1 / seconds:9.0f} {base / seconds:6.1f} {quality} {late}", flush=True)

        line(f"scikit-learn ({len(few)} signals)", base, few, peer_codes)
        for kind in kinds:
            line(kind, np.median(times[kind]), X, codes[kind], latency[kind])


def learn(options, folder, driver):
    """Time to the held-out objective of one pass of MiniBatchDictionaryLearning; the objective is 1/2 |x - D's|^2 + 0.1 |s|_1
    of exact codes, by scikit-learn's coordinate descent at a tight tolerance for both."""
    alpha, atoms, slice_rows = 0.1, 256, 10240
    S = patches(options.patches + 2000)
    train, held = S[2000:].copy(), S[:2000]

    def objective(D):
        A = sparse_encode(held, D, algorithm="lasso_cd", alpha=alpha, max_iter=10000, check_input=False)
        return gaps(held, D, A, alpha)[0]

    file, out = os.path.join(folder, "train"), os.path.join(folder, "dictionaries")
    train.tofile(file)

    def ours(slices):
        seconds = [v[0] for _, v in run([driver, "learn", file, str(len(train)), "64", str(atoms), str(alpha), str(slice_rows), str(slices), out])]
        return seconds, np.fromfile(out).reshape(slices, atoms, 64)

    start = time.perf_counter()
    m = MiniBatchDictionaryLearning(atoms, alpha=alpha, batch_size=256, max_iter=1, tol=0, max_no_improvement=None, fit_algorithm="cd",
                                    transform_algorithm="lasso_cd", random_state=0)
    m.fit(train)
    peer_seconds = time.perf_counter() - start
    peer = objective(m.components_)
    print(f"scikit-learn MiniBatchDictionaryLearning, one pass over {len(train)} patches: {peer_seconds:.1f} s, held-out objective {peer:.6f}")
    seconds, dictionaries = ours(len(train) // slice_rows)
    reached = None
    for s, D in zip(seconds, dictionaries):
        now = objective(D)
        print(f"ours after {s:7.3f} s ({s / peer_seconds:.3f} of its time): held-out objective {now:.6f}", flush=True)
        if now <= peer and reached is None:
            reached = s
    if reached is None:
        sys.exit("its objective was not reached in one pass")
    print(f"its objective reached in {reached:.3f} s = 1/{peer_seconds / reached:.1f} of its time")
    more = int(len(seconds) * peer_seconds / seconds[-1])
    seconds, dictionaries = ours(min(more, 400))
    print(f"ours after {seconds[-1]:.1f} s of its {peer_seconds:.1f} s: held-out objective {objective(dictionaries[-1]):.6f} against {peer:.6f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("encode", "learn"))
    parser.add_argument("--signals", type=int, default=10000)
    parser.add_argument("--peer-signals", type=int, default=1500)
    parser.add_argument("--patches", type=int, default=200000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--driver", help="an already compiled sparse_coding_driver.cpp; else it is compiled first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        driver = options.driver or build(folder)
        {"encode": encode, "learn": learn}[options.what](options, folder, driver)
