"""Applications decided through HTTP: platform, database and outside world as processes of this machine, load at a fixed rate.

A request is due at its moment whether or not the one before it was answered, and its time is counted from that moment. What
the sources answer comes from the sandbox, asked beforehand (`bench.answering_world`); every decision is committed to disk before
it is told.
"""

import http.client
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import uuid4

import httpx

from bench.claims import Claim, report
from bench.scratch import HOME as SCRATCH
from timelyrain.runtime.processes import Child, Supervisor, free_port, records
from timelyrain.runtime.stack import Stack, plan

HOME = SCRATCH.parent / "bench-http"
RATE, SECONDS, WARM = 200, 10, 300  # decisions a second, for so long, after so many unmeasured ones
EASY = 800  # decisions at half that rate, before it
A_PERSON = 3  # applications: as many as the house allows a day
HOW = "make bench ONLY=http_decisions"


@contextmanager
def running(rate: int = RATE) -> Iterator[tuple[Stack, list[str]]]:
    """The platform at work over a world that answers at once; yields it with session tokens of people who may apply."""
    os.environ |= {
        "TIMELYRAIN_HOME": str(HOME),
        "TIMELYRAIN_LOG_LEVEL": "WARNING",
        "TIMELYRAIN_SIMULATED": "1",
    }
    os.environ.pop("TIMELYRAIN_SANDBOX_URL", None)
    real = plan(HOME, _say)
    _say("preparing the database")
    real.database.prepare()
    real.migrate()
    with Supervisor(HOME, _say, real.keep) as supervisor:
        sandbox = real.sandbox()
        assert sandbox
        supervisor.start(sandbox)
        real.seed(_say)
        port = free_port()
        supervisor.start(_answering(port, real.sandbox_url))
        os.environ["TIMELYRAIN_SANDBOX_URL"] = f"http://127.0.0.1:{port}"
        stack = plan(HOME, _say)
        os.environ |= stack.environment()
        people = -(-(rate * SECONDS + WARM + EASY) // A_PERSON)
        tokens = _people(people, real.sandbox_url)
        supervisor.start(stack.web())
        yield stack, tokens
    if stack.database.embedded:
        stack.database.embedded.stop()


def _answering(port: int, sandbox: str) -> Child:
    serve = ("--interface", "wsgi", "--blocking-threads", "4", "--no-ws")
    where = ("--host", "127.0.0.1", "--port", str(port))
    command = (sys.executable, "-m", "granian", *serve, *where, "bench.answering_world:application")
    return Child(
        "world", command, f"http://127.0.0.1:{port}/health", {**os.environ, "TIMELYRAIN_WORLD": sandbox}
    )


def _people(count: int, sandbox: str) -> list[str]:
    """People of the sandbox with accounts here, all consents given, their sources asked once. Returns their tokens."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "timelyrain.runtime.settings"
    django.setup()
    from datetime import timedelta

    from timelyrain.customers import queries, services
    from timelyrain.customers.models import Borrower, Session
    from timelyrain.customers.sealing import seal
    from timelyrain.runtime import clock
    from timelyrain.runtime.crypto import blind_index
    from timelyrain.runtime.ids import new_id, shard_of
    from timelyrain.sources.services import gather

    tokens: list[str] = []
    with httpx.Client(base_url=sandbox, timeout=60) as world:
        for n in range(count):
            person = world.get(
                "/people/new", params={"profile": "good", "seed": 10**6 + secrets.randbelow(10**7)}
            ).json()
            index, borrower_id, now = blind_index("phone", person["phone"]), new_id(), clock.now()
            shard = shard_of(index)
            borrower, _ = Borrower.objects.get_or_create(
                shard=shard,
                phone_index=index,
                defaults={
                    "id": borrower_id,
                    "phone_sealed": seal("phone", borrower_id, person["phone"]),
                    "registered_at": now,
                },
            )
            token = f"{shard}.{secrets.token_urlsafe(32)}"
            Session.objects.create(
                shard=shard,
                token_sha256=services._token_digest(token),
                borrower=borrower,
                created_at=now,
                expires_at=now + timedelta(days=1),
            )
            services.grant_consents(
                borrower, [state.sha256 for state in queries.consent_states(borrower)], "bench"
            )
            valid_until = date.fromisoformat(person["id_valid_until"])
            services.save_profile(
                borrower, person["name"], person["id_number"], valid_until, person["bank_card"]
            )
            gather(shard, borrower.id)
            tokens.append(token)
            if n % 200 == 199:
                _say(f"{n + 1} of {count} people have accounts")
    return tokens


@dataclass(frozen=True)
class Load:
    """What a run at a fixed rate saw: seconds from due to answered, in order; answers by status; CPU seconds by process."""

    seconds: Sequence[float]
    statuses: dict[int, int]
    cpu: dict[str, float]

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))] * 1000

    @property
    def cpu_ms(self) -> float:
        """Of web and database, per request."""
        return (self.cpu["web"] + self.cpu["database"]) / len(self.seconds) * 1000


def load(
    stack: Stack, requests: Sequence[tuple[str, str, bytes, dict[str, str]]], rate: int, lines: int = 24
) -> Load:
    """Send (method, path, body, headers) at `rate` a second over so many connections."""
    seconds = [0.0] * len(requests)
    statuses: dict[int, int] = {}
    guard, turn = threading.Lock(), iter(range(len(requests)))
    before = _cpu(stack)
    start = time.perf_counter() + 0.2

    def send() -> None:
        line = http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=30)
        while True:
            with guard:
                n = next(turn, None)
            if n is None:
                return
            due = start + n / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            method, path, body, headers = requests[n]
            line.request(method, path, body, headers)
            answer = line.getresponse()
            answer.read()
            seconds[n] = time.perf_counter() - due
            with guard:
                statuses[answer.status] = statuses.get(answer.status, 0) + 1

    threads = [threading.Thread(target=send) for _ in range(lines)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(seconds, statuses, {name: spent - before[name] for name, spent in _cpu(stack).items()})


def _cpu(stack: Stack) -> dict[str, float]:
    """CPU seconds so far: of the sessions of web and world, and of the database's processes that live or have ended."""
    sessions = {record.pid: record.name for record in records(stack.home)}
    embedded = stack.database.embedded
    postmaster = embedded.status().pid if embedded else None
    spent = {"web": 0.0, "world": 0.0, "database": 0.0}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid, parent, session = int(path.parent.name), int(fields[1]), int(fields[3])
        name = "database" if postmaster in (pid, parent) else sessions.get(session)
        if name in spent:
            own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
            spent[name] += (own + (children if pid == postmaster else 0)) / os.sysconf("SC_CLK_TCK")
    return spent


def _applications(tokens: Sequence[str]) -> list[tuple[str, str, bytes, dict[str, str]]]:
    body = json.dumps(
        {"product": "instant_consumer", "amount_fen": 1_000_000, "instalments": 12, "purpose": "shopping"}
    ).encode()
    kind = {"Content-Type": "application/json"}
    return [
        (
            "POST",
            "/api/v1/applications",
            body,
            kind | {"Authorization": f"Bearer {t}", "Idempotency-Key": str(uuid4())},
        )
        for _ in range(A_PERSON)
        for t in tokens
    ]


def _say(sentence: str) -> None:
    print(f"• {sentence}", file=sys.stderr, flush=True)


def main() -> None:
    with running() as (stack, tokens):
        applications = _applications(tokens)
        load(stack, applications[:WARM], RATE // 4)
        half = load(stack, applications[WARM : WARM + EASY], RATE // 2)
        measured = load(stack, applications[WARM + EASY :][: RATE * SECONDS], RATE)
        empty = load(stack, [("GET", "/api/v1/nothing", b"", {})] * (RATE * 5), RATE)
    _say(f"answers by status: {measured.statuses}; CPU seconds: {measured.cpu}")
    report(
        "http_decisions",
        [
            Claim(
                f"decision over HTTP at {RATE}/s, p99",
                measured.percentile(0.99),
                "ms",
                HOW,
                at_most=30,
                peers={
                    "p50": measured.percentile(0.5),
                    "p90": measured.percentile(0.9),
                    "empty endpoint p99": empty.percentile(0.99),
                },
            ),
            Claim(
                f"the same at {RATE // 2}/s, p99",
                half.percentile(0.99),
                "ms",
                HOW,
                peers={"p50": half.percentile(0.5), "p90": half.percentile(0.9)},
            ),
            Claim(
                "CPU of web and database per decision",
                measured.cpu_ms,
                "ms",
                HOW,
                peers={"at half the rate": half.cpu_ms, "empty endpoint": empty.cpu_ms},
            ),
            Claim(
                "answered",
                100.0 * measured.statuses.get(201, 0) / sum(measured.statuses.values()),
                "%",
                HOW,
                at_least=100,
            ),
        ],
    )


if __name__ == "__main__":
    main()
