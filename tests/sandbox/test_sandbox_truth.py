"""The population keeps to the model that docs/sandbox.md writes down: marginals, rings, what is written, and the truth."""

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from timelyrain import decisioning, policies, risk
from timelyrain.backtesting import Applications, Economics
from timelyrain.sandbox import population
from timelyrain.sandbox.days import CHINA
from timelyrain.sandbox.lives import RING_KINDS, draw_lives
from timelyrain.sandbox.noise import seed_of
from timelyrain.sandbox.people import make_person

UNTIL, MONTHS, N = datetime(2026, 6, 30, tzinfo=CHINA), 30, 16_000
SURE = 4.0
"""Standard errors: a true statement fails in one of fifteen thousand draws, and the seed is fixed."""


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    kept = (
        "at", "outcome_bad", "true_pd", "fraud", "fraud_kind", "fraud_ring", "purpose_text", "employer", "amount_fen",
        "device_event.device", "shop_order.address", "tax_record.employer", "device_event.accounts",
    )  # fmt: skip
    return pl.concat([frame.select(kept) for frame in population.frames(N, 7, UNTIL, MONTHS)])


def far(seen: float, said: float, n: int) -> float:
    """How many standard errors a share lies from what was said."""
    return abs(seen - said) / (said * (1 - said) / n) ** 0.5


def test_traits_are_drawn_as_written():
    n = 20_000
    lives = draw_lives([make_person("random", seed_of(f"trait/{i}")) for i in range(n)])
    z = np.log(lives.income_fen / 720_000)[lives.income_fen > 220_000] / 0.42
    assert abs(np.median(z)) < SURE * 1.25 / n**0.5 and abs(np.std(z) - 1) < 0.03
    for seen, said in (
        (lives.gig, 0.15), (lives.gambling_share > 0, 0.09), (lives.rent_share > 0, 0.65), (lives.online, 0.88),
        (lives.recorded, 0.94), (lives.ring >= 0, 0.012), (lives.thin, 0.10 + 0.9 * 0.012 * 0.7 / 2),
    ):  # fmt: skip
        assert far(float(np.mean(seen)), said, n) < SURE, said
    others = (lives.z_thrift, lives.z_appetite, lives.hidden)
    seen = [float(np.corrcoef(lives.z_discipline, other)[0, 1]) for other in others]
    said = [0.4 / (0.16 + 0.81) ** 0.5, -0.35 / (0.35**2 + 0.81) ** 0.5, 0.0]
    np.testing.assert_allclose(seen, said, atol=SURE / n**0.5)
    assert far(float(lives.careless[lives.ring >= 0].mean()), 0.7, int((lives.ring >= 0).sum())) < SURE
    assert len(RING_KINDS) == 4


def test_the_true_probability_is_that_of_the_outcomes(table: pl.DataFrame):
    """In each tenth of the true probability as many default as it says, within the binomial bounds; and in all, and in rings."""
    known = table.filter(pl.col("outcome_bad").is_not_null()).sort("true_pd")
    pd, bad = known["true_pd"].to_numpy(), known["outcome_bad"].to_numpy()
    assert 0.10 < pd.mean() < 0.13
    for part in [
        np.arange(len(pd)),
        *np.array_split(np.arange(len(pd)), 10),
        np.flatnonzero(known["fraud"].to_numpy()),
    ]:
        spread = (pd[part] * (1 - pd[part])).sum() ** 0.5
        assert abs(bad[part].sum() - pd[part].sum()) < SURE * spread
    assert 0.80 < risk.metrics(bad.astype(np.int64), pd)["auc"] < 0.86


def test_rings_share_what_their_kind_shares_and_come_in_waves(table: pl.DataFrame):
    assert far(table["fraud"].mean(), 0.012, N) < SURE
    assert set(table["fraud_kind"]) == {"", *RING_KINDS}
    honest = table.filter(pl.col("fraud") == 0)
    own = honest["device_event.device"].explode().drop_nulls().n_unique()
    assert (
        honest["device_event.device"].list.unique().explode().drop_nulls().len() == own
    )  # nobody honest shares a key
    shared = {
        "farm": ("device_event.device", 4), "mill": ("tax_record.employer", 1),
    }  # fmt: skip
    for kind, (column, most) in shared.items():
        for _, ring in table.filter(pl.col("fraud_kind") == kind).group_by("fraud_ring"):
            keys = (
                ring[column].list.unique().explode().drop_nulls().value_counts().filter(pl.col("count") > 1)
            )
            assert len(keys) <= most
        every = table.filter(pl.col("fraud_kind") == kind)[column].list.unique().explode().drop_nulls()
        assert every.value_counts().filter(pl.col("count") > 1).height > 5
    for _, ring in table.filter(pl.col("fraud") == 1).group_by("fraud_ring"):
        days = np.sort(ring["at"].to_numpy()) / 86_400
        breaks = np.flatnonzero(np.diff(days) > 7)
        assert len(breaks) <= 1  # at most two waves, a week each
        assert all(np.ptp(wave) <= 7 for wave in np.split(days, breaks + 1))


def test_what_is_written_leans_on_the_lives(table: pl.DataFrame):
    haste = table["purpose_text"].str.contains("急用|今天就要|越快越好|等钱救急")
    pd = table["true_pd"]
    assert pd.filter(haste).mean() > 1.15 * pd.filter(~haste).mean()
    mills = table.filter((pl.col("fraud_kind") == "mill") & pl.col("employer").is_not_null())
    assert mills["employer"].n_unique() < 0.9 * len(mills)


def test_a_price_from_a_learnt_model_earns_what_the_truth_says(tmp_path: Path):
    """Train, calibrate and price on one half; on the other, profit expected by the model, by the truth, and as it turned out."""
    file, n = tmp_path / "past.parquet", 12_000
    population.write_parquet(n, 21, UNTIL, MONTHS, file)
    past = Applications.open(file).read(0, n)
    known = np.flatnonzero(past.outcome >= 0)
    policy = decisioning.Policy.parse(
        policies.load_pack("cn").read("consumer_credit.toml").decode(), activated=True
    )
    features = policy.engine.features([past.evidences[i] for i in known.tolist()])
    names = tuple(sorted(policy.monotone))  # what has a direction is enough for a model, and quick
    matrix = np.column_stack(
        [np.where(features[name].known, features[name].values, np.nan) for name in names]
    )
    bad, truth = past.outcome[known], pl.read_parquet(file)["true_pd"].to_numpy()[known]
    half = np.arange(len(known)) < len(known) // 2
    model = risk.train(matrix[half], bad[half], names, monotone=policy.monotone, threads=1)
    learnt, true, came = model.pds(matrix[~half]), truth[~half], bad[~half].astype(np.bool_)
    sizes, terms, book = np.full(len(came), 1_000_000), np.full(len(came), 12), Economics()
    # the rate that breaks even at the learnt PD and leaves two per cent, within 24 %
    lost = learnt * book.lgd_ppm
    rates = book.funding_ppm + ((lost + book.cost_fen) / (1 - learnt) * 24 / 13).astype(np.int64) + 20_000
    lent = np.where(rates <= 240_000, sizes, 0)
    assert 0.4 < (lent > 0).mean() < 0.95
    by_model, by_truth = (
        book.expected(lent, rates, terms, np.rint(pd * 1e6).astype(np.int64)).astype(np.float64)
        for pd in (learnt, true)
    )
    realised = book.realised(lent, rates, terms, came, book.lost(lent, sizes, np.full(len(came), -1)))
    swing = lent * (rates / 1e6 * 13 / 24 + book.lgd_ppm / 1e6)  # lost by one default: interest, principal
    # what if only the better half by the model were lent to? the same agreement has to hold there
    for part in (lent > 0, (lent > 0) & (learnt <= np.median(learnt[lent > 0]))):
        luck = float(np.sqrt((true * (1 - true) * swing**2)[part].sum()))
        owed = float((true * swing)[part].sum())
        # only luck lies between the truth and what came
        assert abs(realised[part].sum() - by_truth[part].sum()) < SURE * luck < SURE * 0.25 * owed
        # the level was calibrated on four fifths of the training rows, and is known no better than their number of bad
        assert abs(by_model[part].sum() - by_truth[part].sum()) < SURE * owed / (0.8 * bad[half].sum()) ** 0.5
