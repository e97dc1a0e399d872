"""Adapters against a running sandbox: what they ask, what they make of the answer, and each way it can go wrong."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep
from typing import Any, ClassVar

import httpx
import pytest

from tests.worlds import World
from timelyrain.decisioning import FACTS, TABLES, evidence_from_json
from timelyrain.sources.adapters.bank_flow import BankFlowSource
from timelyrain.sources.adapters.bureau import BureauSource
from timelyrain.sources.adapters.device import DeviceSource
from timelyrain.sources.adapters.exchange import ask, ask_all
from timelyrain.sources.adapters.population import fetch_population
from timelyrain.sources.adapters.registry import RegistrySource
from timelyrain.sources.adapters.shop import ShopSource
from timelyrain.sources.adapters.tax import TaxSource
from timelyrain.sources.adapters.telecom import TelecomSource
from timelyrain.sources.ports import (
    Extract,
    Question,
    Source,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnavailable,
    Subject,
    assemble,
)

AS_OF = datetime(2026, 3, 15, 4, 0, tzinfo=UTC)
KINDS: list[Callable[[str], Source]] = [
    BureauSource,
    BankFlowSource,
    TelecomSource,
    RegistrySource,
    ShopSource,
    TaxSource,
    DeviceSource,
]


def subject(p: dict[str, str]) -> Subject:
    return Subject(p["name"], p["id_number"], p["phone"], p["bank_card"])


def sources(world: World) -> list[Source]:
    return [kind(world.url) for kind in KINDS]


def gathered(world: World, p: dict[str, str]) -> dict[str, Extract]:
    return {
        s.name: s.parse(ask(s.question(subject(p), "consent-1", AS_OF), 10).body, AS_OF)
        for s in sources(world)
    }


@pytest.mark.parametrize("profile", ["good", "thin", "overindebted", "gambler", "late", "random"])
def test_every_profile_becomes_valid_evidence(world: World, profile: str) -> None:
    for seed in range(4):
        evidence = assemble(gathered(world, world.person(profile, seed)), {"age": 30}, AS_OF, [])
        read = evidence_from_json(evidence)
        assert set(read.tables) == set(TABLES)
        assert evidence["as_of"] == int(AS_OF.timestamp())
        owed = {name for name, fact in FACTS.items() if fact.source != "application"}
        assert owed <= set(evidence["facts"])  # type: ignore[call-overload]


def test_the_report_is_read_as_it_stands(world: World) -> None:
    p = world.person("late", 5)
    source = BureauSource(world.url)
    raw = ask(source.question(subject(p), "consent-1", AS_OF), 10)
    report, extract = json.loads(raw.body), source.parse(raw.body, AS_OF)
    accounts, months = extract.events["bureau_account"], extract.events["bureau_month"]
    listed = [a["PD01"] for a in report["PDA"]]
    assert sum(accounts["limit_fen"]) == 100 * sum(a["A"]["limit_yuan"] for a in listed)  # type: ignore[arg-type]
    assert sum(accounts["monthly_due_fen"]) == 100 * sum(a["C"]["due_yuan"] for a in listed)  # type: ignore[arg-type]
    assert len(months["at"]) == sum(24 - a["D"]["states"].count("/") for a in listed)
    late = [s for s in months["state"] if str(s) in "1234567"]
    assert len(late) == sum(len(a["E"]) for a in listed) > 0
    owed = 100 * sum(e["overdue_yuan"] for a in listed for e in a["E"])
    assert sum(months["overdue_fen"]) == owed > 0  # type: ignore[arg-type]
    assert extract.facts["bureau_score"] == report["PSM"]["PC01"]["score"]
    assert raw.url.endswith("/bureau/report") and len(raw.sha256) == 64


def test_month_states_fall_on_the_last_day_of_their_month(world: World) -> None:
    extract = gathered(world, world.person("late", 6))["bureau"]
    days = {datetime.fromtimestamp(int(at) + 8 * 3600, UTC) for at in extract.events["bureau_month"]["at"]}
    assert max(days) == datetime(2026, 2, 28, tzinfo=UTC)
    assert datetime(2025, 12, 31, tzinfo=UTC) in days


def test_flows_are_classified(world: World) -> None:
    flows = gathered(world, world.person("gambler", 7))["bank"].events["bank_flow"]
    by_kind: dict[str, list[int]] = {}
    for kind, amount in zip(flows["kind"], flows["amount_fen"], strict=True):
        by_kind.setdefault(str(kind), []).append(int(amount))
    assert {"salary", "shop", "gambling", "transfer_in", "transfer_out", "loan_repayment"} <= set(by_kind)
    assert min(by_kind["salary"]) > 0 and min(by_kind["transfer_in"]) > 0
    assert (
        max(by_kind["transfer_out"]) < 0 and max(by_kind["shop"]) < 0 and max(by_kind["loan_repayment"]) < 0
    )
    assert set(by_kind.get("returned_debit", [0])) == {0}


def test_a_wrong_name_is_no_match(world: World) -> None:
    p, source = world.person("good", 8), RegistrySource(world.url)
    other = Subject("无此人", p["id_number"], p["phone"], p["bank_card"])
    assert source.parse(ask(source.question(other, "c", AS_OF), 10).body, AS_OF).facts == {"id_match": False}
    assert source.parse(ask(source.question(subject(p), "c", AS_OF), 10).body, AS_OF).facts == {
        "id_match": True
    }


TARGETS = {kind("").name: kind("").name for kind in KINDS} | {"identity": "registry"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_failure_has_its_kind(world: World, kind: Callable[[str], Source]) -> None:
    source, who = kind(world.url), subject(world.person("good", 9))
    target = TARGETS[source.name]
    world.fault(target, "down", times=1)
    with pytest.raises(SourceUnavailable, match=f"^{source.name}: HTTP 503"):
        ask(source.question(who, "c", AS_OF), 5)
    world.fault(target, "fail", times=1)
    with pytest.raises(SourceUnavailable, match="HTTP 500"):
        ask(source.question(who, "c", AS_OF), 5)
    world.fault(target, "slow", seconds=3, times=1)
    with pytest.raises(SourceTimeout, match=r"within 0\.3 s"):
        ask(source.question(who, "c", AS_OF), 0.3)
    with pytest.raises(SourceUnavailable, match="ConnectionRefusedError"):
        ask(kind("http://127.0.0.1:1").question(who, "c", AS_OF), 5)
    assert ask(source.question(who, "c", AS_OF), 5).body


def test_without_consent_a_source_refuses_and_names_no_person(world: World) -> None:
    p = world.person("good", 10)
    for kind in KINDS:
        if kind is RegistrySource:
            continue
        with pytest.raises(SourceRefused, match=r"HTTP 403 .*no_consent") as caught:
            ask(kind(world.url).question(subject(p), "", AS_OF), 5)
        assert not any(p[k] in str(caught.value) for k in ("name", "id_number", "phone", "bank_card"))


def test_a_dripping_answer_meets_the_deadline() -> None:
    """Each byte arrives in time, the whole does not: the deadline is for everything."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                with suppress(OSError):
                    for _ in range(200):
                        peer.sendall(b" ")
                        sleep(0.05)

        Thread(target=drip, daemon=True).start()
        source = RegistrySource(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(SourceTimeout):
            ask(source.question(Subject("张三", "x", "x", "x"), "c", AS_OF), 0.5)


LONG = b"x" * 70_000
ANSWERS: dict[str, tuple[bytes, bytes | str]] = {
    "length": (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", b"{}"),
    "remark": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length:2\r\n\r\n{}", b"{}"),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\n{\r\n01\r\n}\r\n0\r\nX: y\r\n\r\n",
        b"{}",
    ),
    "to the end": (b"HTTP/1.0 200 OK\r\n\r\n" + LONG, LONG),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "HTTPException"),
    "cut chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", "HTTPException"),
    "no number": (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", "HTTPException"),
    "no chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "HTTPException"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "HTTPException"),
    "no end of head": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000, "HTTPException"),
    "nothing": (b"", "_Unheard"),
    "too large": (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "larger than"),
    "too large in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        "larger than",
    ),
}


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("kind", ANSWERS)
def test_answers_in_every_form_and_damaged_ones(kind: str, pieces: int) -> None:
    told, expected = ANSWERS[kind]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def tell() -> None:
            peer, _ = server.accept()
            peer.recv(65_536)
            size = len(told) // pieces + 1
            with peer, suppress(OSError):
                for at in range(0, len(told), size):
                    peer.sendall(told[at : at + size])
                    sleep(0.01 if pieces > 1 else 0)
                peer.shutdown(socket.SHUT_WR)
                peer.recv(1)

        teller = Thread(target=tell, daemon=True)
        teller.start()
        (answer,) = ask_all([Question(kind, f"http://127.0.0.1:{server.getsockname()[1]}/", {})], 10)
    if isinstance(expected, str):
        assert answer.document is None and expected in str(answer.error)
    else:
        assert answer.document and answer.document.body == expected


Damage = Callable[[dict[str, Any]], object]
BUREAU: list[tuple[Damage, str]] = [
    (lambda d: d.pop("PDA"), "missing required field `PDA`"),
    (lambda d: d["PSM"]["PC01"].update(score=1001), r"`int` <= 1000 - at `\$\.PSM\.PC01\.score`"),
    (lambda d: d["PSM"]["PC01"].update(score=True), r"got `bool` - at `\$\.PSM\.PC01\.score`"),
    (lambda d: d["PSM"]["PC01"].update(score=700.5), "got `float` - at"),
    (
        lambda d: d["PDA"][0]["PD01"]["A"].update(account_type="X9"),
        r"'X9' - at `\$\.PDA\[0\]\.PD01\.A\.account_type`",
    ),
    (lambda d: d["PDA"][0]["PD01"]["A"].update(limit_yuan=-1), r"`int` >= 0 - at .*A\.limit_yuan`"),
    (lambda d: d["PDA"][0]["PD01"]["A"].update(opened="2026-13-01"), r"encoded date - at .*A\.opened`"),
    (lambda d: d["PDA"][-1]["PD01"]["A"].update(opened="2027-01-01"), "an event after the report's own day"),
    (lambda d: d["PDA"][0]["PD01"]["B"].update(closed="2001-01-01"), "closed before it was opened"),
    (lambda d: d["PDA"][0]["PD01"]["D"].update(states="N" * 23), r"length >= 24 - at .*D\.states`"),
    (lambda d: d["PDA"][0]["PD01"]["D"].update(states="Q" + "N" * 23), "'Q' is no repayment state"),
    (
        lambda d: d["POQ"].append({"PH01": {"on": "2026-01-01", "reason": "gossip"}}),
        r"'gossip' - at `\$\.POQ\[\d+\]\.PH01\.reason`",
    ),
    (lambda d: d["POQ"].append(None), r"`object`, got `null` - at `\$\.POQ\[\d+\]`"),
]
BANK: list[tuple[Damage, str]] = [
    (lambda d: d.update(fields=["ts", "amt"]), r"length 5 - at `\$\.fields`"),
    (lambda d: d["account"].update(currency="USD"), r"'USD' - at `\$\.account\.currency`"),
    (lambda d: d["rows"].append([1, 2, 3]), r"length 5 - at `\$\.rows\[\d+\]`"),
    (
        lambda d: d["rows"].insert(0, [d["rows"][0][0], True, 3, "SAL", None]),
        r"got `bool` - at `\$\.rows\[0\]\[1\]`",
    ),
    (
        lambda d: d["rows"].append([4_000_000_000, 2, 3, "SAL", None]),
        "time 4000000000 is before the row above or after",
    ),
    (lambda d: d["rows"].reverse(), "before the row above"),
    (
        lambda d: d["rows"][0].__setitem__(4, "shop 7"),
        r"\$\.rows\[0\]\[4\]: 'shop 7' is no key of 16 hex digits",
    ),
    (lambda d: d["rows"][0].__setitem__(4, "f" * 16), "is no key of 16 hex digits"),
]
SHOP: list[tuple[Damage, str]] = [
    (lambda d: d.update(registered_on="2027-01-01"), "registered_on: 2027-01-01 is after"),
    (lambda d: d["fields"].reverse(), r"'address' - at `\$\.fields\[0\]`"),
    (lambda d: d["rows"][0].__setitem__(1, "rented"), r"'rented' - at `\$\.rows\[0\]\[1\]`"),
    (lambda d: d["rows"][0].__setitem__(3, -1), r"`int` >= 0 - at `\$\.rows\[0\]\[3\]`"),
    (lambda d: d["rows"][0].__setitem__(4, 1), r"`bool`, got `int` - at `\$\.rows\[0\]\[4\]`"),
    (lambda d: d["rows"].reverse(), "before the row above"),
]
TAX: list[tuple[Damage, str]] = [
    (lambda d: d["rows"][0].__setitem__(0, "2026-99"), r"encoded date - at `\$\.rows\[0\]\[0\]`"),
    (lambda d: d["rows"][0].__setitem__(0, "2027-01-15"), r"\$\.rows\[\d+\]\[0\]: 2027-01-15 is after"),
    (lambda d: d["rows"][0].__setitem__(1, "tithe"), r"'tithe' - at `\$\.rows\[0\]\[1\]`"),
    (lambda d: d["rows"][0].__setitem__(2, True), r"got `bool` - at `\$\.rows\[0\]\[2\]`"),
]
DEVICE: list[tuple[Damage, str]] = [
    (lambda d: d.update(first_seen_on=7), r"`date`, got `int` - at `\$\.first_seen_on`"),
    (lambda d: d["rows"][0].__setitem__(1, "wink"), r"'wink' - at `\$\.rows\[0\]\[1\]`"),
    (lambda d: d["rows"][0].__setitem__(3, 10**9), r"`int` <= 100000 - at `\$\.rows\[0\]\[3\]`"),
    (lambda d: d["rows"].append([4_000_000_000, "login", "0" * 16, 1, None]), "or after"),
]
TELECOM: list[tuple[Damage, str]] = [
    (
        lambda d: d["bills"][0].update(due_on=None),
        r"`date`, got `null` - at `\$\.bills\[0\]\.due_on`",
    ),
    (lambda d: d["bills"][0].update(due_on="2027-01-20"), r"\$\.bills\[0\]\.due_on: 2027-01-20 is after"),
    (lambda d: d.update(in_service_since="2027-01"), "in_service_since: 2027-01-01 is after"),
    (lambda d: d.update(holder_match=1), r"`bool`, got `int` - at `\$\.holder_match`"),
]
IDENTITY: list[tuple[Damage, str]] = [(lambda d: d.update(result="maybe"), r"'maybe' - at `\$\.result`")]


class Telling(BaseHTTPRequestHandler):
    """Answers by path: /good at once, /drip a byte at a time for ever, /once and hangs up without a word after it."""

    protocol_version = "HTTP/1.1"
    connections: ClassVar[list[int]] = []

    def setup(self) -> None:
        super().setup()
        self.connections.append(self.client_address[1])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2" if self.path != "/drip" else "100000")
        self.end_headers()
        if self.path == "/drip":
            with suppress(OSError):
                for _ in range(200):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    sleep(0.02)
        self.wfile.write(b"{}")
        if self.path == "/once":
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def telling() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Telling) as server:
        server.daemon_threads = True
        Telling.connections.clear()
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_source_that_drips_takes_nobody_elses_time(telling: str) -> None:
    asked = [
        Question(f"s{n}", f"{telling}/{what}", {}) for n, what in enumerate(("drip", "good", "drip", "good"))
    ]
    for _ in range(2):  # new connections, then kept ones
        errors = [answer.error for answer in ask_all(asked, 0.5)]
        assert [type(error) for error in errors] == [SourceTimeout, type(None), SourceTimeout, type(None)]


def test_connections_are_kept_and_opened_anew_when_the_other_side_hung_up(telling: str) -> None:
    for _ in range(3):
        ask(Question("kept", f"{telling}/good", {}), 5)
    assert len(Telling.connections) == 1
    for n in range(3):
        assert ask(Question("left", f"{telling}/once", {}), 5).body == b"{}"
        assert len(Telling.connections) == 2 + n


@pytest.mark.parametrize(
    ("kind", "damages"), list(zip(KINDS, (BUREAU, BANK, TELECOM, IDENTITY, SHOP, TAX, DEVICE), strict=True))
)
def test_malformed_documents_name_the_path(
    world: World, kind: Callable[[str], Source], damages: list[tuple[Damage, str]]
) -> None:
    source = kind(world.url)
    sound = json.loads(ask(source.question(subject(world.person("overindebted", 1)), "c", AS_OF), 5).body)
    source.parse(json.dumps(sound).encode(), AS_OF)
    for damage, message in damages:
        broken = deepcopy(sound)
        damage(broken)
        with pytest.raises(SourceMalformed, match=message):
            source.parse(json.dumps(broken).encode(), AS_OF)
    for bytes_ in (b"", b"<html>", b"[]", b"null", b"\xff\xfe", b"[" * 200_000):
        with pytest.raises(SourceMalformed):
            source.parse(bytes_, AS_OF)


def test_assembling_refuses_contradictions() -> None:
    one = Extract({"id_match": True}, {})
    assert assemble({"identity": one}, {"age": 40}, AS_OF, ["bank"]) == {
        "as_of": int(AS_OF.timestamp()),
        "facts": {"age": 40, "id_match": True},
        "events": {},
        "missing": ["bank"],
    }
    with pytest.raises(ValueError, match="identity: listed as missing"):
        assemble({"identity": one}, {}, AS_OF, ["identity"])
    with pytest.raises(ValueError, match="id_match: stated by identity and by another"):
        assemble({"identity": one}, {"id_match": False}, AS_OF, [])


def test_the_population_comes_through_the_same_parsers(world: World) -> None:
    people = list(fetch_population(world.url, 60, seed=5, as_of=AS_OF, span_months=6))
    assert len(people) == 60 and {p.default_12m for p in people} <= {0, 1}
    for p in people:
        evidence_from_json(p.evidence)
        assert 18 <= p.evidence["facts"]["age"] <= 60 and 0 < p.true_pd < 1  # type: ignore[index]
    assert any(p.evidence["missing"] == ["telecom"] for p in people)
    assert len({p.evidence["as_of"] for p in people}) > 30
    with pytest.raises(httpx.HTTPStatusError):
        list(fetch_population(world.url, 0, seed=5, as_of=AS_OF))
