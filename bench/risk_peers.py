"""The same rows in the hands of toad, optbinning and scikit-learn: what a user of each would type, given the columns to use.

Each function is one peer's whole programme, from a frame to scores of the test rows; its lines are counted as they stand here.
"""

# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
import inspect
import resource
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from timelyrain.risk import metrics

Frame = Any


def logistic(train: Frame, bad: Any, test: Frame) -> Any:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    levels = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50)
    prepared = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (levels, make_column_selector(dtype_include=object)),
    )
    return (
        make_pipeline(prepared, LogisticRegression(max_iter=2000)).fit(train, bad).predict_proba(test)[:, 1]
    )


def boosting(train: Frame, bad: Any, test: Frame) -> Any:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import TargetEncoder

    prepared = make_column_transformer(
        (TargetEncoder(), make_column_selector(dtype_include=object)), remainder="passthrough"
    )
    model = HistGradientBoostingClassifier(learning_rate=0.05, max_leaf_nodes=15, early_stopping=True)
    return make_pipeline(prepared, model).fit(train, bad).predict_proba(test)[:, 1]


def optbinning(train: Frame, bad: Any, test: Frame) -> Any:
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    names, levels = list(train.columns), list(train.select_dtypes(object).columns)
    bins = BinningProcess(
        names, categorical_variables=levels, max_n_bins=8, selection_criteria={"iv": {"min": 0.005}}
    )
    card = Scorecard(bins, LogisticRegression(max_iter=2000), scaling_method="pdo_odds",
                     scaling_method_params={"pdo": 60, "odds": 35, "scorecard_points": 600})  # fmt: skip
    return card.fit(train, bad).predict_proba(test)[:, 1]


def toad(train: Frame, bad: Any, test: Frame) -> Any:
    import toad as library
    from sklearn.linear_model import LogisticRegression

    frame = train.assign(bad=bad)
    frame = library.selection.select(frame, "bad", empty=0.95, iv=0.005, corr=0.95)
    combiner = library.transform.Combiner().fit(frame, y="bad", method="dt", n_bins=8, empty_separate=True)
    to_woe = library.transform.WOETransformer()
    woe = to_woe.fit_transform(combiner.transform(frame), frame["bad"], exclude=["bad"])
    model = LogisticRegression(max_iter=2000).fit(woe.drop(columns="bad"), bad)
    tested = to_woe.transform(combiner.transform(test[frame.columns.drop("bad")]))
    return model.predict_proba(tested)[:, 1]


PEERS: dict[str, Callable[[Frame, Any, Frame], Any]] = {
    "scikit-learn logistic": logistic, "scikit-learn boosting": boosting, "optbinning card": optbinning, "toad card": toad,
}  # fmt: skip


def lines(name: str) -> int:
    """Of code, without the def and blank lines."""
    return sum(bool(line.strip()) for line in inspect.getsource(PEERS[name]).splitlines()[1:])


def measured(
    name: str,
    file: Path,
    rows: np.ndarray,
    labels: np.ndarray,
    columns: list[str],
    rounds: list[tuple[np.ndarray, np.ndarray]],
) -> dict[str, float]:
    """Means over rounds (train, test) of AUC and KS, with seconds and peak memory of a process of its own. rows: with a label."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_alone, name, file, rows, labels, columns, rounds).result()


def _alone(
    name: str,
    file: Path,
    rows: np.ndarray,
    labels: np.ndarray,
    columns: list[str],
    rounds: list[tuple[np.ndarray, np.ndarray]],
) -> dict[str, float]:
    import pandas

    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    frame = pandas.read_csv(file, low_memory=False).iloc[rows].reset_index(drop=True)[columns]
    rich = [column for column in frame.select_dtypes(object) if frame[column].nunique() > 200]
    frame = frame.drop(columns=rich)  # names, places and months by the hundred: nobody would bin them by hand
    found = []
    for train, test in rounds:
        scores = np.asarray(PEERS[name](frame.iloc[train], labels[train], frame.iloc[test]), np.float64)
        found.append(metrics(labels[test], scores))
    return {
        "auc": float(np.mean([one["auc"] for one in found])),
        "ks": float(np.mean([one["ks"] for one in found])),
        "seconds": time.perf_counter() - begun,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "lines": float(lines(name)),
    }
