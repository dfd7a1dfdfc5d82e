#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Lasso beside scikit-learn and glmnet on the same arrays, to equal relative duality gap.

usage: lasso.py [--data DIR] [--threads T] [--runs R] [--peers sklearn,glmnet] [--driver PROGRAM] [case ...]
  DIR holds wide_X.npy, wide_y.npy, ... (see CASES); without it only the synthetic cases are made here.
For every case each peer's own tolerance is tightened until the gap, recomputed here, meets the target; then all are
timed interleaved, and medians and ratios are printed. The gap of (1/2n)|y - Xw|^2 + alpha |w|_1 takes the scaled
residual as its dual point and is relative to |y|^2/2n; of a path the worst point counts.
"""
import argparse, os, shutil, statistics, subprocess, sys, tempfile, time, warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
import numpy as np
import scipy.sparse as sp

HERE = os.path.dirname(os.path.abspath(__file__))
# case: data, alpha_max / alpha, points, target gap, precompute for scikit-learn
CASES = {
    "wide/10": ("wide", 10, 1, 1e-6, False),
    "wide/100": ("wide", 100, 1, 1e-6, False),
    "wide/100 1e-8": ("wide", 100, 1, 1e-8, False),
    "wide path": ("wide", 100, 100, 1e-4, False),
    "text/10": ("debian", 10, 1, 1e-6, False),
    "text/100": ("debian", 100, 1, 1e-6, False),
    "text path": ("debian", 100, 100, 1e-4, False),
    "tall/10": ("tall", 10, 1, 1e-6, True),
    "tall/100": ("tall", 100, 1, 1e-6, True),
    "tall path": ("tall", 100, 100, 1e-6, True),
    "leukemia path": ("leukemia", 100, 100, 1e-6, False),
    "small path": ("small", 100, 50, 1e-6, False),
}
GLMNET = """
a <- commandArgs(TRUE); d <- a[1]; suppressMessages(library(glmnet))
s <- scan(file.path(d, "shape"), quiet = TRUE)
bin <- function(f, what, n) readBin(file.path(d, f), what, n)
X <- if (s[3] == 0) matrix(bin("x", "double", s[1] * s[2]), s[1]) else
  Matrix::sparseMatrix(i = bin("rows", "integer", s[3]) + 1L, p = bin("starts", "integer", s[2] + 1), x = bin("values", "double", s[3]), dims = s[1:2])
y <- bin("y", "double", s[1]); l <- bin("alphas", "double", 1e5)
sd <- sqrt(mean((y - mean(y))^2))
glmnet.control(fdev = 0, devmax = 1)
t <- system.time(m <- glmnet(X, y, lambda = l, standardize = FALSE, intercept = FALSE, thresh = as.numeric(a[2]), maxit = 1e8))[3]
writeBin(as.vector(as.matrix(m$beta)), file.path(d, "glmnet")); cat(t, "\\n")
"""


def load(directory, name):
    if name == "small":
        g = np.random.default_rng(0)
        X = np.asfortranarray(g.standard_normal((300, 2000)))
        y = X[:, :20] @ g.standard_normal(20) + g.standard_normal(300)
        return X - X.mean(0), y - y.mean()
    f = os.path.join(directory, name)
    y = np.load(f + ("_yreg.npy" if name == "debian" else "_y.npy"))
    if os.path.exists(f + "_X.npy"):
        return np.asfortranarray(np.load(f + "_X.npy")), y
    part = {k: np.load(f"{f}_X.{k}.npy") for k in ("data", "indices", "indptr", "shape")}
    return sp.csc_matrix((part["data"], part["indices"], part["indptr"]), shape=tuple(part["shape"])), y


def gap(X, y, W, alphas):
    worst = 0.0
    for w, alpha in zip(W.T, alphas):
        r = y - X @ w
        n = len(y)
        primal = r @ r / (2 * n) + alpha * np.abs(w).sum()
        peak = np.abs(X.T @ r).max() / n
        theta = r / n * min(1.0, alpha / peak if peak > 0 else 1.0)
        worst = max(worst, (primal - (y @ theta - n / 2 * theta @ theta)) / (y @ y / (2 * n)))
    return worst


def build(directory):
    driver = os.path.join(directory, "driver")
    eigen = next((d for d in ("/usr/include/eigen3", "/usr/local/include/eigen3") if os.path.isdir(d)), "")
    subprocess.run(["g++", "-std=c++20", "-O3", "-march=native", "-DNDEBUG", "-fopenmp", "-I", os.path.join(HERE, "../../include"),
                    "-isystem", eigen, os.path.join(HERE, "lasso_driver.cpp"), "-o", driver], check=True)
    return driver


class Ours:
    ladder = [1.0, 0.3, 0.1]

    def __init__(self, driver, directory, shape, threads, solver):
        self.args = (driver, directory, shape, threads, solver)

    def __call__(self, tol):
        driver, directory, (p, k), threads, solver = self.args
        env = dict(os.environ, OMP_NUM_THREADS=str(threads))
        o = subprocess.run([driver, directory, str(tol), solver, str(threads), "2"], capture_output=True, text=True, check=True, env=env)
        seconds, own, passes, memory = o.stdout.splitlines()[-1].split()  # the second fit: pages are mapped, as the peers' are
        self.note = f"own gap {float(own):.0e}, {passes} passes, peak {memory} MB"
        return float(seconds), np.fromfile(os.path.join(directory, "coefs")).reshape(k, p).T


class Sklearn:
    ladder = [0.49, 0.1, 0.02]

    def __init__(self, X, y, alphas, precompute):
        self.args = (X, y, alphas, precompute)

    def __call__(self, tol):
        from sklearn.linear_model import lasso_path
        X, y, alphas, precompute = self.args
        start = time.perf_counter()
        W = lasso_path(X, y, alphas=alphas, tol=tol, max_iter=10**7, precompute=precompute, copy_X=False)[1]
        return time.perf_counter() - start, W


class Glmnet:
    ladder = [1e-8, 1e-11]

    def __init__(self, directory, shape):
        self.args = (directory, shape)

    def __call__(self, tol):
        directory, (p, k) = self.args
        script = os.path.join(directory, "glmnet.R")
        with open(script, "w") as f:
            f.write(GLMNET)
        o = subprocess.run(["Rscript", script, directory, str(tol)], capture_output=True, text=True, timeout=300)
        if o.returncode:
            raise RuntimeError(o.stderr[-300:])
        return float(o.stdout.split()[-1]), np.fromfile(os.path.join(directory, "glmnet")).reshape(k, p).T


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=os.environ.get("BENCH_DIR", ""))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--solver", default="automatic")
    parser.add_argument("--driver", default="", help="lasso_driver as built before; else it is built here")
    parser.add_argument("--peers", default="sklearn,glmnet" if shutil.which("Rscript") else "sklearn")
    parser.add_argument("cases", nargs="*", default=[])
    o = parser.parse_args()
    warnings.filterwarnings("ignore")
    cases = o.cases or [c for c in CASES if o.data or CASES[c][0] == "small"]
    print("| case | gap | solver | seconds (median) | reached | ratio to ours |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        driver = o.driver or build(directory)
        for case in cases:
            name, ratio, points, target, precompute = CASES[case]
            X, y = load(o.data, name)
            top = np.abs(X.T @ y).max() / len(y)
            alphas = np.array([top / ratio]) if points == 1 else np.geomspace(top, top / ratio, points)
            for f, v in (("y", y), ("alphas", alphas)) + ((("values", X.data), ("rows", X.indices.astype(np.int32)), ("starts", X.indptr.astype(np.int32))) if sp.issparse(X) else (("x", X.T),)):
                np.ascontiguousarray(v).tofile(os.path.join(directory, f))
            with open(os.path.join(directory, "shape"), "w") as f:
                f.write(f"{X.shape[0]} {X.shape[1]} {X.nnz if sp.issparse(X) else 0}\n")
            shape = (X.shape[1], points)
            solvers = {"ours": Ours(driver, directory, shape, o.threads, o.solver)}
            if "sklearn" in o.peers:
                solvers["sklearn"] = Sklearn(X, y, alphas, precompute)
            if "glmnet" in o.peers:
                solvers["glmnet"] = Glmnet(directory, shape)
            chosen, times, reached = {}, {}, {}
            for s, solve in solvers.items():  # the loosest tolerance that meets the gap
                for factor in solve.ladder:
                    tol = factor * target
                    try:
                        seconds, W = solve(tol)
                    except Exception as error:
                        print(f"# {case} {s}: {error}", file=sys.stderr)
                        break
                    reached[s] = gap(X, y, W, alphas)
                    if reached[s] <= target:
                        chosen[s], times[s] = tol, [seconds]
                        break
                    if seconds > 60:
                        break
            for _ in range(o.runs - 1):
                for s in chosen:
                    if s == "ours" or times[s][0] < 20:
                        times[s].append(solvers[s](chosen[s])[0])
            ours = statistics.median(times["ours"]) if "ours" in times else float("nan")
            for s in solvers:
                if s in times:
                    median = statistics.median(times[s])
                    note = f" ({solvers[s].note})" if s == "ours" else f" | {median / ours:.1f}"
                    print(f"| {case} | {target:.0e} | {s} | {median:.4f} | {reached[s]:.0e}{note} |" + (" 1 |" if s == "ours" else " |"), flush=True)
                else:
                    print(f"| {case} | {target:.0e} | {s} | not reached | {reached.get(s, float('nan')):.0e} | - |", flush=True)


if __name__ == "__main__":
    main()
