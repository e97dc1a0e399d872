"""What would change the answer: the least that a person could do for the same policy to approve, found by deciding again.

Only what a person can do is tried (LEVERS); who they are and what has been stays as it is. Each change is written into the
evidence or the request as the sources would report it, and decided by `decide` itself, so what is promised is what happens while
nothing else changes. The draw is one outside any random band: nobody is promised luck.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .compilers import Value
from .decide import Scorer, decide
from .decision import Decision, LawContext, Request
from .evidence import Evidence, Ints
from .language import PPM
from .parts import FORMATS
from .policy import Policy
from .schema import MAX_TOTAL_FEN, TABLES
from .verdicts import Outcome

LEVERS: Mapping[str, tuple[str, str]] = {
    "amount": ("申请金额", "the amount asked for"),
    "term": ("分期期数", "the number of instalments"),
    "overdue": ("结清当前逾期", "pay what is overdue now"),
    "cards": ("信用卡与循环额度的使用率", "use of cards and credit lines"),
    "debts": ("现有贷款的月还款", "instalments of existing loans"),
    "income": ("收入材料", "documents of income"),
}
"""What may be changed. Nothing else is ever tried: no age, no sex, no past."""
MOST = 160
"""Decisions made at most; each takes about as long as the first one."""
SHOWN = 4
NOTHING = (
    "在您可以改变的事项（金额、期数、现有债务、收入材料）之内，没有变化会带来不同的结果。",
    "Nothing you could change (amount, term, existing debt, documents of income) would lead to another answer.",
)
_STEPS = 12
_USES = (80, 60, 50, 30, 10, 0)
_RAISES = (110, 120, 130, 150, 175, 200)
_LOANS = 6
_MONTHS, _QUARTER = 3, 90 * 86_400


@dataclass(frozen=True, eq=False)
class Change:
    """One way to another answer. effort_ppm: how much of what there is has to change; ways are told by it, least first.

    request, evidence: what was decided; outcome, limit_fen, rate_ppm: what came of it. waits_days: before applying again.
    """

    levers: tuple[str, ...]
    zh: str
    en: str
    effort_ppm: int
    waits_days: int
    request: Request
    evidence: Evidence
    outcome: Outcome
    limit_fen: int
    rate_ppm: int


@dataclass(frozen=True, eq=False)
class _Step:
    """One setting of a lever, as a change of what is decided."""

    lever: str
    zh: str
    en: str
    effort_ppm: int
    request: Callable[[Request], Request] = lambda request: request
    evidence: Callable[[Evidence], Evidence] = lambda evidence: evidence
    waits_days: int = 0


def what_would_change(
    policy: Policy,
    evidence: Evidence,
    request: Request,
    scorer: Scorer | None,
    context: LawContext,
    *,
    amounts: Sequence[int],
    terms: Collection[int],
    given: Mapping[str, Value] | None = None,
    snoozed: Collection[str] = (),
) -> tuple[Change, ...]:
    """The ways to an approval, least first, at most one for each lever; pairs, then all together, where no single one is enough.
    Empty where nothing helps, or where the answer is an approval already.

    amounts, terms: what the product offers. Raises what `decide` raises.
    """
    left = MOST

    def ask(steps: Iterable[_Step]) -> tuple[Decision, Request, Evidence] | None:
        """What comes of some steps; None when enough was asked."""
        nonlocal left
        if left <= 0:
            return None
        left -= 1
        asked, shown = request, evidence
        for step in steps:
            asked, shown = step.request(asked), step.evidence(shown)
        return decide(policy, shown, asked, scorer, 0, context, given=given, snoozed=snoozed), asked, shown

    def works(steps: Sequence[_Step]) -> Change | None:
        found = ask(steps)
        if found is None or found[0].outcome is not Outcome.APPROVE:
            return None
        decision, asked, shown = found
        return Change(
            tuple(step.lever for step in steps),
            "，并且".join(step.zh for step in steps),
            ", and ".join(step.en for step in steps),
            sum(step.effort_ppm for step in steps),
            max(step.waits_days for step in steps),
            asked,
            shown,
            decision.outcome,
            decision.limit_fen,
            decision.rate_ppm,
        )

    now = ask(())
    if now is None or now[0].outcome is Outcome.APPROVE:
        return ()
    ladders = _ladders(evidence, request, amounts, terms)
    found = [change for ladder in ladders if (change := _first(works, ladder))]
    if not found:
        pairs = [(a, b) for i, a in enumerate(ladders) for b in ladders[i + 1 :] if a[0].lever != b[0].lever]
        found = [change for a, b in pairs if (change := _together(works, [a, b]))]
    if not found and len({ladder[0].lever for ladder in ladders}) > 2:
        whole = _together(works, list({ladder[0].lever: ladder for ladder in ladders}.values()))
        found = [whole] if whole else []
    least: dict[tuple[str, ...], Change] = {}
    for change in sorted(found, key=lambda c: (c.effort_ppm, c.waits_days)):
        least.setdefault(change.levers, change)
    return tuple(least.values())[:SHOWN]


_Works = Callable[[Sequence[_Step]], Change | None]


def _first(works: _Works, ladder: Sequence[_Step]) -> Change | None:
    """The least step of a ladder that is enough."""
    return next((change for step in ladder if (change := works([step]))), None)


def _together(works: _Works, ladders: Sequence[Sequence[_Step]]) -> Change | None:
    """The last steps of several ladders at once; where they are enough, each in turn is taken back as far as it goes."""
    steps = [ladder[-1] for ladder in ladders]
    best = works(steps)
    if best is None:
        return None
    for i, ladder in enumerate(ladders):
        for step in ladder[:-1]:
            change = works([*steps[:i], step, *steps[i + 1 :]])
            if change:
                best, steps[i] = change, step
                break
    return best


def _ladders(
    evidence: Evidence, request: Request, amounts: Sequence[int], terms: Collection[int]
) -> list[list[_Step]]:
    """For each lever its settings, least effort first; levers that there is nothing of are left out."""
    return [
        ladder
        for ladder in (
            _less(request, amounts),
            _other_terms(request, terms),
            _overdue(evidence),
            _cards(evidence),
            _debts(evidence, 0),
            _debts(evidence, _MONTHS),
            _income(evidence),
        )
        if ladder
    ]


def _less(request: Request, amounts: Sequence[int]) -> list[_Step]:
    """A dozen amounts down to the least that is offered."""
    under = sorted((amount for amount in amounts if amount < request.amount_fen), reverse=True)
    places = sorted({round(i * (len(under) - 1) / (_STEPS - 1)) for i in range(_STEPS)}) if under else []
    return [
        _Step(
            "amount",
            f"申请金额降到 {_yuan(under[i])} 元",
            f"ask for CNY {_yuan(under[i])}",
            PPM - under[i] * PPM // request.amount_fen,
            request=lambda r, amount=under[i]: replace(r, amount_fen=amount),
        )
        for i in places
    ]


def _other_terms(request: Request, terms: Collection[int]) -> list[_Step]:
    others = sorted({*terms} - {request.instalments}, key=lambda n: (abs(n - request.instalments), -n))
    return [
        _Step(
            "term",
            f"分 {n} 期",
            f"take {n} instalments",
            abs(n - request.instalments) * PPM // max(n, request.instalments),
            request=lambda r, n=n: replace(r, instalments=n),
        )
        for n in others
    ]


def _overdue(evidence: Evidence) -> list[_Step]:
    accounts = evidence.tables["bureau_account"]
    late = accounts["state"] == _state("overdue")
    owed = int(accounts["overdue_fen"][late].sum())
    if not late.any():
        return []

    def paid(shown: Evidence) -> Evidence:
        of = shown.tables["bureau_account"]
        return _with_accounts(
            shown,
            state=np.where(late, _state("normal"), of["state"]),
            overdue_fen=np.where(late, 0, of["overdue_fen"]),
            overdue_months=np.where(late, 0, of["overdue_months"]),
        )

    amount = (f"（{_yuan(owed)} 元）", f" (CNY {_yuan(owed)})") if owed else ("", "")
    effort = min(PPM, owed * PPM // max(1, int(accounts["balance_fen"].sum())))
    return [
        _Step("overdue", f"结清当前逾期{amount[0]}", f"pay what is overdue{amount[1]}", effort, evidence=paid)
    ]


def _cards(evidence: Evidence) -> list[_Step]:
    """Balances of cards and credit lines down to a share of their limits."""
    accounts = evidence.tables["bureau_account"]
    open_ = _open(evidence) & (accounts["kind"] != _kind("D1")) & (accounts["limit_fen"] > 0)
    used, limits = int(accounts["balance_fen"][open_].sum()), int(accounts["limit_fen"][open_].sum())
    steps: list[_Step] = []
    for share in _USES:
        most = np.where(open_, np.minimum(accounts["balance_fen"], accounts["limit_fen"] * share // 100), 0)
        repaid = used - int(most.sum())
        if limits and repaid > 0:

            def lowered(shown: Evidence, most: Ints = most) -> Evidence:
                of = shown.tables["bureau_account"]
                balance = np.where(open_, most, of["balance_fen"])
                due = of["monthly_due_fen"] * balance // np.maximum(of["balance_fen"], 1)
                due = np.where(open_ & (of["balance_fen"] > 0), due, of["monthly_due_fen"])
                return _with_accounts(shown, balance_fen=balance, monthly_due_fen=due)

            steps.append(
                _Step(
                    "cards",
                    f"将每张信用卡和循环额度的使用率降到 {share}% 以内（还款 {_yuan(repaid)} 元）",
                    f"use at most {share} % of each card and credit line (repay CNY {_yuan(repaid)})",
                    repaid * PPM // used,
                    evidence=lowered,
                )
            )
    return steps


def _debts(evidence: Evidence, months: int) -> list[_Step]:
    """The smallest loans paid off, one more at a time. months: later, when the account no longer shows their instalments."""
    accounts = evidence.tables["bureau_account"]
    flow = evidence.tables["bank_flow"]
    lately = (flow["kind"] == _flow("loan_repayment")) & (flow["at"] > evidence.as_of - _QUARTER)
    if months and not lately.any():
        return []
    loans = _open(evidence) & (accounts["kind"] == _kind("D1")) & (accounts["monthly_due_fen"] > 0)
    order = np.flatnonzero(loans)[np.argsort(accounts["balance_fen"][loans], kind="stable")]
    due = int(accounts["monthly_due_fen"][_open(evidence)].sum())
    owed = int(accounts["balance_fen"][_open(evidence)].sum())
    steps: list[_Step] = []
    for count in dict.fromkeys([*range(1, min(len(order), _LOANS) + 1), len(order)]):
        if not count:
            continue
        chosen = order[:count]
        repaid = int(accounts["balance_fen"][chosen].sum())
        relieved = int(accounts["monthly_due_fen"][chosen].sum())

        def settled(shown: Evidence, chosen: Ints = chosen, relieved: int = relieved) -> Evidence:
            of = shown.tables["bureau_account"]
            paid = np.isin(np.arange(len(of["at"])), chosen)
            done = _with_accounts(
                shown,
                state=np.where(paid, _state("settled"), of["state"]),
                closed=np.where(paid, shown.as_of, of["closed"]),
                balance_fen=np.where(paid, 0, of["balance_fen"]),
                monthly_due_fen=np.where(paid, 0, of["monthly_due_fen"]),
                overdue_fen=np.where(paid, 0, of["overdue_fen"]),
                overdue_months=np.where(paid, 0, of["overdue_months"]),
            )
            return _repaid_less(done, lately, due - relieved, due) if months else done

        later = (f"，{months} 个月后再申请", f", and apply {months} months later") if months else ("", "")
        steps.append(
            _Step(
                "debts",
                f"结清 {count} 笔贷款（余额 {_yuan(repaid)} 元，每月少还 {_yuan(relieved)} 元）{later[0]}",
                f"pay off {count} loan{'s' * (count > 1)} (CNY {_yuan(repaid)}, CNY {_yuan(relieved)} a month less){later[1]}",
                repaid * PPM // max(owed, 1),
                evidence=settled,
                waits_days=30 * months,
            )
        )
    return steps


def _income(evidence: Evidence) -> list[_Step]:
    """Salary that documents show to be greater; the declaration follows where it was less."""
    flow = evidence.tables["bank_flow"]
    salary = (flow["kind"] == _flow("salary")) & (flow["amount_fen"] > 0)
    half_year = salary & (flow["at"] > evidence.as_of - 2 * _QUARTER)
    monthly = int(flow["amount_fen"][half_year].sum()) // 6
    steps: list[_Step] = []
    for percent in _RAISES if monthly else ():
        more = monthly * percent // 100
        if int(np.abs(flow["amount_fen"]).sum()) * percent // 100 > MAX_TOTAL_FEN:
            break

        def shown_more(shown: Evidence, percent: int = percent, more: int = more) -> Evidence:
            of = shown.tables["bank_flow"]
            amounts = np.where(salary, of["amount_fen"] * percent // 100, of["amount_fen"])
            declared = shown.facts["declared_income_fen"]
            facts = {**shown.facts, "declared_income_fen": None if declared is None else max(declared, more)}
            tables = {**shown.tables, "bank_flow": {**of, "amount_fen": amounts}}
            return replace(shown, facts=facts, tables=tables)

        steps.append(
            _Step(
                "income",
                f"用收入材料证明月收入不低于 {_yuan(more)} 元（流水可见 {_yuan(monthly)} 元）",
                f"show by documents a monthly income of CNY {_yuan(more)} or more (the account shows {_yuan(monthly)})",
                (percent - 100) * PPM // 100,
                evidence=shown_more,
            )
        )
    return steps


def _repaid_less(shown: Evidence, lately: Ints, due: int, before: int) -> Evidence:
    """Instalments of the last 90 days as they will be: in proportion to what is due."""
    of = shown.tables["bank_flow"]
    amounts = np.where(lately, of["amount_fen"] * due // max(before, 1), of["amount_fen"])
    return replace(shown, tables={**shown.tables, "bank_flow": {**of, "amount_fen": amounts}})


def _with_accounts(shown: Evidence, **columns: Ints) -> Evidence:
    whole = {name: np.asarray(values, np.int64) for name, values in columns.items()}
    return replace(
        shown, tables={**shown.tables, "bureau_account": {**shown.tables["bureau_account"], **whole}}
    )


def _open(evidence: Evidence) -> Ints:
    accounts = evidence.tables["bureau_account"]
    gone = [_state(name) for name in ("settled", "closed", "transferred")]
    return (accounts["closed"] == 0) & ~np.isin(accounts["state"], gone)


def _code(table: str, column: str, value: str) -> int:
    return TABLES[table].columns[column].values.index(value)


def _state(value: str) -> int:
    return _code("bureau_account", "state", value)


def _kind(value: str) -> int:
    return _code("bureau_account", "kind", value)


def _flow(value: str) -> int:
    return _code("bank_flow", "kind", value)


_yuan = FORMATS["yuan"]
