"""People are synthetic, valid by every public check, and the same to every source."""

import json
import os
import re
from datetime import date
from pathlib import Path

import pytest

from tests.worlds import World

PROFILES = ("good", "thin", "overindebted", "gambler", "late", "random")
WEIGHTS = [
    pow(2, 17 - i, 11) for i in range(17)
]  # GB 11643, from its definition and not from the code under test
MOBILE = (
    r"1(?:3\d{3}|5[^4\D]\d{2}|8\d{3}|7(?:[0-35-9]\d{2}|4(?:0\d|1[0-2]|9\d))|9[0-35-9]\d{2}|6[2567]\d{2}"
    r"|4(?:(?:10|4[01])\d{3}|[68]\d{4}|[579]\d{2}))\d{6}"
)


def luhn_sum(card: str) -> int:
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(card))]
    return sum(n // 10 + n % 10 for n in doubled)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_person_passes_the_public_checks(world: World, profile: str) -> None:
    for seed in range(30):
        p = world.person(profile, seed)
        number = p["id_number"]
        rest = sum(int(d) * w for d, w in zip(number, WEIGHTS, strict=False)) % 11
        assert number[17] == "10X98765432"[rest], number
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
        assert 1974 <= born.year <= 2004
        assert luhn_sum(p["bank_card"]) % 10 == 0 and re.fullmatch(r"62\d{17}", p["bank_card"])
        assert re.fullmatch(MOBILE, p["phone"]), p["phone"]
        assert 2 <= len(p["name"]) <= 3
        assert date.fromisoformat(p["id_valid_until"]) > date(2030, 1, 1)


def test_identifier_checks_agree_with_the_published_vectors(world: World) -> None:
    shared = Path(os.environ.get("TIMELYRAIN_SHARED", "../shared")) / "conformance" / "identifiers.json"
    if not shared.exists():
        pytest.skip(
            f"no published vectors at {shared}; set TIMELYRAIN_SHARED to the folder that holds conformance/"
        )
    for vector in json.loads(shared.read_text())["gb11643"]:
        if "future" in vector.get("why", ""):
            continue  # the world has no fixed today
        answer = world.post("/registry/verify", name="张三", id_number=vector["value"]).json()
        assert (answer["result"] != "not_found") == vector["valid"], vector
    for vector in json.loads(shared.read_text())["luhn"]:
        status = world.get(f"/rail/accounts/{vector['value']}").status_code
        assert status == (200 if vector["valid"] else 422), vector


def test_the_same_seed_is_the_same_person_and_another_is_not(world: World) -> None:
    assert world.person("good", 5) == world.person("good", 5)
    numbers = {world.person("random", s)["id_number"] for s in range(50)}
    assert len(numbers) == 50


def test_the_registry_says_match_mismatch_or_not_found_and_no_more(world: World) -> None:
    p = world.person()

    def ask(name: str, number: str) -> object:
        return world.post("/registry/verify", name=name, id_number=number).json()

    assert ask(p["name"], p["id_number"]) == {"result": "match"}
    assert ask("无此人", p["id_number"]) == {"result": "mismatch"}
    assert ask(p["name"], "110105194912310021") == {"result": "not_found"}


def test_a_stranger_with_a_valid_number_gets_a_life_that_stays(world: World) -> None:
    digits = "31010119900307001"
    number = digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, WEIGHTS, strict=True)) % 11]
    body = {
        "name": "李四",
        "id_number": number,
        "purpose": "loan_approval",
        "consent_id": "c",
        "as_of": "2026-05-01",
    }
    first = world.post("/bureau/report", **body)
    assert first.status_code == 200
    assert world.post("/bureau/report", **body).content == first.content
    assert world.post("/registry/verify", name="王五", id_number=number).json() == {"result": "mismatch"}


def test_bad_input_names_the_field(world: World) -> None:
    wrong = world.get("/people/new", profile="rich")
    assert (wrong.status_code, wrong.json()["field"]) == (422, "profile")
    wrong = world.post(
        "/bureau/report", name="李四", id_number="123", purpose="loan_approval", consent_id="c"
    )
    assert (wrong.status_code, wrong.json()["error"]) == (422, "invalid_id_number")
    assert world.get("/nowhere").status_code == 404
    assert world.delete("/sms").status_code == 405
    assert world.get("/people/new", seed="x").status_code == 422


def test_the_front_page_lists_every_route(world: World) -> None:
    page = world.get("/")
    assert "text/html" in page.headers["content-type"]
    for path in ("/people/new", "/bureau/report", "/rail/pay-outs/{key}", "/population", "/tsa", "/faults"):
        assert f"<code>{path}</code>" in page.text
