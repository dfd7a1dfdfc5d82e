#!/usr/bin/env python3
"""Test accuracy of scikit-learn's kernel SVM and nearest neighbours on the sets of benchmark_accuracy.

    SPARSE_EXPERTS_DATA=<folder> benchmarks/peers/accuracy.py [digits svmguide1 usps letter a9a mnist]

C and gamma of the RBF kernel, the scaling and the number of neighbours are chosen by cross-validation on (a
subsample of) the training part; the test part is looked at once. MNIST: a subsample of 10,000 training images
alone, for tuning and for the fit.
"""
import gzip
import os
import sys
import time

import numpy as np
from sklearn.datasets import load_svmlight_file
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import SVC

N_TUNE = 4000  # samples of the training part that take part in the tuning
HERE = os.path.dirname(os.path.abspath(__file__))


def data_file(*parts):
    folder = os.environ.get("SPARSE_EXPERTS_DATA")
    if not folder:
        sys.exit("set SPARSE_EXPERTS_DATA to the folder of the data sets")
    return os.path.join(folder, *parts)


def svmlight(train, test, n_features):
    def read(path):
        opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")
        with opened as stream:
            X, y = load_svmlight_file(stream, n_features=n_features)
        return X.toarray().astype(np.float32), y.astype(int)

    return read(train) + read(test)


def idx(path):
    with gzip.open(path, "rb") as stream:
        raw = stream.read()
    if raw[3] == 1:
        return np.frombuffer(raw, np.uint8, offset=8).astype(int)
    return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255


def load(name):
    """A list of (X, y, X_test, y_test), one a split."""
    if name == "digits":
        table = np.loadtxt(os.path.join(HERE, "../../examples/data/digits.csv"), delimiter=",", skiprows=0)
        X, y = table[:, 1:].astype(np.float32), table[:, 0].astype(int)
        splits = []
        for seed in range(5):
            a, b, c, d = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
            splits.append((a, c, b, d))
        return splits
    if name == "usps":
        return [svmlight(data_file("usps", "usps.train.svm.gz"), data_file("usps", "usps.test.svm.gz"), 256)]
    if name == "a9a":
        return [svmlight(data_file("a9a", "a9a.gz"), data_file("a9a", "a9a.t.gz"), 123)]
    if name == "svmguide1":
        return [svmlight(data_file("svmguide1", "svmguide1"), data_file("svmguide1", "svmguide1.t"), 4)]
    if name == "letter":
        with gzip.open(data_file("letter", "letter.csv.gz"), "rt") as stream:
            rows = [line.strip().split(",") for line in stream if line.strip()]
        y = np.array([ord(r[0]) - 65 if r[0].isalpha() else int(r[0]) for r in rows])
        X = np.array([r[1:] for r in rows], dtype=np.float32)
        return [(X[:16000], y[:16000], X[16000:], y[16000:])]
    if name == "mnist":
        folder = [data_file("mnist", f) for f in sorted(os.listdir(data_file("mnist"))) if f.endswith(".gz")]
        part = {key: idx(next(f for f in folder if key in os.path.basename(f)))
                for key in ("train-images", "train-labels", "t10k-images", "t10k-labels")}
        X, _, y, _ = train_test_split(part["train-images"], part["train-labels"], train_size=10000,
                                      stratify=part["train-labels"], random_state=0)
        return [(X, y, part["t10k-images"], part["t10k-labels"])]
    sys.exit(f"unknown set {name}")


def tuned(steps, grid, X, y):
    """The pipeline with the best of the grid on a subsample, fitted on everything."""
    pipeline = make_pipeline(FunctionTransformer(), steps)
    scalers = [StandardScaler(), Normalizer()] if X.shape[1] >= 32 else [StandardScaler()]
    search = GridSearchCV(pipeline, dict(grid, functiontransformer=scalers), refit=False,
                          cv=StratifiedKFold(3, shuffle=True, random_state=0))
    if len(y) > N_TUNE:
        part, _, part_y, _ = train_test_split(X, y, train_size=N_TUNE, stratify=y, random_state=0)
    else:
        part, part_y = X, y
    search.fit(part, part_y)
    return pipeline.set_params(**search.best_params_).fit(X, y), search.best_params_


def main():
    for name in sys.argv[1:] or ["digits", "svmguide1", "usps", "letter", "a9a"]:
        found = {"RBF SVM": [], "k-NN": []}
        for X, y, Z, truth in load(name):
            scale = 1 / X.shape[1]
            unit = X.shape[1] >= 32
            gammas = [scale / 3, scale, 3 * scale, 10 * scale] + ([0.5, 2, 6] if unit else [])
            for label, model, grid in (
                ("RBF SVM", SVC(cache_size=1000), {"svc__C": [1, 10, 100], "svc__gamma": gammas}),
                ("k-NN", KNeighborsClassifier(), {"kneighborsclassifier__n_neighbors": [1, 3, 5, 9, 21]}),
            ):
                start = time.perf_counter()
                fitted, best = tuned(model, grid, X, y)
                spent = time.perf_counter() - start
                start = time.perf_counter()
                accuracy = fitted.score(Z, truth)
                found[label].append((accuracy, spent, time.perf_counter() - start, best))
        for label, runs in found.items():
            scores = 100 * np.array([r[0] for r in runs])
            spread = scores.std(ddof=1) if len(scores) > 1 else 0
            chosen = {key.split("__")[-1]: value for key, value in runs[-1][3].items()}
            print(f"{name:10} {label:8} {scores.mean():6.2f} +- {spread:.2f}  tuning and fit "
                  f"{np.mean([r[1] for r in runs]):.1f} s  test {np.mean([r[2] for r in runs]):.2f} s  {chosen}",
                  flush=True)


if __name__ == "__main__":
    main()
