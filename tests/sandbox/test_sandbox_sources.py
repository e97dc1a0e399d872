"""The sources of the world: gated by consent, consistent with each other, and true to the past as time goes on."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest

from tests.worlds import World

CHINA = timezone(timedelta(hours=8))


def report(world: World, p: dict[str, str], as_of: str, **more: object) -> dict[str, Any]:
    body = {
        "name": p["name"],
        "id_number": p["id_number"],
        "purpose": "loan_approval",
        "consent_id": "c-1",
    } | more
    return world.post("/bureau/report", as_of=as_of, **body).json()


def flows(world: World, p: dict[str, str], as_of: str, months: int = 12) -> list[list[Any]]:
    body = {"bank_card": p["bank_card"], "name": p["name"], "consent_id": "c-2", "months": months}
    return world.post("/bank/flows", as_of=as_of, **body).json()["rows"]


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("/bureau/report", {"purpose": "loan_approval"}),
        ("/bank/flows", {"months": 12}),
        ("/telecom/bills", {}),
        ("/shop/orders", {}),
        ("/tax/records", {}),
        ("/device/events", {}),
    ],
)
def test_no_consent_no_data(world: World, path: str, extra: dict[str, object]) -> None:
    p = world.person("good")
    body = {k: p[k] for k in ("name", "id_number", "phone", "bank_card")} | extra
    refused = world.post(path, **body)
    assert (refused.status_code, refused.json()["error"]) == (403, "no_consent")
    assert world.post(path, **body, consent_id="c").status_code == 200


def test_the_call_log_counts_who_was_asked_about_whom(world: World) -> None:
    asked, spared = world.person("random", 900), world.person("random", 901)
    report(world, asked, "2026-03-01", consent_id="c-9")
    assert world.calls(target="bureau", id_number=asked["id_number"]) == 1
    assert world.calls(target="bureau", id_number=asked["id_number"], consent_id="c-9") == 1
    assert world.calls(target="bureau", id_number=spared["id_number"]) == 0


def test_the_past_does_not_change_when_time_goes_on(world: World) -> None:
    for seed in range(12):
        p = world.person("random", seed)
        early, late = flows(world, p, "2026-03-10"), flows(world, p, "2026-05-20", months=14)
        known = [r for r in late if r[0] <= early[-1][0]]
        assert known == early
        assert len(late) > len(early)
        old, new = report(world, p, "2026-03-10"), report(world, p, "2026-05-20")
        opened = [a["PD01"]["A"] for a in old["PDA"]]
        still = [a["PD01"]["A"] for a in new["PDA"]]
        assert [a for a in opened if a["opened"] >= "2024-01"] == [
            a for a in still if "2024-01" <= a["opened"] <= "2026-03-10"
        ]
        before = [q for q in new["POQ"] if "2024-06" <= q["PH01"]["on"] <= "2026-03-09"]
        assert before == [q for q in old["POQ"] if "2024-06" <= q["PH01"]["on"] <= "2026-03-09"]


def test_balances_follow_amounts_and_never_go_below_zero(world: World) -> None:
    for profile in ("good", "gambler", "overindebted", "random"):
        rows = flows(world, world.person(profile, 3), "2026-03-10", months=24)
        assert len(rows) > 200
        for before, after in pairwise(rows):
            assert after[2] == before[2] + after[1]
        assert min(r[2] for r in rows) >= 0
        assert [r[0] for r in rows] == sorted(r[0] for r in rows)
        end = datetime(2026, 3, 10, tzinfo=CHINA).timestamp()
        assert rows[-1][0] <= end


def test_a_lender_s_query_shows_in_the_next_day_s_report(world: World) -> None:
    p = world.person("thin", 44)

    def asked(r: dict[str, Any]) -> list[str]:
        return [q["PH01"]["on"] for q in r["POQ"]]

    assert "2026-03-10" not in asked(report(world, p, "2026-03-10"))
    assert asked(report(world, p, "2026-03-11")).count("2026-03-10") == 1


def test_profiles_show_in_the_documents(world: World) -> None:
    def facts(profile: str, seed: int) -> dict[str, float]:
        p = world.person(profile, seed)
        r, rows = report(world, p, "2026-03-15"), flows(world, p, "2026-03-15")
        salary = sum(a for _, a, _, code, _ in rows if code == "SAL")
        bets = -sum(a for _, a, _, code, _ in rows if code == "POS:7995" and a < 0)
        due = sum(a["PD01"]["C"]["due_yuan"] * 100 for a in r["PDA"])
        worst = max(
            (int(s) for a in r["PDA"] for s in a["PD01"]["D"]["states"][-12:] if s.isdigit()), default=0
        )
        return {
            "bets": bets / (salary or 1),
            "burden": due * 12 / (salary or 1),
            "worst": worst,
            "accounts": len(r["PDA"]),
        }

    for seed in range(15):
        good = facts("good", seed)
        assert good["bets"] == 0 and good["burden"] < 0.5 and good["worst"] == 0 and good["accounts"] >= 1
        assert facts("gambler", seed)["bets"] > 0.1
        assert facts("late", seed)["worst"] >= 2
        assert facts("thin", seed)["accounts"] == 0
        assert facts("overindebted", seed)["accounts"] >= 10
    assert sum(facts("overindebted", s)["burden"] for s in range(15)) / 15 > 0.8


def test_salary_debits_and_report_tell_one_story(world: World) -> None:
    """Every instalment paid from the account belongs to an account of the report, and none is invented."""
    p = world.person("overindebted", 2)
    r, rows = report(world, p, "2026-03-28"), flows(world, p, "2026-03-28")
    dues = {a["PD01"]["C"]["due_yuan"] for a in r["PDA"] if a["PD01"]["A"]["account_type"] == "D1"}
    start = datetime(2026, 3, 1, tzinfo=CHINA).timestamp()
    paid = [-a // 100 for ts, a, _, code, _ in rows if code == "LNR" and ts >= start]
    assert len([x for x in paid if x in dues]) >= 3
    assert [r[1] for r in rows if r[3] == "RTN"] == [0] * len([r for r in rows if r[3] == "RTN"])


def test_a_phone_of_somebody_else_is_told_apart(world: World) -> None:
    one, other = world.person("good", 1), world.person("good", 2)

    def ask(who: dict[str, str]) -> dict[str, Any]:
        return world.post(
            "/telecom/bills", phone=one["phone"], id_number=who["id_number"], consent_id="c"
        ).json()

    assert ask(one)["holder_match"] is True
    assert ask(other)["holder_match"] is False
    wrong = world.post(
        "/bank/flows",
        bank_card=one["bank_card"],
        name=other["name"],
        id_number=other["id_number"],
        consent_id="c",
    )
    assert (wrong.status_code, wrong.json()["error"]) == (404, "no_such_person")
