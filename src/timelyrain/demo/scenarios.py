"""The scenarios of the demonstration: each a walk with its own disturbance and its own promises."""

import os
import signal
from collections.abc import Callable

from timelyrain.demo.walk import Walk


def settled(walk: Walk) -> None:
    """The whole life of a loan."""
    _staff(walk)
    walk.until_approved()
    walk.disclose()
    walk.sign()
    walk.until_paid_out()
    walk.check_contract()
    walk.live()
    walk.prove()


def declined(walk: Walk) -> None:
    """Reasons in plain words, what would change them, and a person to talk to."""
    _staff(walk)
    for seed in range(40, 60):
        walk.meet("overindebted", seed)
        walk.register()
        if walk.apply()["state"] == "declined":
            break
        walk.story.note("not declined; the next person applies")
    application = walk.found["application"]
    walk.check("the application is declined", application["state"] == "declined")
    walk.check(
        "every reason says what would change it",
        all(r["zh"] and r["change_zh"] for r in application["reasons"]),
    )
    walk.check("no offer is made", application["offer"] is None)
    with walk.stage("a person is asked for"):
        after = walk.api.post(
            f"/applications/{application['id']}/review", note="请人工复核，我刚还清了一笔贷款。"
        )
    walk.check("a person will look at it", any(r["asked_by"] == "borrower" for r in after["reviews"]))
    walk.prove()


def lost_answer(walk: Walk) -> None:
    """The rail pays and never says so; then it cannot be asked for a while. Nobody pays twice."""
    _staff(walk)
    walk.until_approved()
    walk.disclose()
    walk.fault("rail.pay_out", "lose_answer", seconds=2, times=1)
    walk.fault("rail.query", "down", times=2)
    walk.sign()
    unknown = walk.wait_for("the state UNKNOWN", lambda: walk.agreement()["pay_out"] == "unknown")
    walk.check("the outcome is UNKNOWN, not guessed", unknown)
    walk.story.note("the rail has paid, its answer is lost: the platform says UNKNOWN and asks")
    walk.until_paid_out()
    _once(walk)
    walk.check("it was resolved by asking", walk.found["agreement"]["pay_out_queries"] >= 1)
    walk.check_contract()
    walk.prove()


def killed(walk: Walk) -> None:
    """The worker is killed while the contract is made, and again while the rail is paying."""
    _staff(walk)
    walk.until_approved()
    walk.disclose()
    walk.fault("rail.pay_out", "slow", seconds=1.5, times=1)
    walk.sign()
    _kill(walk, "worker", "right after the signature")
    walk.wait_for("the pay-out to be on its way", lambda: walk.agreement()["pay_out"] in ("sent", "unknown"))
    _kill(walk, "worker", "while the rail is paying")
    walk.until_paid_out()
    _once(walk)
    walk.check_contract()
    walk.prove()


def no_consent(walk: Walk) -> None:
    """A source without consent is not called, and the decision says that it is missing."""
    _staff(walk)
    walk.meet("good", 11)
    walk.register(without=("credit_bureau", "telecom_provider"))
    application = walk.apply()
    reads = {row["source"]: row for row in application["sources"]}
    for source, key in (("bureau", "id_number"), ("telecom", "phone")):
        count = walk.outside("GET", "/calls", target=source, **{key: walk.person[key]})["count"]
        walk.check(f"{source} was not called", count == 0 and reads[source]["status"] == "no_consent")
    walk.check("the sources with consent were", all(reads[s]["status"] == "ok" for s in ("identity", "bank")))
    walk.check("nothing is approved without the bureau", application["state"] != "approved")
    walk.prove()


def _staff(walk: Walk) -> None:
    walk.api.basic = walk.world.login("operations")


def _once(walk: Walk) -> None:
    paid = walk.paid_out()
    walk.check("the rail has paid exactly once", paid == [walk.found["disclosure"]["amount_fen"]])


def _kill(walk: Walk, name: str, when: str) -> None:
    pid = walk.world.supervisor.pid(name)
    os.kill(pid, signal.SIGKILL)
    walk.story.note(f"{name} (pid {pid}) killed with SIGKILL {when}")
    walk.wait_for(
        f"a new {name}", lambda: walk.world.supervisor.pid(name) != pid and walk.world.supervisor.ready(name)
    )


SCENARIOS: dict[str, Callable[[Walk], None]] = {
    "settled": settled,
    "declined": declined,
    "lost-answer": lost_answer,
    "killed": killed,
    "no-consent": no_consent,
}
