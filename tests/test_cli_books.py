"""The commands of the books, against the books of this test run."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import portfolio
from tests.worlds import World
from timelyrain import cli
from timelyrain.contract import EventType
from timelyrain.ledger import chart
from timelyrain.ledger import services as ledger
from timelyrain.runtime import clock
from timelyrain.servicing import funding, services
from timelyrain.servicing.shares import Part

SHARD = 701
OPENED = date(2026, 1, 5)


@pytest.fixture
def said(platform: World, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command in this process: exit status and what it said, or why it refused."""

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.main(arguments)
        out = capsys.readouterr()
        return code, out.out or out.err

    return run


def test_a_day_is_closed_explained_and_proved(said: Any) -> None:
    loan = portfolio.open_loan(SHARD, portfolio.terms(), OPENED)
    try:
        with portfolio.on_day(OPENED + timedelta(days=40)):
            code, text = said("close-day", "--until", str(OPENED + timedelta(days=3)))
            assert (
                code == 0
                and str(OPENED + timedelta(days=3)) in text
                and str(OPENED + timedelta(days=4)) not in text
            )
            code, text = said("close-day", "--until", "2030-01-01")
            assert code == 2 and "has not begun" in text
            on = str(OPENED + timedelta(days=2))
            code, text = said("explain", str(loan.id), on)
            assert code == 0 and "the day adds" in text and "equal to the books" in text
            code, text = said("explain", str(loan.id), on, "--json", "--language", "zh")
            day = json.loads(text)
            assert code == 0 and day["agrees"] and "当日计" in day["sentences"][0]
            assert said("explain", str(loan.id), "2020-01-01")[0] == 2
            assert said("close-day")[0] == 0
            assert said("close-day") == (0, "nothing to close\n")
    finally:
        portfolio.forget_sagas(SHARD)
    assert services.state_of(loan, OPENED).outstanding_principal_fen == 1_200_000


def test_the_auditor_says_what_differs(said: Any) -> None:
    loan = portfolio.open_loan(SHARD + 1, portfolio.terms(), OPENED)
    with portfolio.on_day(OPENED + timedelta(days=9)):
        portfolio.happen(loan, EventType.REFUNDED, clock.today(), 100, source="goodwill", to="principal")
        assert str(loan.id) not in said("audit", "books")[1]
        lines = (ledger.Line(chart.LOAN_PRINCIPAL, 700, loan.id), ledger.Line(chart.CAPITAL, -700))
        wrong = ledger.Transfer(f"wrong:{loan.id}", "mistake", clock.today(), clock.now(), lines)
        ledger.post(SHARD + 1, [wrong])
        code, text = said("audit", "books")
        assert code == 1 and str(loan.id) in text and "difference(s)" in text
        back = tuple(ledger.Line(line.code, -line.amount_fen, line.owner) for line in lines)
        ledger.post(
            SHARD + 1, [ledger.Transfer(f"right:{loan.id}", "mistake", clock.today(), clock.now(), back)]
        )
        found = json.loads(said("audit", "books", "--json")[1])
        assert not any(str(loan.id) == one["subject"] for one in found["differences"]) and found["loans"] > 0


def test_the_trial_balance_balances(said: Any) -> None:
    code, text = said("trial-balance")
    assert code == 0 and text.endswith("balanced\n") and "Loans to customers" in text
    on = json.loads(said("trial-balance", "--on", "2000-01-01", "--json")[1])
    assert on["balanced"] and all(line["balance_fen"] == 0 for line in on["lines"])


def test_a_statement_file_is_reconciled(said: Any, tmp_path: Path) -> None:
    day, key = date(2019, 5, 6), "0b7f5d0c-1b0e-4a52-9a35-3f7f7c5c0a01"
    lines = (ledger.Line(chart.BANK, 5_000), ledger.Line(chart.RECEIPT_CLEARING, -5_000))
    ledger.post(0, [ledger.Transfer(f"debit:{key}", "debit_confirmed", day, clock.now(), lines)])
    file = tmp_path / "bank.csv"
    try:
        file.write_text(f"direction,key,amount_fen\ndebit,{key},5000\n")
        assert said("reconcile", str(day), "--statement", str(file)) == (
            0,
            f"{day}: 1 matched, 0 missing, 0 surplus, 0 differing\n",
        )
        file.write_text(
            json.dumps({"lines": [{"kind": "debit", "key": key, "amount_fen": 4_000, "status": "succeeded"}]})
        )
        code, text = said("reconcile", str(day), "--statement", str(file))
        assert code == 1 and "differing" in text and "statement 40.00, books 50.00" in text
        file.write_text("direction,key,amount_fen\n")
        found = json.loads(said("reconcile", str(day), "--statement", str(file), "--json")[1])
        assert [one["kind"] for one in found["findings"]] == ["missing"]
        for bad in ("direction,key\ndebit,x\n", "direction,key,amount_fen\nsideways,x,1\n", "{", '["x"]'):
            file.write_text(bad)
            code, text = said("reconcile", str(day), "--statement", str(file))
            assert code == 2 and str(file) in text and "Traceback" not in text
    finally:
        back = tuple(ledger.Line(line.code, -line.amount_fen) for line in lines)
        ledger.post(0, [ledger.Transfer(f"back:{key}", "mistake", day, clock.now(), back)])


@pytest.mark.parametrize("command", ["audit", "explain", "reconcile", "trial-balance", "close-day"])
def test_help_shows_how(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0 and f"  timelyrain {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "bad", [("explain", "x", "2026-01-01"), ("explain", "0" * 32, "soon"), ("reconcile", "31.1.")]
)
def test_bad_arguments_are_named(bad: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(bad)
    assert left.value.code == 2 and "is no" in capsys.readouterr().err


def test_what_stands_with_partners(said: Any) -> None:
    partner = funding.admit("a bank of the command line", OPENED, by="tests")
    funding.agree("command line", OPENED, [Part(partner, 600_000)], by="tests")
    loan = portfolio.open_loan(SHARD + 1, replace(portfolio.terms(), product="command line"), OPENED)
    portfolio.forget_sagas(SHARD + 1)
    code, text = said("partners", "due", "--on", str(OPENED))
    assert code == 0 and re.search(r"a bank of the command line +7,200\.00 +0\.00 +0\.00", text), text
    code, text = said("partners", "due", "--on", str(OPENED), "--json")
    (one,) = (one for one in json.loads(text) if one["partner"] == str(partner))
    assert (code, one["funding_fen"], one["remit_fen"], one["by_loan"]) == (0, 720_000, 0, {}) and loan.id
