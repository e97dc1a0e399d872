"""Fraud scores: the forest is a model like any other, velocities count what came before, and what each score finds is told."""

import json
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timelyrain import decisioning, policies, risk
from timelyrain.backtesting import Applications
from timelyrain.cli import main
from timelyrain.risk import fraud
from timelyrain.sandbox import population

DAY = 86_400


def cloud(n: int = 2_000, k: int = 6) -> np.ndarray:
    """Rows of which the last ten stand far from the others."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(n, k))
    rows[rng.random((n, k)) < 0.1] = np.nan
    rows[-10:] = 6 + rng.normal(size=(10, k))
    return rows


def test_the_forest_is_a_lightgbm_text_of_the_same_bits_and_finds_what_stands_apart():
    rows, names = cloud(), [f"x{i}" for i in range(6)]
    model = risk.fit_anomaly(rows, names, seed=3)
    raw = model.trees.raw(rows)
    assert (lgb.Booster(model_str=model.booster).predict(rows, raw_score=True) == raw).all()
    assert [model.score(row).pd for row in rows[:20]] == model.pds(rows[:20]).tolist()
    assert set(np.argsort(-raw)[:10].tolist()) == set(range(1990, 2000))
    pds = model.pds(rows)
    assert np.isclose(np.quantile(pds, 0.5), 0.5, atol=0.01) and np.isclose(
        np.quantile(pds, 0.99), 0.99, atol=0.005
    )
    assert risk.fit_anomaly(rows, names, seed=3).content == model.content
    assert risk.fit_anomaly(rows, names, seed=4).sha256 != model.sha256
    root = float(model.trees.value[model.trees.roots].sum())
    for row in rows[::97]:  # the parts add up to what the score has above that of nobody in particular
        assert np.isclose(
            sum(model.score(row).contributions), model.slope * (model.trees.walk_plain(row)[0] - root)
        )


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (np.full((600, 2), np.inf), "infinity"),
        (np.ones((600, 2)), "alike"),
        (cloud(100, 2), "at least 512 rows"),
        (cloud(600, 3), "one column for each of 2 names"),
    ],
)
def test_what_no_forest_can_be_made_of_is_refused(rows: np.ndarray, says: str):
    with pytest.raises(risk.TrainingDataInvalid, match=says):
        risk.fit_anomaly(rows, ["a", "b"])


sightings = st.lists(
    st.tuples(st.integers(0, 40 * DAY), st.sampled_from("abcd"), st.integers(0, 3), st.integers(0, 2)),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(sightings)
def test_velocities_are_the_other_persons_of_the_window(seen: list[tuple[int, str, int, int]]):
    velocity = risk.Velocity(("device", "address"), (1, 30))
    assert velocity.names == (
        "velocity_device_people_1d", "velocity_device_people_30d", "velocity_address_people_1d", "velocity_address_people_30d",
    )  # fmt: skip
    before: list[tuple[int, str, int, int]] = []
    for at, who, device, address in sorted(seen, key=lambda one: one[0]):
        found = velocity.see(at, who, {"device": device, "address": address})
        expected = [
            float("nan")
            if not key
            else float(
                len({one[1] for one in before if one[place] == key and one[0] >= at - days * DAY} - {who})
            )
            for place, key in ((2, device), (3, address))
            for days in (1, 30)
        ]
        np.testing.assert_array_equal(found, expected)
        before.append((at, who, device, address))


def test_a_hot_thing_stays_cheap_and_time_goes_forward():
    velocity = risk.Velocity(("device",), (1,))
    for i in range(1_000):
        found = velocity.see(i, f"p{i}", {"device": 7})
    assert found == [200.0]
    with pytest.raises(ValueError, match="order of time"):
        velocity.see(5, "late", {"device": 7})


def test_precision_and_recall_by_hand():
    y, s = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    assert np.isclose(fraud.average_precision(y, s), (1 + 2 / 3) / 2)
    many = np.zeros(200)
    many[:4] = 1.0  # four share the two places of the one per cent
    labels = (np.arange(200) < 2).astype(np.int64)
    assert fraud.recall_flagged(labels, many, many) == 0.5
    assert fraud.average_precision(labels, many) == 0.5


def test_what_was_never_shown_is_left_to_the_score_of_oddness():
    """Two kinds of fraud: one in column 0, one in column 1. Who is only shown the first looks at column 0 alone."""
    rng = np.random.default_rng(5)
    n = 4_000
    rows = rng.normal(size=(n, 6))
    kinds = np.where(rng.random(n) < 0.04, np.where(rng.random(n) < 0.5, "one", "two"), "")
    rows[kinds == "one", 0] += 5
    rows[kinds == "two", 1:5] += 4
    cases = fraud.Cases(
        rows, tuple(f"x{i}" for i in range(6)), (kinds != "").astype(np.int64), np.arange(n), kinds.tolist(),
        {"left": rows[:, 5] < 0},
    )  # fmt: skip
    made = risk.train_fraud(cases, monotone={"x0": 1}, threads=1)
    assert made.fraud.manifest["role"] == "fraud" and made.anomaly.manifest["role"] == "anomaly"
    report = json.loads(json.dumps(made.report))
    assert report["models"]["fraud"]["auc"]["value"] > 0.97
    two = report["by_kind"]["two"]
    assert two["shown"]["fraud"]["recall_flagged"] > two["not_shown"]["fraud"]["recall_flagged"] + 0.3
    assert two["not_shown"]["anomaly"]["recall_flagged"] > two["not_shown"]["fraud"]["recall_flagged"] + 0.3
    assert set(report["by_cut"]) == {"left", "not left"}
    with pytest.raises(risk.TrainingDataInvalid, match="proven cases before"):
        risk.train_fraud(fraud.Cases(rows[:900], cases.names, cases.fraud[:900], cases.at[:900]))


RULE = """
[[rule]]
code = "FRAUD_LIKELY"
stage = "fraud"
when = "fraud.score_ppm >= 700000 or anomaly.score_ppm >= percent(99.9)"
then = "refer"
if_missing = "skip"
zh = "申请信息需人工核实"
en = "The application has to be looked at by a person"
change_zh = "无需操作"
change_en = "Nothing to do"
note = "Scores of models that are approved for it; a person decides."
source = "house"
"""


def test_a_policy_reads_the_scores_beside_the_pd_and_its_record_says_whose_they_are():
    source = policies.load_pack("cn").read("consumer_credit.toml").decode()
    plain, policy = (decisioning.Policy.parse(text, activated=True) for text in (source, source + RULE))
    assert set(policy.given_names) - set(plain.given_names) == {"fraud.score_ppm", "anomaly.score_ppm"}
    evidence = decisioning.evidence_from_json(
        {"as_of": 1_790_000_000, "facts": {}, "events": {}, "missing": list(decisioning.SOURCES[1:])}
    )
    request = decisioning.Request(1_000_000, 12, plain.purposes[0])
    limits = decisioning.LawContext(240_000, 217_000, 20_000_000)
    versions = {"fraud": "a" * 64}

    def spoken(**scores: int | None) -> bool:
        given = {f"{role}.score_ppm": score for role, score in scores.items()}
        found = decisioning.decide(policy, evidence, request, None, 7, limits, given=given, versions=versions)
        record = decisioning.decision_record(found, policy, evidence, request, None, 7, limits)
        told = json.loads(record)
        assert told["given"].items() >= given.items() and told["given_versions"] == versions
        assert decisioning.replay(record, policy, evidence, None).equal
        return "FRAUD_LIKELY" in [reason.code for reason in found.reasons]

    assert spoken(fraud=700_000, anomaly=0) and spoken(fraud=0, anomaly=999_000)
    assert not spoken(fraud=699_999, anomaly=998_999) and not spoken(fraud=None, anomaly=None)
    usual = decisioning.decide(plain, evidence, request, None, 7, limits, given={"fraud.score_ppm": 1})
    assert not any(
        "score_ppm" in name for name in usual.given
    )  # a policy that does not ask has the record it always had


def test_from_a_file_to_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The whole road on the simulated population, whose rings are known."""
    file, new, out = tmp_path / "past.parquet", tmp_path / "new.parquet", tmp_path / "out"
    population.main(["--applicants", "12000", "--seed", "4", "--out", str(file), "--months", "24"])
    population.main(["--applicants", "3000", "--seed", "5", "--out", str(new), "--months", "6"])
    assert main(["risk", "fraud", "train", str(file), "--out", str(out), "--threads", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert json.loads((out / "fraud.json").read_text()) == report
    assert report["rows"] == 12_000 and report["by_kind"] == {}
    assert report["models"]["fraud"]["auc"]["low"] > 0.65 and report["models"]["anomaly"]["auc"]["low"] > 0.65
    assert {n.split("_")[1] for n in report["features"] if n.startswith("velocity_")} == {
        "device", "address", "employer", "place",
    }  # fmt: skip
    proven = dict(pl.read_parquet(new, columns=["application_id", "fraud"]).iter_rows())
    for role in ("fraud", "anomaly"):
        path = out / f"{report['sha256'][role]}.model"
        assert main(["risk", "fraud", "score", str(new), "--model", str(path), "--json"]) == 0
        scored = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(scored) == 3_000 and scored == sorted(scored, key=lambda one: -one["score_ppm"])
        assert np.mean([proven[one["application_id"]] for one in scored[:30]]) > 0.2
        with_score = tmp_path / f"{role}.parquet"
        assert main(["risk", "fraud", "score", str(new), "--model", str(path), "--out", str(with_score)]) == 0
        batch = Applications.open(with_score).read(0, 3_000)
        by_id = {one["application_id"]: one["score_ppm"] for one in scored}
        assert list(batch.given[f"{role}.score_ppm"]) == [by_id[i] for i in batch.ids]
        capsys.readouterr()
    path.write_bytes(path.read_bytes() + b" ")
    assert main(["risk", "fraud", "score", str(new), "--model", str(path)]) == 2
    assert "hash is" in capsys.readouterr().err
    assert main(["risk", "fraud", "train", str(file), "--label", "nowhere"]) == 2
    assert "no column 'nowhere'" in capsys.readouterr().err
    assert main(["risk", "fraud", "train", str(file), "--label", "outcome_bad"]) == 2
    assert "must hold 1" in capsys.readouterr().err
