"""The walk of one borrower, and what is collected on the way.

Everything goes through the public HTTP API or the borrower's own phone and bank (the sandbox). The platform's packages serve only
as a third party would use them: to check the signed contract and to replay it.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from timelyrain.demo.client import ApiClient, Refused
from timelyrain.demo.story import Story
from timelyrain.demo.world import DemoWorld

CHINA = ZoneInfo("Asia/Shanghai")
AMOUNT_FEN, INSTALMENTS, PART_FEN = 1_000_000, 12, 300_000
LATE_DAYS = 12
LAST_CODE = re.compile(r"验证码 (\d{6})")


class WalkFailed(Exception):
    """The walk could not go on; the message says at which step and why."""


class Walk:
    def __init__(self, world: DemoWorld, story: Story, verbose: bool = False) -> None:
        self.world, self.story = world, story
        self.api = ApiClient(world.stack.base_url, verbose)
        self.sandbox = httpx.Client(base_url=world.stack.sandbox_url, timeout=30)
        self.stages: list[dict[str, Any]] = []
        self.found: dict[str, Any] = {}
        self.person: dict[str, str] = {}
        self.checks: dict[str, bool] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """One named step of the walk, timed; a refusal inside it ends the walk with the name of the step."""
        began = time.monotonic()
        try:
            yield
        except Refused as refused:
            raise WalkFailed(f"{name}: {refused}") from refused
        except httpx.HTTPError as error:
            raise WalkFailed(f"{name}: the sandbox does not answer ({error!r})") from error
        milliseconds = (time.monotonic() - began) * 1000
        self.stages.append({"name": name, "ms": round(milliseconds, 1)})
        self.story.stage(name, milliseconds)

    def check(self, name: str, holds: bool) -> None:
        """A promise of the scenario, and whether it was kept."""
        self.checks[name] = bool(holds)
        self.story.check(name, bool(holds))

    def wait_for(self, what: str, look: Callable[[], Any], seconds: float = 60) -> Any:
        """Ask until there is an answer that is not None or False."""
        deadline = time.monotonic() + seconds
        while not (answer := look()):
            if time.monotonic() > deadline:
                raise WalkFailed(f"waited {seconds:.0f} s in vain for {what}")
            time.sleep(0.05)
        return answer

    # -- the world outside

    def _outside(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        told = {"params": body} if method == "GET" else {"json": body}
        deadline = time.monotonic() + 30  # the sandbox may be killed and started again under our feet
        while True:
            try:
                return self.sandbox.request(method, path, **told).raise_for_status()
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.25)

    def outside(self, method: str, path: str, **body: Any) -> Any:
        return self._outside(method, path, body).json()

    def fault(self, target: str, mode: str, **more: Any) -> None:
        self.outside("POST", "/faults", target=target, mode=mode, **more)

    def code_on_phone(self, before: int) -> str:
        """The code in a text that has come since there were `before`; other texts may come beside it."""

        def newest() -> str | None:
            codes = [found[1] for text in self.texts()[before:] if (found := LAST_CODE.search(text["text"]))]
            return codes[-1] if codes else None

        return self.wait_for("a text with a code", newest)

    def texts(self) -> list[dict[str, str]]:
        return self.outside("GET", f"/sms/{self.person['phone']}")["messages"]

    def paid_out(self) -> list[int]:
        """Every pay-out the rail has made to the borrower's card."""
        rows = self.outside("GET", "/calls", target="rail.pay_out")["calls"]
        days = {row["at"][:10] for row in rows} | {
            datetime.now(UTC).date().isoformat(),
            datetime.now(CHINA).date().isoformat(),
        }
        lines = [
            line for day in sorted(days) for line in self.outside("GET", "/rail/statement", on=day)["lines"]
        ]
        return [line["amount_fen"] for line in lines if line["kind"] == "pay_out"]

    # -- the borrower

    def meet(self, profile: str, seed: int) -> None:
        self.person = self.outside("GET", "/people/new", profile=profile, seed=seed)

    def sign_in(self) -> None:
        before = len(self.texts())
        challenge = self.api.post("/codes", phone=self.person["phone"])
        code = self.code_on_phone(before)
        session = self.api.post(
            "/sessions", phone=self.person["phone"], challenge_id=challenge["challenge_id"], code=code
        )
        self.api.token = session["token"]

    def register(self, without: tuple[str, ...] = ()) -> None:
        with self.stage("register"):
            self.sign_in()
        with self.stage("consents"):
            wanted = [c for c in self.api.get("/consents")["consents"] if c["recipient"] not in without]
            given = self.api.post("/consents", texts=[c["sha256"] for c in wanted])["consents"]
            self.found["consents"] = [c for c in given if c["granted"]]
        with self.stage("profile"):
            fields = ("name", "id_number", "id_valid_until", "bank_card")
            self.found["profile"] = self.api.put("/profile", **{name: self.person[name] for name in fields})

    def apply(self) -> dict[str, Any]:
        with self.stage("apply and decide"):
            application = self.api.post(
                "/applications",
                product="instant_consumer",
                amount_fen=AMOUNT_FEN,
                instalments=INSTALMENTS,
                purpose="shopping",
            )
        self.found["application"] = application
        self.found["decision_ms"] = self.stages[-1]["ms"]
        self.story.decision(self.person, application)
        return application

    def until_approved(self) -> None:
        """Register people of a good profile until one is approved: policy decides, not the demonstration."""
        for seed in range(11, 31):
            self.meet("good", seed)
            self.register()
            if self.apply()["state"] == "approved":
                return
            self.story.note("not approved; the next person applies")
        raise WalkFailed("none of twenty people was approved")

    def disclose(self) -> dict[str, Any]:
        offer = self.found["application"]["offer"]
        with self.stage("full-cost disclosure"):
            shown = self.api.post(
                f"/offers/{offer['id']}/disclosures",
                amount_fen=min(AMOUNT_FEN, offer["limit_fen"]),
                instalments=INSTALMENTS,
            )
        self.found["disclosure"] = shown
        self.story.disclosure(shown)
        with self.stage("enforced reading time"):
            try:
                self.api.post(f"/disclosures/{shown['id']}/confirmation", disclosure_sha256=shown["sha256"])
                self.check("a confirmation before the reading time is refused", False)
            except Refused as refused:
                self.check(
                    "a confirmation before the reading time is refused",
                    "reading-time" in refused.problem["type"],
                )
                time.sleep(float(refused.problem["retry_after"]) + 0.1)
            self.api.post(f"/disclosures/{shown['id']}/confirmation", disclosure_sha256=shown["sha256"])
        return shown

    def sign(self) -> str:
        """Sign with the code on the phone; returns the agreement's id. Pay-out goes on in the background."""
        shown = self.found["disclosure"]
        before = len(self.texts())
        with self.stage("signing code"):
            challenge = self.api.post(
                f"/disclosures/{shown['id']}/signing-code", disclosure_sha256=shown["sha256"]
            )
            code = self.code_on_phone(before)
        with self.stage("sign"):
            self.signed_at = time.monotonic()
            agreement = self.api.post(
                f"/disclosures/{shown['id']}/signature",
                disclosure_sha256=shown["sha256"],
                challenge_id=challenge["challenge_id"],
                code=code,
            )
        self.found["agreement"] = agreement
        return agreement["id"]

    def agreement(self) -> dict[str, Any]:
        return self.api.get(f"/agreements/{self.found['agreement']['id']}")

    def until_paid_out(self) -> None:
        with self.stage("contract and pay-out"):

            def arrived() -> Any:
                now = self.agreement()
                if now["saga_status"] in ("refused", "dead"):
                    raise WalkFailed(f"the pay-out ended as {now['saga_status']}: {now['cancelled_because']}")
                return now if now["saga_status"] == "done" else None

            done = self.wait_for("the money", arrived, 90)
        self.found["agreement"] = done
        self.found["pay_out_seconds"] = round(
            (
                datetime.fromisoformat(done["paid_out_at"]) - datetime.fromisoformat(done["signed_at"])
            ).total_seconds(),
            3,
        )
        self.story.paid_out(done, self.found["pay_out_seconds"], self.texts()[-1]["text"])

    def check_contract(self) -> None:
        from timelyrain.agreements.documents import cjk_font, independent_check, verify_contract

        with self.stage("contract verified"):
            pdf = self.api.download(f"/agreements/{self.found['agreement']['id']}/contract.pdf")
            folder = self.world.home / "contracts"
            folder.mkdir(exist_ok=True)
            path = folder / f"{self.found['agreement']['id']}.pdf"
            path.write_bytes(pdf)
            root = self.world.authority_root()
            stamps = self._outside("GET", "/tsa/cert", {}).content
            now = datetime.fromisoformat(self.api.get("/operations/clock")["now"])
            verdict = verify_contract(pdf, [root, stamps], now)
            second = independent_check(pdf, root)
        self.found["contract"] = {
            "pdf": str(path),
            "sha256": hashlib.sha256(pdf).hexdigest(),
            "verified": verdict.valid and (second is None or second.valid),
            "independent": None
            if second is None
            else {"tool": second.tool, "valid": second.valid, "trusted": second.trusted},
            "signatures": [s.subject for s in verdict.signatures],
            "font_warning": cjk_font().warning,
        }
        self.found["terms"] = verdict.terms.decode()
        self.check("the signed contract verifies", verdict.valid)
        if second is not None:
            self.check(f"{second.tool} agrees", second.valid)
        self.check(
            "it carries the terms that were disclosed",
            verdict.terms.decode() == _canonical(self.found["disclosure"]["terms"]),
        )
        self.story.contract(self.found["contract"], verdict.problems)

    # -- the years

    @property
    def loan_path(self) -> str:
        return f"/loans/{self.found['agreement']['loan_id']}"

    def loan(self) -> dict[str, Any]:
        return self.api.get(self.loan_path)["state"]

    def bank(self, act: str, amount_fen: int | None = None) -> None:
        body = {} if amount_fen is None else {"amount_fen": amount_fen}
        self.outside("POST", f"/rail/accounts/{self.person['bank_card']}/{act}", **body)

    def move_to(self, day: date) -> None:
        """Move the world to nine in the morning of a day and wait until its business days have run."""
        moment = datetime(day.year, day.month, day.day, 9, tzinfo=CHINA)
        self.api.post("/operations/clock", to=moment.isoformat())
        self.wait_for(
            f"the business day {day}",
            lambda: (self.api.get("/operations/clock")["days_run_up_to"] or "") >= day.isoformat(),
            120,
        )
        self.sign_in()  # the session of then has ended

    def settled_repayments(self) -> list[dict[str, Any]]:
        """All repayments, once none is on its way."""

        def look() -> Any:
            rows = self.api.get(f"{self.loan_path}/repayments")["repayments"]
            return rows if rows and all(row["state"] != "pending" for row in rows) else None

        return self.wait_for("the repayment", look)

    def repay(self, **wish: Any) -> dict[str, Any]:
        made = self.api.post(f"{self.loan_path}/repayments", **wish)
        return next(row for row in self.settled_repayments() if row["id"] == made["id"])

    def live(self) -> None:
        """First instalment debited, one paid early in part, one missed and cured, the rest prepaid."""
        state = self.loan()
        first, second = (date.fromisoformat(row["due_on"]) for row in state["instalments"][:2])
        self.bank("deposit", 5_000_000)
        with self.stage("first instalment debited"):
            self.move_to(first)
            debit = self.settled_repayments()[0]
            state = self.loan()
        self.check(
            "the first instalment was debited on its due day",
            debit["automatic"] and debit["state"] == "booked",
        )
        self.story.loan(f"{first}: instalment 1 debited", state, debit["amount_fen"])

        with self.stage("early repayment in part"):
            self.move_to(first + timedelta(days=10))
            before, paid = self.loan(), self.repay(kind="part", amount_fen=PART_FEN, mode="keep_term")
            state = self.loan()
        lower = state["instalments"][2]["principal_due_fen"] < before["instalments"][2]["principal_due_fen"]
        self.check("the early payment lowers the later instalments", paid["state"] == "booked" and lower)
        self.story.loan(f"{first + timedelta(days=10)}: {PART_FEN / 100:,.2f} paid early", state, PART_FEN)

        self.bank("withdraw")
        with self.stage("an instalment missed"):
            self.move_to(second)
            missed = self.settled_repayments()[0]
            self.move_to(second + timedelta(days=LATE_DAYS))
            state = self.loan()
        self.check("an empty account refuses the debit", missed["state"] == "refused")
        self.check(
            f"the loan is overdue by {LATE_DAYS} days",
            state["status"] == "OVERDUE" and state["dpd"] == LATE_DAYS,
        )
        penalty = state["totals"]["penalty_accrued_fen"]
        self.check("penalty interest runs, under the cap", 0 < penalty <= self._cap_on_overdue(state))
        self.story.loan(
            f"{second + timedelta(days=LATE_DAYS)}: overdue, penalty {penalty / 100:.2f}", state, 0
        )

        self.bank("deposit", 5_000_000)
        with self.stage("cured"):
            due = self.loan()["amount_due_fen"]
            self.repay(kind="due")
            state = self.loan()
        self.check(
            "paying what is due cures the loan", state["status"] == "ACTIVE" and state["amount_due_fen"] == 0
        )
        self.story.loan("cured with the penalty", state, due)

        with self.stage("the rest prepaid"):
            self.move_to(second + timedelta(days=LATE_DAYS + 7))
            payoff = self.loan()["payoff_fen"]
            self.repay(kind="full", amount_fen=payoff)
            state = self.loan()
        self.check(
            "the loan settles at exactly zero", state["status"] == "SETTLED" and state["payoff_fen"] == 0
        )
        self.story.loan("settled", state, payoff)

    def _cap_on_overdue(self, state: dict[str, Any]) -> int:
        """The most that the cap allows on what is overdue, for the days it has been."""
        overdue = sum(
            row["principal_due_fen"] - row["principal_paid_fen"]
            for row in state["instalments"]
            if date.fromisoformat(row["due_on"]) < date.fromisoformat(state["as_of"])
        )
        return overdue * self.found["disclosure"]["terms"]["cap_ppm"] * state["dpd"] // (365 * 1_000_000)

    # -- the proof

    def prove(self) -> None:
        from timelyrain.contract import replay

        with self.stage("books and proof"):
            self.api.basic = self.world.login("operations")
            balance = self.api.get("/operations/trial-balance")
            self.found["ledger"] = balance
            decision_id = self.found["application"]["decision_id"]
            again = self.api.post(f"/operations/decisions/{decision_id}/replay")
            self.found["decision"] = self.api.get(f"/operations/decisions/{decision_id}")
            equal = again["equal"]
            self.check("the trial balance balances", balance["balanced"])
            self.check("the decision replays byte for byte", again["equal"])
            if "terms" in self.found:
                events = self.api.get(f"{self.loan_path}/events")["events"]
                state = self.loan()
                mine = replay(self.found["terms"], events, state["as_of"])
                same = mine["totals"] == state["totals"] and mine["instalments"] == state["instalments"]
                self.check("the terms from the PDF and the events replay to the same balances", same)
                proof = self.api.get(
                    f"/operations/loans/{self._shard()}/{self.found['agreement']['loan_id']}/proof"
                )
                self.check("the ledger holds what the replay says", proof["equal"])
                equal = equal and same and proof["equal"]
                self.found["loan"] = state
                self.found["proof"] = proof
            log = self.api.get("/operations/audit/check")
            self.check("the audit log is unchanged", not log["problems"])
            self.found["replay"] = {"equal": equal, "audit_root": log["root"], "acts": log["size"]}
        self.story.books(balance, self.found.get("proof"), self.found["replay"])

    def _shard(self) -> int:
        return int(self.api.token.partition(".")[0])

    def holds(self, result: dict[str, Any]) -> bool:
        return all(result["checks"].values())

    def result(self) -> dict[str, Any]:
        """Everything as one JSON object; what a scenario does not reach is null."""
        application, agreement = self.found.get("application", {}), self.found.get("agreement")
        offer, shown, state = application.get("offer"), self.found.get("disclosure"), self.found.get("loan")
        ledger = self.found.get("ledger", {})
        record = self.found.get("decision", {}).get("record", {})
        return {
            "decision": {
                "outcome": application.get("state"),
                "reasons": application.get("reasons"),
                "latency_ms": self.found.get("decision_ms"),
                "compute_ms": (application.get("decision_microseconds") or 0) / 1000,
                "features": self.found.get("decision", {}).get("features"),
                "pd_ppm": record.get("outputs", {}).get("pd_ppm"),
                "record_sha256": self.found.get("decision", {}).get("record_sha256"),
            },
            "offer": offer
            and {
                "amount_fen": shown["amount_fen"] if shown else offer["limit_fen"],
                "limit_fen": offer["limit_fen"],
                "rate_ppm": offer["rate_ppm"],
                "annualised_irr_ppm": shown["body"]["annualised_irr_ppm"] if shown else None,
                "cap_ppm": offer["cap_ppm"],
            },
            "pay_out": agreement
            and {
                "seconds": self.found.get("pay_out_seconds"),
                "attempts": agreement["pay_out_calls"],
                "queries": agreement["pay_out_queries"],
                "state": agreement["pay_out"],
            },
            "contract": self.found.get("contract"),
            "loan": state
            and {"state": state["status"], "outstanding_fen": state["outstanding_principal_fen"]},
            "ledger": {"balanced": ledger.get("balanced"), "postings": ledger.get("postings")},
            "replay": self.found.get("replay", {"equal": None}),
            "stages": self.stages,
            "checks": self.checks,
            "sources": [
                {k: s[k] for k in ("source", "status", "milliseconds")}
                for s in application.get("sources", [])
            ],
        }


def _canonical(terms: dict[str, Any]) -> str:
    return json.dumps(terms, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
