"""Texts as a score: leak-free, without what may not be read, the same bits again, or from a model behind HTTP."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from timelyrain import risk
from timelyrain.cli import main
from timelyrain.risk import TextModelRefused, text
from timelyrain.risk.text_forbidden import FORBIDDEN, GAP, masked, refuse_persons
from timelyrain.sources.adapters.text_model import TextModelEndpoint

N = 2_000
SYLLABLES = ["bar", "con", "del", "fin", "gor", "hul", "jam", "kel", "lom", "nip", "ros", "tav"]


def sample(seed: int = 1) -> tuple[list[str], np.ndarray, np.ndarray]:
    """(texts, labels, folds): 周转 and `urgent` raise the risk; the rest is noise, different in every row."""
    rng = np.random.default_rng(seed)
    risky = rng.random(N) < 0.3
    noise = ["".join(rng.choice(SYLLABLES, 6)) for _ in range(N)]
    said = np.where(risky, rng.choice(["临时周转", "urgent"], N), rng.choice(["慢慢还", "planned"], N))
    labels = (rng.random(N) < np.where(risky, 0.4, 0.1)).astype(np.int64)
    return [f"{a} {b}" for a, b in zip(noise, said, strict=True)], labels, rng.integers(0, 5, N)


def test_words_that_matter_are_found_and_noise_is_not():
    texts, labels, folds = sample()
    found = text.fit(texts, labels, folds)
    assert 0.66 < risk.metrics(labels, 1 / (1 + np.exp(-found.column)))["auc"] < 0.75
    new = found.model.scores(["今天周转一下", "很慢慢还清", "urgent please", "planned trip", ""])
    assert new[0] > new[1] and new[2] > new[3] and new[4] == found.model.intercept
    shuffled = np.random.default_rng(2).permutation(labels)
    apart = text.fit(texts, shuffled, folds)
    assert abs(risk.metrics(shuffled, 1 / (1 + np.exp(-apart.column)))["auc"] - 0.5) < 0.04
    seen = risk.metrics(shuffled, 1 / (1 + np.exp(-apart.model.scores(texts))))["auc"]
    assert seen > 0.6  # who saw the rows knows them by heart: the column is not from that model


def test_the_same_bits_again_and_from_json():
    texts, labels, folds = sample()
    first, again = text.fit(texts, labels, folds), text.fit(texts, labels, folds)
    assert first.column.tobytes() == again.column.tobytes()
    told = json.loads(json.dumps(first.model.to_json()))
    assert (text.TextModel.from_json(told).scores(texts) == first.model.scores(texts)).all()
    for broken in ({}, {**told, "weights": "AAAA"}, {**told, "grams": [1]}):
        with pytest.raises(risk.TrainingDataInvalid, match="train it again"):
            text.TextModel.from_json(broken)


@pytest.mark.parametrize("subject", FORBIDDEN)
def test_what_may_not_be_read_gives_no_feature(subject: str):
    """Any two words of a subject, in the same place, are the same text to every score."""
    for word in FORBIDDEN[subject].split():
        told = f"loan for {word} soon" if word.isascii() else f"借款{word}尽快"
        usual = f"loan for {GAP} soon" if word.isascii() else f"借款{GAP}尽快"
        assert masked(told) == usual, word
        bare = text.grams([told, told.upper() if word.isascii() else told])
        assert bare.take(np.array([0])).places.tolist() == bare.take(np.array([1])).places.tolist()
        ending = "soon" if word.isascii() else "尽快"
        allowed = set(text.grams([told.split(word)[0].strip()]).places) | set(text.grams([ending]).places)
        assert (
            len(set(bare.take(np.array([0])).places) - allowed) <= 8
        )  # at most the edges, which know nothing of the word


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("请联系王小明先生", f"请联系{GAP}"),
        ("ask Mr. John Smith, 2 kids", f"ask {GAP}, 0 kids"),
        ("tel 13800001111", "tel 0"),
        ("malevolent and showman", "malevolent and showman"),
    ],
)
def test_persons_and_numbers_are_masked_and_parts_of_words_are_not(told: str, kept: str):
    assert masked(told) == kept


def test_a_column_of_names_is_refused_and_one_of_firms_is_not():
    for name in ("Name", "customer_name", "姓名", "last name"):
        with pytest.raises(risk.TrainingDataInvalid, match="names of persons"):
            refuse_persons(name)
    for name in ("emp_title", "employer_name", "purpose_text", "company name"):
        refuse_persons(name)


def test_the_regression_is_at_its_minimum():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, 6))
    labels = (rng.random(400) < 1 / (1 + np.exp(-rows[:, 0] + 1))).astype(np.int64)
    weights, intercept = text.logistic(lambda w: rows @ w, lambda r: rows.T @ r, 6, labels)
    point = np.append(weights, intercept)
    wide = np.column_stack([rows, np.ones(400)])
    penalty = np.append(np.full(6, text.PENALTY), 0.0)
    exact = point.copy()
    for _ in range(20):  # Newton, which needs no line search here
        p = 1 / (1 + np.exp(-wide @ exact))
        hessian = (wide * (p * (1 - p))[:, None]).T @ wide + np.diag(penalty)
        exact -= np.linalg.solve(hessian, wide.T @ (p - labels) + penalty * exact)
    np.testing.assert_allclose(point, exact, atol=0.02)


def test_what_a_column_adds_is_told_with_an_interval():
    texts, labels, folds = sample()
    column = text.fit(texts, labels, folds).column
    other = np.random.default_rng(4).normal(size=(N, 3))
    found = text.uplift(other, column, labels, folds, seed=1, threads=1)
    assert found["low"] > text.EARNED and found["low"] < found["value"] < found["high"]
    useless = text.uplift(np.column_stack([other, column]), other[:, 0], labels, folds, seed=1, threads=1)
    assert useless["value"] < text.EARNED + 0.01


SERVER = r"""
import hashlib, http.server, json, sys, time
class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
        act = self.path.strip("/")
        if act == "slow":
            time.sleep(3)
        told = {"model_sha256": hashlib.sha256(act.encode()).hexdigest(), "vectors": [[len(t), t.count("a")] for t in asked]}
        if act == "scores":
            told["scores"] = [len(t) for t in asked]
            del told["vectors"]
        if act == "short":
            told["vectors"] = told["vectors"][1:]
        if act == "changing":
            told["model_sha256"] = hashlib.sha256(asked[0].encode()).hexdigest()
        if act == "nan":
            told["vectors"][0][0] = float("nan")
        if act == "nameless":
            told["model_sha256"] = "model of today"
        body = b"busy" if act == "words" else json.dumps(told).encode()
        self.send_response(503 if act == "down" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A model behind HTTP, in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()


def test_a_model_behind_http_gets_masked_texts_and_is_held_to_its_hash(endpoint: str):
    model = TextModelEndpoint(f"{endpoint}/plain")
    texts = [f"a cap number {i}" for i in range(600)] + ["pay Mr. Adams back"]
    found = model.vectors(texts)
    assert found.shape == (601, 2)
    assert found[-1].tolist() == [len(masked(texts[-1])), 1.0]  # "pay": the name did not leave the house
    assert len(model.sha256) == 64
    assert TextModelEndpoint(f"{endpoint}/scores").vectors(texts).shape == (601, 1)
    with pytest.raises(TextModelRefused, match="expected 0000"):
        TextModelEndpoint(f"{endpoint}/plain", "0" * 64).vectors(texts)
    column, (weights, intercept) = text.fit_vectors(found, np.arange(601) % 2, np.arange(601) // 2 % 5)
    assert column.shape == (601,) and weights.shape == (2,) and np.isfinite(intercept)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        ("slow", "within 0.5 s"),
        ("down", "503"),
        ("words", "did not answer as a text model"),
        ("short", r"shape \(1, 2\) for 2"),
        ("nan", "not finite"),
        ("nameless", "64 hex digits"),
    ],
)
def test_an_answer_that_is_none_is_refused(endpoint: str, act: str, says: str):
    with pytest.raises(TextModelRefused, match=says):
        TextModelEndpoint(f"{endpoint}/{act}", timeout=0.5 if act == "slow" else 30).vectors(["one", "two"])


def test_a_model_that_changes_its_name_between_answers_is_refused(endpoint: str):
    texts = list(chain.from_iterable((f"{i}" * 3, "x") for i in range(200)))
    texts[0], texts[256] = "first", "second"
    with pytest.raises(TextModelRefused, match="expected"):
        TextModelEndpoint(f"{endpoint}/changing").vectors(texts)


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Past loans whose risk stands partly in a number, partly in what was written."""
    texts, labels, _ = sample(6)
    rng = np.random.default_rng(7)
    flipped = rng.random(N) < 0.3 * labels
    path = tmp_path_factory.mktemp("loans") / "loans.csv"
    pl.DataFrame(
        {
            "debt": np.round(rng.gamma(2.0, 0.2, N) + 0.4 * flipped, 3),
            "用途说明": texts,
            "remark": ["".join(rng.choice(SYLLABLES, 5)) for _ in range(N)],
            "customer_name": ["".join(rng.choice(SYLLABLES, 2)) for _ in range(N)],
            "bad": labels,
        }
    ).write_csv(path)
    return path


def _train(loans: Path) -> list[str]:
    return f"risk train {loans} --label bad --split folds --threads 1 --json --no-card".split()


def test_training_reads_texts_that_earn_it_and_says_what_they_add(
    loans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    usual = _train(loans)
    assert main([*usual, "--text", "用途说明", "remark", "--out", str(tmp_path)]) == 0
    report = json.loads(capsys.readouterr().out)
    purpose, remark = report["texts"]["columns"]
    assert purpose["kept"] and purpose["auc_added"]["low"] > 0
    assert "words of 用途说明" in report["features_used"]
    assert not remark["kept"] and "words of remark" not in report["features_used"]
    assert main(usual) == 0
    without = json.loads(capsys.readouterr().out)
    chosen = report["chosen_model"]
    gained = (
        report["models"][chosen]["auc"]["value"] - without["models"][without["chosen_model"]]["auc"]["value"]
    )
    assert gained > 0.03  # on rows that neither saw
    manifest = json.loads((tmp_path / f"{report['model_sha256']}.json").read_text())
    again = text.TextModel.from_json(manifest["texts"]["用途说明"])
    assert again.scores(["urgent"])[0] > again.scores(["planned"])[0]
    assert main([*usual, "--text", "customer_name"]) == 2
    assert "names of persons" in capsys.readouterr().err
    assert main([*usual, "--text", "debt"]) == 2
    assert "it needs no reading" in capsys.readouterr().err


def test_training_with_a_model_behind_http_records_who_answered(
    loans: Path, endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    usual = [*_train(loans), "--text", "用途说明", "--text-model", f"{endpoint}/plain"]
    assert main(usual) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["texts"]["model_sha256"] == hashlib.sha256(b"plain").hexdigest()
    assert main([*usual, "--text-model-sha256", "0" * 64]) == 2
    assert "expected 0000" in capsys.readouterr().err
