"""Back-tests as a whole: what they decide, what they leave out, what survives a kill, what they refuse."""
# ruff: noqa: E501  (statements are kept whole)

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.backtesting.files import application, applications, write
from tests.decisioning.applicants import AS_OF, DAY, LAW, POLICY_FILE
from timelyrain import decisioning, risk
from timelyrain.backtesting import (
    Applications,
    ApplicationsInvalid,
    BacktestStopped,
    Economics,
    Job,
    Law,
    Side,
    backtest,
    canonical_json,
    report,
)

SOURCE = POLICY_FILE.read_text(encoding="utf-8")
LOOSER = SOURCE.replace("phone_tenure_days < 90", "phone_tenure_days < 30").replace(
    "bureau_late4_count_730d >= 1", "bureau_late4_count_730d >= 4"
)
OTHER_FEATURES = LOOSER.replace("utc_offset_minutes = 480", "utc_offset_minutes = 420")
ROWS = 210
LAWS = Law(((0, LAW), (AS_OF - 200 * DAY, replace(LAW, limit_max_fen=10_000_000))))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(applications(ROWS), tmp_path_factory.mktemp("past") / "past.parquet")


@pytest.fixture(scope="module")
def model(past: Path) -> bytes:
    batch = Applications.open(past).read(0, ROWS)
    policy = Side(SOURCE).policy
    matrix, names = decisioning.features_matrix(policy, batch.evidences)
    names, monotone = names[:40], {name: way for name, way in policy.monotone.items() if name in names[:40]}
    return risk.train(np.ascontiguousarray(matrix[:, :40]), batch.outcome, names, monotone=monotone).content


def job(path: Path, model: bytes | None = None, b: str = LOOSER, **more: object) -> Job:
    sides = Side(SOURCE, model), Side(b, model)
    return Job(Applications.open(path), *sides, LAWS, **({"chunk_rows": 64} | more))  # type: ignore[arg-type]


def chunks(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in (folder / "chunks").iterdir()}


def test_columns_decide_as_one_by_one(past: Path, model: bytes, tmp_path: Path) -> None:
    """Every application of the file, under both policies, through `decide`."""
    work = job(past, model)
    backtest(work, tmp_path)
    batch = work.applications.read(0, ROWS)
    files = sorted((tmp_path / "chunks").iterdir())
    rows = pl.concat([pl.read_ipc(f.read_bytes()) for f in files], how="vertical_relaxed")
    assert rows["id"].to_list() == list(batch.ids)
    for i in range(0, ROWS, 3):
        request = decisioning.Request(int(batch.amount_fen[i]), int(batch.instalments[i]), batch.purposes[i])
        for name, side in (("a", work.a), ("b", work.b)):
            one = decisioning.decide(
                side.policy,
                batch.evidences[i],
                request,
                side.scorer,
                int(batch.draws[i]),
                LAWS.at(int(batch.at[i])),
            )
            told = {
                k.removeprefix(f"{name}."): v
                for k, v in rows.row(i, named=True).items()
                if k.startswith(f"{name}.")
            }
            assert decisioning.OUTCOMES[told["outcome"]] == one.outcome
            assert (told["limit_fen"], told["amount_fen"], told["rate_ppm"], told["pd_ppm"]) == (
                one.limit_fen, one.amount_fen, one.rate_ppm, one.pd_ppm,
            )  # fmt: skip
            assert {line.code: decisioning.STATES.index(line.state) for line in one.trace} == {
                rule.code: told[rule.code] for rule in side.policy.rules
            }


def test_counts_are_those_of_the_rows(past: Path, model: bytes, tmp_path: Path) -> None:
    """The result against a plain count over the decisions it wrote."""
    result = json.loads(canonical_json(backtest(job(past, model), tmp_path)))
    rows = pl.concat(
        [pl.read_ipc(f.read_bytes()) for f in sorted((tmp_path / "chunks").iterdir())], how="vertical_relaxed"
    )
    yes = {side: rows[f"{side}.outcome"] == 3 for side in "ab"}
    sets = {"both": yes["a"] & yes["b"], "a_only": yes["a"] & ~yes["b"], "b_only": ~yes["a"] & yes["b"]}
    assert result["swap_sets"]["b_only"]["n"] > 0
    for name, chosen in sets.items():
        told, part = result["swap_sets"][name], rows.filter(chosen)
        assert (told["n"], told["bad"]) == (len(part), part["bad"].sum())
    for side in "ab":
        approved = rows.filter(yes[side])
        assert result[side]["realised_fen"][0] == approved[f"{side}.realised_fen"].sum()
        assert result[side]["approved"] == len(approved) == sum(r[side]["approved"] for r in result["months"])
        for found in (*result["groups"].values(),):
            assert sum(row[side]["approved"] for row in found["rows"]) == len(approved)
        for rule in result[side]["rules"]:
            assert rule["true"] == (rows[f"{side}.{rule['code']}"] == 1).sum()
        low, high = result[side]["bad_rate"][1:]
        assert low < approved["bad"].mean() < high
    assert "realised profit" in report(result, [("甲", "a < b & c")]) and "a &lt; b &amp; c" in report(
        result, [("甲", "a < b & c")]
    )


def test_the_future_does_not_count(tmp_path: Path) -> None:
    """Events after an application, planted in every table, change no decision; they are counted as left out."""
    clean = [application(seed, days=100) for seed in range(40)]
    planted = [dict(row) for row in clean]
    for row in planted:
        for table in decisioning.TABLES:
            columns = [name for name in row if name.startswith(f"{table}.")]
            for name in columns:
                add = row["at"] + 5 * DAY if name.endswith(".at") else 0
                row[name] = [*row[name], add]
        accounts = row["bureau_account.at"]
        closed, settled = (
            list(row["bureau_account.closed"]),
            decisioning.TABLES["bureau_account"].columns["state"].values.index("settled"),
        )
        if accounts[:-1] and closed[0] == 0:  # settled a week later: on that day it was still open
            row["bureau_account.closed"] = [row["at"] + 7 * DAY, *closed[1:]]
            row["bureau_account.state"] = [settled, *row["bureau_account.state"][1:]]
    results = [
        backtest(job(write(rows, tmp_path / f"{name}.parquet")), tmp_path / name)
        for name, rows in (("clean", clean), ("planted", planted))
    ]
    assert [r["later_events"] for r in results] == [
        0,
        pytest.approx(40 * (len(decisioning.TABLES) + 1), abs=40),
    ]
    for part in ("a", "b", "moves", "swap_sets"):
        assert results[0][part] == results[1][part]


def test_cached_features_decide_the_same(past: Path, model: bytes, tmp_path: Path) -> None:
    """A rule change over kept features, one that reads more than is kept, and features that differ between the two."""
    cache = tmp_path / "cache"
    backtest(job(past, model, cache=cache), tmp_path / "first")
    made = {f: f.stat().st_mtime_ns for f in cache.rglob("*.arrow")}
    changed = LOOSER.replace("bank_proceeds_count_90d >= 3", "bank_proceeds_count_90d >= 2")
    wider = changed.replace("bank_proceeds_count_90d >= 2", "bank_proceeds_count_180d >= 2")
    for name, b in (("changed", changed), ("wider", wider), ("other", OTHER_FEATURES)):
        kept = backtest(job(past, model, b, cache=cache), tmp_path / name)
        fresh = backtest(job(past, model, b), tmp_path / f"{name}-fresh")
        assert canonical_json(kept) == canonical_json(fresh)
        if name == "changed":
            assert {f: f.stat().st_mtime_ns for f in cache.rglob("*.arrow")} == made
    some = next(cache.rglob("*.arrow"))
    some.write_bytes(some.read_bytes()[:-40])  # damaged on disk: not believed
    again = backtest(job(past, model, changed, cache=cache), tmp_path / "again")
    assert canonical_json(again) == (tmp_path / "changed" / "result.json").read_bytes()


def test_killed_and_resumed(past: Path, model: bytes, tmp_path: Path) -> None:
    """kill -9 in the middle, a half-written file, a damaged chunk: the result is that of an undisturbed run, byte for byte."""
    whole = backtest(job(past, model, chunk_rows=8), tmp_path / "whole")
    (tmp_path / "b.toml").write_text(LOOSER, encoding="utf-8")
    (tmp_path / "m.model").write_bytes(model)
    script = (
        "import sys; from pathlib import Path; from tests.backtesting import test_backtest as t;"
        "w = Path(sys.argv[1]); t.backtest(t.job(Path(sys.argv[2]), (w / 'm.model').read_bytes(), chunk_rows=8), w / 'out', resume=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(past)], cwd=Path(__file__).parents[2]
    )
    out = tmp_path / "out" / "chunks"
    end = time.monotonic() + 60
    while time.monotonic() < end and (not out.exists() or len(list(out.glob("*.arrow"))) < 5):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sorted(out.glob("*.arrow"))
    assert 5 <= len(done) < 27
    done[1].write_bytes(done[1].read_bytes()[:100])
    (out / "000020-0123456789abcdef.part").write_bytes(b"half")
    seen: list[int] = []
    resumed = backtest(
        job(past, model, chunk_rows=8), tmp_path / "out", resume=True, progress=lambda n, _: seen.append(n)
    )
    assert seen[0] == len(done) and canonical_json(resumed) == canonical_json(whole)
    assert {n: b for n, b in chunks(tmp_path / "out").items() if n.endswith(".arrow")} == chunks(
        tmp_path / "whole"
    )
    with pytest.raises(BacktestStopped, match="another back-test"):
        backtest(job(past, None, chunk_rows=8), tmp_path / "out", resume=True)
    refused = tmp_path / "refused"  # nothing was computed there: its place is free
    refused.mkdir()
    (refused / "job.json").write_bytes(job(past, None, chunk_rows=8).identity)
    assert canonical_json(backtest(job(past, model, chunk_rows=8), refused)) == canonical_json(whole)


def test_processes_and_dask_give_the_same(past: Path, model: bytes, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    alone = backtest(job(past, model), tmp_path / "alone")
    beside = backtest(job(past, model), tmp_path / "beside", workers=2)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        spread = backtest(job(past, model), tmp_path / "spread", executor=client.get_executor())
    assert canonical_json(alone) == canonical_json(beside) == canonical_json(spread)
    assert chunks(tmp_path / "alone") == chunks(tmp_path / "beside") == chunks(tmp_path / "spread")


def test_rows_in_chunks_of_any_size(past: Path, model: bytes, tmp_path: Path) -> None:
    results = [backtest(job(past, model, chunk_rows=n), tmp_path / str(n)) for n in (50, 1000)]
    for result in results:
        result.pop("job")  # type: ignore[attr-defined]
    assert canonical_json(results[0]) == canonical_json(results[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("at"), "no column 'at'"),
        (lambda f: f.drop("bank_flow.amount_fen"), "no column 'bank_flow.amount_fen'"),
        (lambda f: f.with_columns(amount_fen=pl.lit("much")), "'amount_fen' is String, not whole numbers"),
        (lambda f: f.with_columns(pl.lit(1.5).alias("fact.age")), "'fact.age' is Float64"),
        (lambda f: f.with_columns(pl.col("outcome_bad").cast(pl.Float64)), "convert_dtypes()"),
        (lambda f: f.with_columns(pl.lit(1.5).alias("bank_flow.amount_fen")), "not a list of whole numbers"),
        (lambda f: f.head(0), "has no rows"),
        (lambda f: f.with_columns(pl.lit(999).alias("fact.age")), "application t-0: fact.age is 999: known are whole numbers from 0 to 130"),
        (lambda f: f.with_columns(purpose=pl.lit("yacht")), "purpose 'yacht' is not one of"),
        (lambda f: f.with_columns(amount_fen=pl.lit(0)), "request.amount_fen is 0"),
        (lambda f: f.with_columns(outcome_bad=pl.lit(2)), "outcome_bad is 2"),
        (lambda f: f.with_columns(instalments=pl.lit(None, pl.Int64)), "instalments is null"),
        (lambda f: f.with_columns(pl.col("bank_flow.kind").list.head(1)), "bank_flow.kind has 1 values"),
        (lambda f: f.with_columns(missing=pl.lit(["moon"])), "missing names 'moon'"),
        (lambda f: f.with_columns(at=pl.lit(2**62)), "at is 4611686018427387904: give epoch seconds"),
        (lambda f: f.with_columns(amount_fen=pl.lit(2**63, pl.UInt64)), "amount_fen is 9223372036854775808"),
        (lambda f: f.with_columns(sex=pl.lit([1])), "by which nothing can be cut"),
        (lambda f: f.rename({"fact.bureau_score": "fact.bureau_scor"}), "'fact.bureau_scor' is not known (nearest: 'fact.bureau_score')"),
        (lambda f: f.with_columns(application_id=pl.when(pl.int_range(8) != 5).then("application_id")), "application_id is null in row 5"),
        (lambda f: f.with_columns(pl.lit(None, pl.List(pl.Int64)).alias("bank_flow.at")), "bank_flow.at is null"),
        (lambda f: f.with_columns(missing=pl.lit(["bank"])), "`missing` names its source bank"),
        (lambda f: f.with_columns(pl.lit([10**11] * 11).alias(c) for c in f.columns if c.startswith("bank_flow.am")).with_columns(pl.lit([0] * 11).alias(c) for c in f.columns if c.startswith("bank_flow.") and c != "bank_flow.amount_fen"), "adds up to more than"),
        (lambda f: f.with_columns(pl.lit([0] * 100_001, pl.List(pl.Int64)).alias(c) for c in f.columns if c.startswith("bank_flow.")), "bank_flow has 100,001 events"),
        (lambda f: f.with_columns(pl.col("bureau_account.closed").list.eval(pl.lit(1))), "closed is before its opening"),
        (lambda f: f.with_columns(pl.col("bank_flow.counterparty").list.eval(pl.lit(2**64 - 1, pl.UInt64))), "counterparty is 18446744073709551615"),
        (lambda f: f.with_columns(pl.lit(7).alias("given.on_list.fraud_person")), "given.on_list.fraud_person is 7"),
    ],
)  # fmt: skip
def test_what_is_refused(change, message: str, tmp_path: Path) -> None:
    path = write(applications(8), tmp_path / "some.parquet")
    change(pl.read_parquet(path)).write_parquet(path)
    with pytest.raises(ApplicationsInvalid) as refused:
        backtest(job(path), tmp_path / "out")
    assert message in str(refused.value)


def test_a_file_that_is_none_or_is_damaged_is_told(tmp_path: Path) -> None:
    path = write(applications(300), tmp_path / "some[1].parquet")
    assert Applications.open(path).rows == 300  # brackets in a name are no pattern
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    (tmp_path / "past.csv").write_text("application_id,at\n1,2\n")
    for wrong, message in (
        (tmp_path, "it is a folder"),
        (tmp_path / "past.csv", "a CSV"),
        (tmp_path / "*", "cannot be read"),
    ):
        with pytest.raises(ApplicationsInvalid, match=message):
            Applications.open(wrong)
    with pytest.raises(ApplicationsInvalid, match="damaged"):
        backtest(job(path), tmp_path / "out")


def test_applications_older_than_the_law_are_told(tmp_path: Path) -> None:
    work = replace(job(write(applications(8), tmp_path / "x.parquet")), law=Law(((AS_OF - 100 * DAY, LAW),)))
    result = json.loads(canonical_json(backtest(work, tmp_path / "out")))
    older = int((pl.read_parquet(tmp_path / "x.parquet")["at"] < AS_OF - 100 * DAY).sum())
    assert result["before_law"] == older > 0 and result["inputs"]["law_from"] == "2025-08-17"
    assert f"{older} applications are older than 2025-08-17" in report(result)


def test_what_a_file_does_not_hold_is_told(tmp_path: Path) -> None:
    """A fact and a source without a column, ids that stand twice, people who are not named: decided, and said."""
    path = write(applications(8) * 2, tmp_path / "some.parquet")
    frame = pl.read_parquet(path)
    shops = [c for c in frame.columns if c.startswith(("shop_", "fact.shop_"))]
    frame.drop("fact.age", *shops).with_columns(pl.lit(None, pl.String).alias("person")).write_parquet(path)
    result = json.loads(canonical_json(backtest(job(path), tmp_path / "out")))
    assert result["inputs"]["applications"]["absent"] == ["shop", "fact.age"] and result["repeated_ids"] == 8
    page = report(result)
    assert (
        "Not in the file, so missing for everybody: shop, fact.age." in page
        and "8 applications bear an id" in page
    )


@pytest.mark.parametrize(("bad", "caution"), [(None, "no_outcomes"), (0, "one_class"), (1, "one_class")])
def test_outcomes_that_tell_little(bad: int | None, caution: str, tmp_path: Path) -> None:
    rows = [row | {"outcome_bad": bad, "outcome_loss_fen": None} for row in applications(60)]
    result = json.loads(canonical_json(backtest(job(write(rows, tmp_path / "x.parquet")), tmp_path / "out")))
    assert caution in result["cautions"] and result["known"] == (0 if bad is None else 60)
    assert result["a"]["auc"] is None
    assert "<svg" in report(result)


def test_refused_people_of_then_are_not_known(model: bytes, tmp_path: Path) -> None:
    """Outcomes of those whom A approves only: what B adds is guessed with bounds, and said to be."""
    rows = applications(200)
    path = write(rows, tmp_path / "x.parquet")
    work = job(path, model)
    backtest(work, tmp_path / "full")
    told = pl.concat(
        [pl.read_ipc(f.read_bytes()) for f in sorted((tmp_path / "full" / "chunks").iterdir())],
        how="vertical_relaxed",
    )
    approved = dict(zip(told["id"], told["a.outcome"] == 3, strict=True))
    kept = [row | ({} if approved[row["application_id"]] else {"outcome_bad": None}) for row in rows]
    result = json.loads(
        canonical_json(backtest(job(write(kept, tmp_path / "y.parquet"), model), tmp_path / "part"))
    )
    assert {"unknown_b_only", "rejects_unknown"} <= set(result["cautions"])
    low, high = result["b"]["bad_rate_bounds"]
    assert low < result["b"]["bad_rate_with_pd"] < high
    assert result["a"]["bad_rate_bounds"][0] == result["a"]["bad_rate_bounds"][1]


def test_lists_of_then_are_handed_on(tmp_path: Path) -> None:
    """A column `given.<name>` reaches the rules: who stood on a list is declined, in columns as in `decide`."""
    rows = [row | {"given.on_list.fraud_person": i % 2 == 0} for i, row in enumerate(applications(16))]
    backtest(job(write(rows, tmp_path / "x.parquet"), chunk_rows=1), tmp_path / "out")
    told = pl.concat(
        [pl.read_ipc(f.read_bytes()) for f in sorted((tmp_path / "out" / "chunks").iterdir())],
        how="vertical_relaxed",
    )
    assert (
        told["a.ON_FRAUD_LIST"].to_list() == [1, 2] * 8
    )  # true; not evaluated, because the other list is not known
    assert set(told["a.outcome"][::2]) == {0}


def test_a_rule_that_reads_the_day_speaks_on_its_day(tmp_path: Path) -> None:
    """`today` is the lender's day of the application: the last minutes of a day in UTC are the next one there."""
    rows = [application(1), application(2), application(3)]
    midnight = (AS_OF // DAY) * DAY - 8 * 3600  # 00:00 at UTC+8
    for row, at in zip(rows, (midnight - 1, midnight, midnight + DAY), strict=True):
        row |= {"at": at}
    rule = SOURCE + (
        f'\n[[rule]]\ncode = "NOT_TODAY"\nstage = "credit"\nwhen = "today == {AS_OF // DAY}"\nthen = "decline"\n'
        'if_missing = "skip"\nzh = "今日不批"\nen = "not today"\nchange_zh = "无"\nchange_en = "none"\nnote = "A test."\n'
    )
    result: Any = backtest(job(write(rows, tmp_path / "day.parquet"), b=rule), tmp_path / "out")
    told = next(r for r in result["b"]["rules"] if r["code"] == "NOT_TODAY")
    assert told["spoke"] == 1, told


@pytest.mark.parametrize("wrong", [{"lgd_ppm": -1}, {"funding_ppm": 10**20}, {"cost_fen": 10**10}])
def test_what_a_loan_cannot_cost(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="give a whole number from 0"):
        Economics(**wrong)


def test_money_is_counted_by_hand() -> None:
    amount, rate, months = np.array([1_200_000, 0]), np.array([180_000, 0]), np.array([12, 12])
    e = Economics(funding_ppm=30_000, lgd_ppm=500_000, cost_fen=5_000)
    # CNY 12,000 at 15 % over funding on 13/24 of a year's principal = CNY 975
    assert e.expected(amount, rate, months, np.array([100_000, 0])).tolist() == [
        97_500 * 9 // 10 - 60_000 - 5_000,
        0,
    ]
    lost = e.lost(amount, np.array([2_400_000, 1]), np.array([600_000, -1]))
    assert lost.tolist() == [300_000, 0]
    for bad, profit in ((False, 92_500), (True, -305_000)):
        assert e.realised(amount, rate, months, np.array([bad, bad]), lost).tolist() == [profit, 0]
