"""The rail pays once per key, remembers through a kill, and misbehaves only when told to."""

import hashlib
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.worlds import World, running_sandbox, start_sandbox


def order(
    world: World, kind: str, key: str, amount: int, p: dict[str, str], **more: object
) -> httpx.Response:
    return world.post(
        f"/rail/{kind}", key=key, amount_fen=amount, bank_card=p["bank_card"], name=p["name"], **more
    )


def balance(world: World, p: dict[str, str]) -> int:
    return world.get(f"/rail/accounts/{p['bank_card']}").json()["balance_fen"]


def test_a_pay_out_is_paid_once_per_key(world: World) -> None:
    p = world.person("good", 11)
    before = balance(world, p)
    first, again = order(world, "pay-outs", "p-11", 500_000, p), order(world, "pay-outs", "p-11", 500_000, p)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() and first.json()["status"] == "succeeded"
    assert balance(world, p) == before + 500_000
    other = order(world, "pay-outs", "p-11", 500_001, p)
    assert (other.status_code, other.json()["error"]) == (409, "key_reused")
    assert balance(world, p) == before + 500_000
    assert world.get("/rail/pay-outs/p-11").json() == first.json()


def test_many_at_once_with_one_key_pay_once(world: World) -> None:
    p = world.person("good", 12)
    before = balance(world, p)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: order(world, "pay-outs", "p-12", 70_000, p).status_code, range(40)))
    assert sorted(set(answers)) == [200, 201] and answers.count(201) == 1
    assert balance(world, p) == before + 70_000


def test_debits_at_once_never_overdraw(world: World) -> None:
    p = world.person("good", 13)
    world.post(f"/rail/accounts/{p['bank_card']}/withdraw")
    world.post(f"/rail/accounts/{p['bank_card']}/deposit", amount_fen=100_000)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda i: order(world, "debits", f"d-13-{i}", 30_000, p).json(), range(12)))
    assert [r["status"] for r in results].count("succeeded") == 3
    assert {r["code"] for r in results if r["status"] == "refused"} == {"insufficient_funds"}
    assert balance(world, p) == 10_000


def test_an_unknown_key_was_never_accepted(world: World) -> None:
    for path in ("/rail/pay-outs/nobody", "/rail/debits/nobody"):
        answer = world.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown_key")


def test_wrong_particulars_are_refused_on_the_record(world: World) -> None:
    p = world.person("good", 14)
    assert order(world, "pay-outs", "p-14a", 1000, p | {"name": "别人"}).json()["code"] == "name_mismatch"
    assert (
        order(world, "pay-outs", "p-14b", 1000, p | {"bank_card": "6222020200000000007"}).json()["code"]
        == "invalid_card"
    )
    for amount in (0, -5, 1.5, True, "100x", None):
        bad = order(world, "pay-outs", "p-14c", amount, p)  # type: ignore[arg-type]
        assert (bad.status_code, bad.json()["field"]) == (422, "amount_fen")
    assert world.get("/rail/pay-outs/p-14c").status_code == 404


def test_the_statement_adds_up(world: World) -> None:
    p, on = world.person("good", 15), "2031-07-01"
    order(world, "pay-outs", "p-15", 900_000, p, as_of=on)
    order(world, "debits", "d-15", 100_000, p, as_of=on)
    order(world, "debits", "d-15b", 10**11, p, as_of=on)
    said = world.get("/rail/statement", on=on).json()
    assert (said["paid_out_fen"], said["debited_fen"]) == (900_000, 100_000)
    assert [x["status"] for x in said["lines"]] == ["succeeded", "succeeded", "refused"]
    assert world.get("/rail/statement", on="never").status_code == 422


def test_a_lost_answer_has_paid(world: World) -> None:
    p = world.person("good", 16)
    before = balance(world, p)
    world.fault("rail.pay_out", "lose_answer", seconds=5, times=1)
    with pytest.raises(httpx.TimeoutException):
        body = {"key": "p-16", "amount_fen": 40_000, "bank_card": p["bank_card"], "name": p["name"]}
        httpx.post(f"{world.url}/rail/pay-outs", json=body, timeout=0.5)
    assert balance(world, p) == before + 40_000
    assert world.get("/rail/pay-outs/p-16").json()["status"] == "succeeded"
    assert order(world, "pay-outs", "p-16", 40_000, p).status_code == 200
    assert balance(world, p) == before + 40_000


@pytest.mark.parametrize(("mode", "status"), [("fail", 500), ("down", 503)])
def test_a_failing_rail_does_nothing(world: World, mode: str, status: int) -> None:
    p = world.person("good", 17)
    before, key = balance(world, p), f"p-17-{mode}"
    world.fault("rail.pay_out", mode, times=2)
    assert [order(world, "pay-outs", key, 1_000, p).status_code for _ in range(3)] == [status, status, 201]
    assert balance(world, p) == before + 1_000


def test_pending_and_refused_are_told(world: World) -> None:
    p = world.person("good", 18)
    before = balance(world, p)
    world.fault("rail.pay_out", "pend", seconds=600, times=1)
    assert order(world, "pay-outs", "p-18", 1_000, p).json()["status"] == "processing"
    assert world.get("/rail/pay-outs/p-18").json()["status"] == "processing"
    assert balance(world, p) == before
    world.fault("rail.pay_out", "pend", seconds=0, times=1)
    assert order(world, "pay-outs", "p-18b", 1_000, p).json()["status"] == "succeeded"
    world.fault("rail.pay_out", "refuse", code="account_closed", times=1)
    refused = order(world, "pay-outs", "p-18c", 1_000, p).json()
    assert (refused["status"], refused["code"]) == ("refused", "account_closed")
    assert order(world, "pay-outs", "p-18c", 1_000, p).json() == refused
    assert balance(world, p) == before + 1_000


def test_a_fault_on_the_family_reaches_queries_too(world: World) -> None:
    world.fault("rail", "down")
    assert world.get("/rail/pay-outs/any").status_code == 503
    assert world.get("/rail/statement", on="2026-01-01").status_code == 503
    assert world.delete("/faults").json() == {"faults": []}
    assert world.get("/rail/pay-outs/any").status_code == 404
    assert world.post("/faults", target="moon", mode="down").status_code == 422
    assert world.post("/faults", target="sms", mode="pend").status_code == 422


def test_texts_arrive_once_per_key(world: World) -> None:
    for _ in range(2):
        world.post("/sms", phone="13800138000", text="验证码 123456", key="s-1").raise_for_status()
    assert world.post("/sms", phone="13800138000", text="另一条", key="s-1").status_code == 409
    assert [m["text"] for m in world.get("/sms/13800138000").json()["messages"]] == ["验证码 123456"]


def test_kill_9_forgets_nothing(tmp_path: Path) -> None:
    first = start_sandbox(tmp_path)
    p = first.person("random", 3)
    first.fault("bureau", "down")
    paid = order(first, "pay-outs", "p-k", 123_400, p).json()
    after = balance(first, p)
    first.kill()
    with running_sandbox(tmp_path) as second:
        assert second.get("/rail/pay-outs/p-k").json() == paid
        assert order(second, "pay-outs", "p-k", 123_400, p).status_code == 200
        assert balance(second, p) == after
        assert second.get("/faults").json()["faults"][0]["target"] == "bureau"
        assert second.post("/registry/verify", name="别人", id_number=p["id_number"]).json() == {
            "result": "mismatch"
        }


def test_time_stamps_verify(world: World) -> None:
    from asn1crypto import tsp
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import ExtendedKeyUsage, load_pem_x509_certificate

    digest = hashlib.sha256(b"contract").digest()
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest}
    asked = tsp.TimeStampReq({"version": 1, "message_imprint": imprint, "nonce": 77, "cert_req": True})
    answer = httpx.post(
        f"{world.url}/tsa?as_of=2027-01-02T03:04:05Z",
        content=asked.dump(),
        headers={"content-type": "application/timestamp-query"},
    )
    assert answer.headers["content-type"] == "application/timestamp-reply"
    signed = tsp.TimeStampResp.load(answer.content)["time_stamp_token"]["content"]
    info = signed["encap_content_info"]["content"].parsed
    assert info["message_imprint"]["hashed_message"].native == digest and info["nonce"].native == 77
    assert info["gen_time"].native == datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    certificate = load_pem_x509_certificate(world.get("/tsa/cert").content)
    use = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    assert [u.dotted_string for u in use] == ["1.3.6.1.5.5.7.3.8"]
    signer = signed["signer_infos"][0]
    attributes = b"\x31" + signer["signed_attrs"].dump()[1:]
    key = certificate.public_key()
    key.verify(signer["signature"].native, attributes, PKCS1v15(), SHA256())  # type: ignore[union-attr, call-arg]
    assert httpx.post(f"{world.url}/tsa", content=b"not asn.1").status_code == 400


def test_it_runs_under_granian_as_well(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--no-log"]
    environment = os.environ | {"TIMELYRAIN_SANDBOX_STATE": str(tmp_path / "w.sqlite3")}
    process = subprocess.Popen([*command, "timelyrain.sandbox.wsgi:application"], env=environment)
    world = World(f"http://127.0.0.1:{port}", process)  # type: ignore[arg-type]
    try:
        for _ in range(200):
            try:
                assert world.get("/health").json()["ok"]
                break
            except httpx.TransportError:
                time.sleep(0.1)
        assert len(world.get("/population", n=3).text.splitlines()) == 3
        world.fault("sms", "lose_answer", seconds=0)
        assert world.post("/sms", phone="13800138000", text="x", key="k").status_code == 504
        assert len(world.get("/sms/13800138000").json()["messages"]) == 1
    finally:
        process.terminate()
        process.wait(timeout=15)
