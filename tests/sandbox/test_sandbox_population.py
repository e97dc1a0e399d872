"""The population: reproducible, of the declared default rate, and learnable to the declared degree."""

import json
from typing import Any

import numpy as np
import pytest

from tests.worlds import World


@pytest.fixture(scope="module")
def people(shared_world: World) -> list[dict[str, Any]]:
    answer = shared_world.get("/population", n=1500, seed=8, as_of="2026-03-15", span_months=12)
    assert "ndjson" in answer.headers["content-type"]
    return [json.loads(line) for line in answer.text.splitlines()]


def auc(score: list[float], bad: list[int]) -> float:
    order = np.argsort(np.argsort(score)) + 1
    y = np.array(bad, bool)
    return float((order[y].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (~y).sum()))


def test_rate_and_truth_are_as_declared(people: list[dict[str, Any]]) -> None:
    bad = [p["default_12m"] for p in people]
    pd = [p["true_pd"] for p in people]
    assert len(people) == 1500
    assert 0.08 < np.mean(pd) < 0.13
    assert abs(np.mean(bad) - np.mean(pd)) < 4 * (0.1 * 0.9 / 1500) ** 0.5  # drawn from it
    assert 0.76 < auc(pd, bad) < 0.86


def test_the_truth_shows_in_the_documents(people: list[dict[str, Any]]) -> None:
    """A handful of raw signals, standardised and added up, already rank the risk."""
    rows: list[list[float]] = []
    for p in people:
        documents = p["documents"]
        moves = documents["bank_flow"]["rows"]
        salary = sum(r[1] for r in moves if r[3] == "SAL") + 1
        bets = -sum(r[1] for r in moves if r[3] == "POS:7995" and r[1] < 0)
        repaid = -sum(r[1] for r in moves if r[3] == "LNR")
        late = sum(s in "234567" for a in documents["bureau"]["PDA"] for s in a["PD01"]["D"]["states"])
        low = np.median([r[2] for r in moves])
        rows.append(
            [bets / salary, min(repaid / salary, 2), min(late, 6), -np.log(salary), -np.log(low + 1e4)]
        )
    x = np.array(rows)
    score = ((x - x.mean(0)) / x.std(0)).sum(1)
    assert auc(score.tolist(), [p["default_12m"] for p in people]) > 0.66


def test_the_same_seed_gives_the_same_bytes(world: World) -> None:
    one = world.get("/population", n=5, seed=3, as_of="2026-03-15").content
    assert one == world.get("/population", n=5, seed=3, as_of="2026-03-15").content
    assert one != world.get("/population", n=5, seed=4, as_of="2026-03-15").content


def test_documents_are_those_of_the_endpoints(world: World) -> None:
    """A person of the population, asked for one by one, gives the same documents."""
    line = json.loads(world.get("/population", n=1, seed=21, as_of="2026-03-15").text)
    s, documents = line["subject"], line["documents"]
    ask = {"name": s["name"], "id_number": s["id_number"], "consent_id": "c", "as_of": "2026-03-15"}
    got = world.post("/bureau/report", purpose="loan_approval", **ask).json()
    assert {k: got[k] for k in ("PDA", "POQ", "PSM")} == {
        k: documents["bureau"][k] for k in ("PDA", "POQ", "PSM")
    }
    rows = world.post("/bank/flows", bank_card=s["bank_card"], months=12, **ask).json()["rows"]
    assert rows == documents["bank_flow"]["rows"]
