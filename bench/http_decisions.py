"""Applications decided through HTTP: platform, database, outside world and load as processes of one machine.

A request is due at its moment whether or not the one before it was answered, and its time is counted from that moment. What
the sources answer comes from the sandbox, asked beforehand (`bench.answering_world`); every decision is committed to disk before
it is told.
"""

import json
import os
import resource
import secrets
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import httpx

from bench.claims import Claim, report
from bench.scratch import HOME as SCRATCH
from timelyrain.runtime.database import recreate
from timelyrain.runtime.processes import Child, Supervisor, free_port, records
from timelyrain.runtime.stack import Stack, plan

HOME = SCRATCH.parent / "bench-http"
RATE, SECONDS = 200, 10  # decisions a second, for so long
RUNS = 3  # at that rate; the middle one is told, all are beside it
LESS = (
    (40, 6),
    (50, 6),
    (100, 6),
    (150, 6),
)  # at these rates before it, each on a day of its own; the first one warms up
A_PERSON = 3  # applications a day: as many as the house allows
PEOPLE = -(-RATE * SECONDS // A_PERSON)
HOW = "make bench ONLY=http_decisions"


@contextmanager
def running() -> Iterator[tuple[Stack, list[str]]]:
    """The platform at work over a world that answers at once; yields it with session tokens of people who may apply."""
    os.environ |= {
        "TIMELYRAIN_HOME": str(HOME),
        "TIMELYRAIN_LOG_LEVEL": "WARNING",
        "TIMELYRAIN_SIMULATED": "1",
    }
    os.environ.pop("TIMELYRAIN_SANDBOX_URL", None)
    real = plan(HOME, _say)
    _say("making the database anew")
    recreate(real.database, "timelyrain")
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
        tokens = _people(PEOPLE, real.sandbox_url)
        supervisor.start(stack.web())
        yield stack, tokens
    if stack.database.embedded:
        stack.database.embedded.stop()


def _answering(port: int, sandbox: str) -> Child:
    command = (sys.executable, "-m", "bench.answering_world", str(port), sandbox)
    return Child("world", command, f"http://127.0.0.1:{port}/health")


def _people(count: int, sandbox: str) -> list[str]:
    """People of the sandbox with accounts here, all consents given, their sources asked once. Returns their tokens."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "timelyrain.runtime.settings"
    django.setup()
    from timelyrain.customers import queries, services
    from timelyrain.customers.models import Borrower, Session
    from timelyrain.customers.sealing import seal
    from timelyrain.runtime import clock
    from timelyrain.runtime.crypto import blind_index
    from timelyrain.runtime.ids import new_id, shard_of
    from timelyrain.sources.services import gather

    tokens: list[str] = []
    with httpx.Client(base_url=sandbox, timeout=60) as world:
        while len(tokens) < count:
            person = world.get(
                "/people/new", params={"profile": "good", "seed": 10**6 + secrets.randbelow(10**7)}
            ).json()
            index, borrower_id, now = blind_index("phone", person["phone"]), new_id(), clock.now()
            shard = shard_of(index)
            borrower, new = Borrower.objects.get_or_create(
                shard=shard,
                phone_index=index,
                defaults={
                    "id": borrower_id,
                    "phone_sealed": seal("phone", borrower_id, person["phone"]),
                    "registered_at": now,
                },
            )
            if not new:  # the dice gave somebody twice, who may not apply twice as often
                continue
            token = f"{shard}.{secrets.token_urlsafe(32)}"
            Session.objects.create(
                shard=shard,
                token_sha256=services._token_digest(token),
                borrower=borrower,
                created_at=now,
                expires_at=now + timedelta(days=30),
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
            if len(tokens) % 200 == 0:
                _say(f"{len(tokens)} of {count} people have accounts")
    return tokens


@dataclass(frozen=True)
class Load:
    """What a run at a fixed rate saw: seconds from due to answered, in order asked; answers by status; CPU seconds by process."""

    seconds: Sequence[float]
    statuses: dict[int, int]
    cpu: dict[str, float]

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))] * 1000

    def cpu_ms(self, *names: str) -> float:
        """Of these processes, per request."""
        return sum(self.cpu[name] for name in names) / len(self.seconds) * 1000


def load(stack: Stack, requests: Sequence[bytes], rate: int, lines: int = 64) -> Load:
    """Send `requests` at `rate` a second over so many kept connections. A request that finds none free waits, and that counts."""
    free = [socket.create_connection(("127.0.0.1", stack.web_port)) for _ in range(lines)]
    opened = list(free)
    for line in free:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    busy: dict[socket.socket, tuple[int, bytes]] = {}
    seconds = [0.0] * len(requests)
    statuses: dict[int, int] = {}
    before, start, sent = _cpu(stack), time.perf_counter() + 0.2, 0
    while sent < len(requests) or busy:
        left = start + sent / rate - time.perf_counter() if free and sent < len(requests) else 30.0
        if left <= 0:
            line = free.pop()
            line.sendall(requests[sent])
            busy[line] = sent, b""
            sent += 1
            continue
        for line in select.select(list(busy), [], [], left)[0]:
            n, heard = busy[line]
            heard += (more := line.recv(1 << 16))
            if not more:
                raise RuntimeError(f"the web server hung up after {heard[:200]!r}")
            busy[line] = n, heard
            head, _, body = heard.partition(b"\r\n\r\n")
            if _ and len(body) >= int(head.lower().partition(b"content-length:")[2].split(None, 1)[0]):
                seconds[n] = time.perf_counter() - start - n / rate
                status = int(head[9:12])
                statuses[status] = statuses.get(status, 0) + 1
                del busy[line]
                free.append(line)
    spent = {name: seconds - before[name] for name, seconds in _cpu(stack).items()}
    for line in opened:
        line.close()
    return Load(seconds, statuses, spent)


def _cpu(stack: Stack) -> dict[str, float]:
    """CPU seconds so far: our own, those of the sessions of web and world, those of the database's processes, ended ones too."""
    sessions = {record.pid: record.name for record in records(stack.home)}
    embedded = stack.database.embedded
    postmaster = embedded.status().pid if embedded else None
    ours = resource.getrusage(resource.RUSAGE_SELF)
    spent = {"web": 0.0, "world": 0.0, "database": 0.0, "load": ours.ru_utime + ours.ru_stime}
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


def _applications(tokens: Sequence[str], count: int) -> list[bytes]:
    """Requests for a day on which nobody has applied yet."""
    asked = {"product": "instant_consumer", "amount_fen": 1_000_000, "instalments": 12, "purpose": "shopping"}
    body = json.dumps(asked).encode()
    return [
        _request("POST", "/api/v1/applications", body, tokens[n % len(tokens)], str(uuid4()))
        for n in range(count)
    ]


def _request(method: str, path: str, body: bytes = b"", token: str = "", key: str = "") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n\r\n"
    )
    return head.encode() + body


def _next_day() -> None:
    """Move the simulated clock, so that everybody may apply again."""
    from timelyrain.runtime import clock

    clock.SHIFTED.advance_to(clock.now() + timedelta(days=1, seconds=1))
    time.sleep(0.5)  # until the web server has seen it


def _say(sentence: str) -> None:
    print(f"• {sentence}", file=sys.stderr, flush=True)


def _seen(stack: Stack, requests: Sequence[bytes], rate: int) -> Load:
    seen = load(stack, requests, rate)
    parts = ", ".join(f"{name} {seen.cpu_ms(name):.2f}" for name in seen.cpu)
    at = " / ".join(f"{seen.percentile(share):.1f}" for share in (0.5, 0.9, 0.99))
    _say(f"{rate}/s: p50 / p90 / p99 {at} ms; answers {seen.statuses}; CPU per request, ms: {parts}")
    return seen


def _kept() -> tuple[float, float]:
    """Bytes of documents, evidence and record that a decision keeps, sealed, and as they were; means of some decisions."""
    from timelyrain.origination import registry
    from timelyrain.origination.models import DecisionRecord
    from timelyrain.runtime.crypto import decrypt
    from timelyrain.sources.models import SourceRead

    sealed = opened = 0
    decisions = DecisionRecord.objects.order_by("-id")[:100]
    for row in decisions:
        for part in ("record", "evidence"):
            sealed += len(getattr(row, f"{part}_sealed"))
            opened += len(registry.open_sealed(row, part))
        for read in SourceRead.objects.filter(
            application_id=row.application_id, document_sealed__isnull=False
        ):
            sealed += len(read.document_sealed)
            opened += len(decrypt(read.document_sealed, f"sources_sourceread.document:{read.id}"))
    return sealed / len(decisions), opened / len(decisions)


def main() -> None:
    with running() as (stack, tokens):
        runs: dict[int, Load] = {}
        for rate, seconds in LESS:
            _next_day()
            runs[rate] = _seen(stack, _applications(tokens, rate * seconds), rate)
        at_rate: list[Load] = []
        for _ in range(RUNS):
            _next_day()
            at_rate.append(_seen(stack, _applications(tokens, RATE * SECONDS), RATE))
        at_rate.sort(key=lambda seen: seen.percentile(0.99))
        runs[RATE] = at_rate[RUNS // 2]
        sealed, opened = _kept()
        empty = _seen(stack, [_request("GET", "/api/v1/nothing")] * (RATE * 5), RATE)
    measured = runs[RATE]
    served = {f"at {rate}/s": runs[rate].cpu_ms("web", "database") for rate, _ in LESS[1:]}
    report(
        "http_decisions",
        [
            *(
                Claim(
                    f"decision over HTTP at {rate}/s, p99",
                    runs[rate].percentile(0.99),
                    "ms",
                    HOW,
                    at_most=30 if rate == RATE else None,
                    peers={
                        "p50": runs[rate].percentile(0.5),
                        "p90": runs[rate].percentile(0.9),
                        **(
                            {f"run {n}": seen.percentile(0.99) for n, seen in enumerate(at_rate, 1)}
                            if rate == RATE
                            else {}
                        ),
                    },
                )
                for rate in (RATE, *(rate for rate, _ in reversed(LESS[1:])))
            ),
            Claim("empty endpoint at the same rate, p99", empty.percentile(0.99), "ms", HOW),
            Claim(
                f"CPU of web and database per decision at {RATE}/s",
                measured.cpu_ms("web", "database"),
                "ms",
                HOW,
                peers={
                    **served,
                    "web alone": measured.cpu_ms("web"),
                    "database alone": measured.cpu_ms("database"),
                    "empty endpoint": empty.cpu_ms("web", "database"),
                    "answering world and load, beside": measured.cpu_ms("world", "load"),
                },
            ),
            Claim(
                "kept of a decision: documents, evidence, record",
                sealed / 1024,
                "KiB",
                HOW,
                peers={"as they were": opened / 1024},
            ),
            Claim(
                "answered",
                100.0
                * sum(seen.statuses.get(201, 0) for seen in at_rate)
                / sum(len(seen.seconds) for seen in at_rate),
                "%",
                HOW,
                at_least=100,
            ),
        ],
    )


if __name__ == "__main__":
    main()
