"""A short seeded run of the simulator, and the proof that its auditor can fail: planted defects are found and named."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.db import transaction

from tests.conftest import superuser_dsn
from tests.portfolio import happen, on_day, open_loan, terms
from tests.simulation import auditor, minimise, simulator
from tests.simulation.lender import Lender, leave
from tests.worlds import World
from timelyrain.cli import main
from timelyrain.contract import Event, EventType, Terms, replay
from timelyrain.ledger import chart
from timelyrain.ledger.services import Line
from timelyrain.runtime import clock
from timelyrain.runtime.models import Saga
from timelyrain.servicing import errors, queries, services
from timelyrain.servicing.models import Repayment

FOUND = sorted((Path(__file__).parent / "found").glob("*.json"))


def test_seeded_lives_show_no_difference():
    summary, failure = simulator.run(seed=20261121, loans=150, years=3)
    assert failure is None, f"loan {failure.life.number}: {failure.differences[:5]}"
    assert summary.loans == 150 and summary.looks == 450
    assert {str(kind) for kind in EventType} - summary.events.keys() <= {"SETTLED"}
    assert summary.back_dated > 50 and summary.ends.keys() >= {"ACTIVE", "OVERDUE", "SETTLED"}


def test_a_seed_is_the_same_years_again():
    one, other = simulator.draw_life(3, 17, 2), simulator.draw_life(3, 17, 2)
    assert one == other and one != simulator.draw_life(4, 17, 2)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path):
    story = json.loads(path.read_text())
    events = tuple(Event.from_json(event) for event in story["events"])
    until, parts = date.fromisoformat(story["as_of"]), simulator.parts_of(story)
    life = simulator.Life(0, Terms.from_json(story["terms"]), events, until, parts)
    assert simulator.audit(life) == ()


def test_one_fen_in_one_line_is_found_and_told_with_a_minimal_history(tmp_path, capsys):
    """Every posting that credits penalty income gives a fen of it to interest income."""

    def spoil(life: simulator.Life, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        if not any(line.code == chart.PENALTY_INCOME and line.amount_fen < -1 for line in lines):
            return lines
        moved = {chart.PENALTY_INCOME: 1, chart.INTEREST_INCOME: -1}
        return tuple(replace(line, amount_fen=line.amount_fen + moved.get(line.code, 0)) for line in lines)

    summary, failure = simulator.run(seed=1, loans=100, years=2, spoil=spoil)
    assert failure is not None and summary.loans < 100
    assert any(chart.PENALTY_INCOME in text for text in failure.differences)
    small = minimise.shrink(failure.life, lambda life: bool(simulator.audit(life, spoil)))
    assert simulator.audit(small, spoil) and not simulator.audit(small)
    assert len(small.events) <= 2 < len(failure.life.events)
    story = small.to_json()
    assert replay(story["terms"], story["events"], story["as_of"])["totals"]["penalty_accrued_fen"] > 1
    signed, events = tmp_path / "terms.json", tmp_path / "events.json"
    signed.write_text(json.dumps(story["terms"]))
    events.write_text(json.dumps(story["events"]))
    assert main(["contract", "replay", str(signed), str(events), "--as-of", story["as_of"]]) == 0
    assert json.loads(capsys.readouterr().out)["terms_sha256"] == small.terms.sha256()


def test_a_rule_that_the_fold_breaks_is_found(monkeypatch):
    """A fold that forgets the days of grace, in the process of this test alone."""
    from timelyrain.contract.loan import Loan

    true = Loan.overdue_fen_days

    def without_grace(loan, row, on):
        loan.late_after = loan.late_after * 0
        return true(loan, row, on)

    monkeypatch.setattr(Loan, "overdue_fen_days", without_grace)
    _, failure = simulator.run(seed=1, loans=100, years=2)
    assert failure is not None and any("penalty accrued" in text for text in failure.differences)
    small = minimise.shrink(failure.life, lambda life: bool(simulator.audit(life)))
    assert len(small.events) <= 2


def test_an_unbalanced_or_strange_posting_is_named():
    life, _ = simulator.draw_life(1, 0, 1)
    posting = auditor.Posting(
        life.until, life.id, (Line(chart.BANK, 5), Line(chart.CAPITAL, -4, owner=simulator.UUID(int=99)))
    )
    assert len(auditor.unsound([posting])) == 2


# -- in the database ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("platform")
def test_money_on_its_way_while_the_loan_is_charged_off_is_recovered():
    loan, on = open_loan(502, terms(), date(2041, 1, 10)), date(2041, 8, 1)
    with on_day(on):
        coming = {"shard": 502, "id": uuid4(), "loan": loan, "kind": "due", "amount_fen": 5_000}
        repayment = Repayment.objects.create(**coming, requested_at=clock.now())
        happen(loan, EventType.CHARGED_OFF, on, 0)
    with on_day(on, 2), transaction.atomic():
        state = services.book_repayment(repayment, on)
    assert state.totals.recovered_fen == 5_000 and queries.proof(502, loan.id).equal
    leave([502])


@pytest.mark.usefixtures("platform")
def test_a_loan_whose_surplus_covers_all_asks_for_no_payment():
    loan, on = open_loan(503, terms(), date(2041, 1, 10)), date(2041, 1, 20)
    with on_day(on):
        happen(loan, EventType.REPAID, on, 2_000_000)
        with pytest.raises(errors.AmountWrong, match="surplus of 2000000 fen covers"):
            services.request_repayment(loan, "full", uuid4(), automatic=True)
    assert not Repayment.objects.filter(shard=503).exists()
    leave([503])


@pytest.fixture
def lender(world: World) -> Iterator[Lender]:
    """Some loans of a lender in a shard of its own; no saga of an earlier test is carried along."""
    Saga.objects.filter(status__in=["ready", "unknown"]).update(status="dead", claimed_by=None)
    yield Lender(world, 20261121, 501, date(2041, 1, 10), loans=10, payers=3)
    leave([501])


def test_a_lender_in_the_database_dies_and_goes_on(lender: Lender):
    found = lender.walk(days=120, kills=2)
    assert found == []
    told = lender.report
    assert sum(told.kills.values()) == 2 and told.audits >= 4 and told.stood_still > 3
    assert told.repayments["booked"] and told.repayments["refused"]
    assert (
        sum(told.events.values()) > 15
    )  # 10 are the disbursements; the moment of a kill moves the others a little
    _an_entry_altered_behind_the_platforms_back_is_found(lender)


def _an_entry_altered_behind_the_platforms_back_is_found(lender: Lender) -> None:
    where = (
        "WHERE e.shard = %s AND e.account_id = (SELECT account_id FROM ledger_entry x JOIN ledger_account a ON a.shard = x.shard"
        " AND a.id = x.account_id WHERE x.shard = e.shard AND a.code = %s ORDER BY x.transfer_id LIMIT 1)"
        " AND e.transfer_id = (SELECT min(y.transfer_id::text)::uuid FROM ledger_entry y WHERE y.shard = e.shard"
        " AND y.account_id = e.account_id)"
    )
    values = [lender.shard, chart.LOAN_PRINCIPAL]
    with psycopg.connect(superuser_dsn(), autocommit=True) as db:
        db.execute("SET session_replication_role = replica")
        assert (
            db.execute(f"UPDATE ledger_entry e SET amount_fen = amount_fen + 1 {where}", values).rowcount == 1
        )
        found = Counter(text.split("'")[1] if "'" in text else text for text in lender.audit())
        assert "kept balance is not the sum of the entries" in found
        assert any("trial balance of shard 501 is 1 fen out" in text for text in found)
        db.execute(f"UPDATE ledger_entry e SET amount_fen = amount_fen - 1 {where}", values)
    assert lender.audit() == []
