"""A signed contract: what makes it valid, and everything that must not."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tests.agreements.documents.conftest import AT, LENDER, TERMS, make_contract, sign
from tests.agreements.documents.tsa import Tsa
from timelyrain.agreements.documents import (
    BorrowerSignature,
    DemoAuthority,
    DocumentError,
    Evidence,
    LenderSeal,
    TimestampUnavailable,
    independent_check,
    render_contract,
    verify_contract,
)


def byte_range(pdf: bytes, which: int) -> list[int]:
    signature: Any = list(PdfFileReader(BytesIO(pdf)).embedded_regular_signatures)[which]
    return [int(number) for number in signature.byte_range]


def with_other_terms(pdf: bytes) -> bytes:
    """The file with a further revision in which terms.json says something else."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    leaves: Any = writer.root["/Names"]["/EmbeddedFiles"]["/Names"]
    at = next(i for i in range(0, len(leaves), 2) if str(leaves[i]) == "terms.json")
    spec = leaves[at + 1]
    stream = generic.StreamObject(stream_data=b'{"principal_fen":9999999}')
    spec["/EF"]["/F"] = spec["/EF"]["/UF"] = writer.add_object(stream)
    writer.update_container(spec["/EF"])
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def test_both_signatures_hold(signed: bytes, authority: DemoAuthority) -> None:
    found = verify_contract(signed, [authority.root], AT)
    assert found.problems == ()
    assert found.valid
    borrower, lender = found.signatures
    assert (borrower.field, lender.field) == ("Borrower", "Lender")
    assert "张*雨" in borrower.subject and "TR20310520000001" in borrower.subject and LENDER in lender.subject
    assert borrower.intact and borrower.trusted and lender.intact and lender.trusted
    assert (borrower.covers_whole_file, lender.covers_whole_file) == (False, True)
    assert borrower.signed_at == lender.signed_at == AT
    assert not borrower.timestamped
    assert (found.terms, found.disclosure) == (TERMS, make_contract().disclosure_json)


def test_one_flipped_bit_anywhere_is_noticed(signed: bytes, authority: DemoAuthority) -> None:
    _, first, _, _ = byte_range(signed, 0)
    _, hole, resume, _ = byte_range(signed, 1)
    spread = range(0, len(signed), len(signed) // 24)
    # version numbers, algorithm lists, lengths and padding inside the container are signed by nobody
    container = [
        hole,
        hole + 2,
        hole + 5,
        hole + 52,
        hole + 70,
        hole + 86,
        hole + 2108,
        hole + 4000,
        resume - 2,
    ]
    for at in {*spread, first + 52, *container, len(signed) - 2}:
        broken = bytearray(signed)
        broken[at] ^= 0x01
        assert not verify_contract(bytes(broken), [authority.root], AT).valid, f"byte {at} may be changed"


def test_not_even_the_case_of_a_hex_digit_is_free(signed: bytes, authority: DemoAuthority) -> None:
    _, hole, _, _ = byte_range(signed, 1)
    at = next(i for i in range(hole, hole + 3000) if signed[i : i + 1] in b"ABCDEF")
    broken = signed[:at] + signed[at : at + 1].lower() + signed[at + 1 :]
    assert int(signed[at : at + 1], 16) == int(broken[at : at + 1], 16)
    assert not verify_contract(broken, [authority.root], AT).valid


@pytest.mark.parametrize("tail", [b"\n", b"% comment", b"\x00"])
def test_nothing_can_be_appended(signed: bytes, authority: DemoAuthority, tail: bytes) -> None:
    assert not verify_contract(signed + tail, [authority.root], AT).valid


def test_terms_swapped_after_signing_are_noticed(signed: bytes, authority: DemoAuthority) -> None:
    swapped = with_other_terms(signed)
    found = verify_contract(swapped, [authority.root], AT)
    assert found.terms != TERMS
    assert not found.valid
    assert any("does not cover the whole file" in problem for problem in found.problems)


def test_the_lender_cannot_swap_terms_between_the_signatures(signed: bytes, authority: DemoAuthority) -> None:
    _, _, resume, rest = byte_range(signed, 0)
    swapped = with_other_terms(signed[: resume + rest])  # as the borrower signed it, then changed
    seal = authority.seal(LENDER, AT)
    key = seal.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    forger = signers.SimpleSigner(
        asn1_x509.Certificate.load(seal.certificate),
        asn1_keys.PrivateKeyInfo.load(key),
        SimpleCertificateStore(),
    )
    meta = signers.PdfSignatureMetadata(field_name="Lender", md_algorithm="sha256")
    forged = signers.sign_pdf(IncrementalPdfFileWriter(BytesIO(swapped)), meta, forger).getvalue()
    found = verify_contract(forged, [authority.root], AT)
    assert [check.covers_whole_file for check in found.signatures] == [False, True]
    assert not found.valid
    assert "Borrower: the document was changed after this signature" in found.problems


def test_the_seal_alone_is_no_contract(signed: bytes, authority: DemoAuthority) -> None:
    _, _, resume, rest = byte_range(signed, 0)
    found = verify_contract(signed[: resume + rest], [authority.root], AT)
    assert found.problems == ("the signatures are ['Borrower'], not Borrower then Lender",)


@pytest.mark.parametrize("rubbish", [b"", b"%PDF-1.7\nnot really", b"\x00" * 1000])
def test_rubbish_is_not_valid(authority: DemoAuthority, rubbish: bytes) -> None:
    found = verify_contract(rubbish, [authority.root], AT)
    assert not found.valid and found.problems


def test_an_unsigned_contract_is_not_valid(authority: DemoAuthority) -> None:
    assert not verify_contract(render_contract(make_contract()), [authority.root], AT).valid


def test_another_root_is_not_trusted(signed: bytes, tmp_path: Path) -> None:
    found = verify_contract(signed, [DemoAuthority(tmp_path / "other").root], AT)
    assert not found.valid
    assert all(check.intact and not check.trusted for check in found.signatures)


def test_a_root_that_is_no_certificate_is_refused(signed: bytes) -> None:
    with pytest.raises(DocumentError, match="not a PEM or DER certificate"):
        verify_contract(signed, [b"hello"], AT)


@pytest.mark.parametrize("off", [timedelta(days=2), timedelta(days=-2)])
def test_out_of_time_certificates_are_not_trusted(
    signed: bytes, authority: DemoAuthority, off: timedelta
) -> None:
    found = verify_contract(signed, [authority.root], AT + off)
    assert not found.valid
    assert not found.signatures[0].trusted and found.signatures[0].intact


def test_an_expired_one_time_certificate_signs_nothing_valid(authority: DemoAuthority) -> None:
    contract = make_contract()
    evidence = Evidence(
        transaction=contract.number,
        challenge_id="c",
        disclosure_sha256=contract.disclosure_sha256,
        terms_sha256=contract.terms_sha256,
        confirmed_at=AT,
    )
    stale = authority.one_time("张*雨", contract.number, AT - timedelta(days=2))
    borrower = BorrowerSignature(name="张晓雨", signer=stale, evidence=evidence)
    found = verify_contract(sign(contract, authority, borrower=borrower), [authority.root], AT)
    assert not found.valid and not found.signatures[0].trusted


def test_a_revoked_seal_is_not_trusted(tmp_path: Path) -> None:
    authority = DemoAuthority(tmp_path / "ca")
    seal = authority.seal(LENDER, AT)
    authority.revoke(seal.certificate, AT - timedelta(minutes=1))
    signed = sign(make_contract(), authority, lender=LenderSeal(name=LENDER, signer=seal))
    found = verify_contract(signed, [authority.root], AT)
    assert not found.valid and not found.signatures[1].trusted
    assert authority.seal(LENDER, AT).certificate != seal.certificate


def test_evidence_of_other_terms_is_refused_before_signing(authority: DemoAuthority) -> None:
    contract = make_contract()
    other = render_contract(replace(contract, terms_json=b'{"principal_fen":1}'))
    with pytest.raises(DocumentError, match=r"confirmed terms\.json .* Nothing was signed"):
        sign(contract, authority, pdf=other)


def test_a_certificate_of_another_transaction_is_noticed(authority: DemoAuthority) -> None:
    contract = make_contract()
    evidence = Evidence(
        transaction="TR-OTHER",
        challenge_id="c",
        disclosure_sha256=contract.disclosure_sha256,
        terms_sha256=contract.terms_sha256,
        confirmed_at=AT,
    )
    signer = authority.one_time("张*雨", contract.number, AT)
    borrower = BorrowerSignature(name="张晓雨", signer=signer, evidence=evidence)
    found = verify_contract(sign(contract, authority, borrower=borrower), [authority.root], AT)
    assert any("transaction TR-OTHER" in problem for problem in found.problems)


def test_a_time_stamp_outlives_the_certificates(authority: DemoAuthority, tsa: Tsa) -> None:
    signed = sign(make_contract(), authority, timestamper=tsa.url)
    assert tsa.asked == 2
    years_on = AT + timedelta(days=5 * 365)
    found = verify_contract(signed, [authority.root, tsa.root], years_on)
    assert found.problems == ()
    assert all(check.timestamped and check.signed_at == AT for check in found.signatures)
    _, hole, _, _ = byte_range(signed, 1)
    for at in (hole + 3600, hole + 4200, hole + 5000, hole + 6000):  # within the token
        broken = bytearray(signed)
        broken[at] ^= 0x01
        assert not verify_contract(bytes(broken), [authority.root, tsa.root], AT).valid, (
            f"byte {at} may be changed"
        )


def test_a_time_stamp_of_an_unknown_authority_is_a_problem(authority: DemoAuthority, tsa: Tsa) -> None:
    found = verify_contract(sign(make_contract(), authority, timestamper=tsa.url), [authority.root], AT)
    assert not found.valid
    assert any("add the authority's root" in problem for problem in found.problems)
    assert not found.signatures[0].timestamped


def test_a_time_stamp_that_contradicts_the_signing_time_is_a_problem(
    authority: DemoAuthority, tsa: Tsa
) -> None:
    tsa.now = AT + timedelta(hours=2)
    signed = sign(make_contract(), authority, timestamper=tsa.url)
    found = verify_contract(signed, [authority.root, tsa.root], AT + timedelta(hours=3))
    assert any("but was time-stamped at" in problem for problem in found.problems)


def test_a_broken_or_absent_time_service_signs_nothing(authority: DemoAuthority, tsa: Tsa) -> None:
    tsa.broken = True
    with pytest.raises(TimestampUnavailable, match="Nothing was signed"):
        sign(make_contract(), authority, timestamper=tsa.url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/tsa"
        with pytest.raises(TimestampUnavailable):
            sign(make_contract(), authority, timestamper=url)


def test_it_works_inside_an_event_loop(authority: DemoAuthority) -> None:
    async def inside() -> bool:
        return verify_contract(sign(make_contract(), authority), [authority.root], AT).valid

    assert asyncio.run(inside())


def test_the_authority_is_made_once_and_keeps_its_keys_to_itself(tmp_path: Path) -> None:
    directory = tmp_path / "ca"
    with ThreadPoolExecutor(4) as pool:
        roots = {made.root for made in pool.map(DemoAuthority, [directory] * 4)}
    assert len(roots) == 1
    authority = DemoAuthority(directory)
    assert (
        authority.seal(LENDER, AT).certificate == authority.seal(LENDER, AT + timedelta(days=300)).certificate
    )
    assert (
        authority.seal(LENDER, AT + timedelta(days=2000)).certificate
        != authority.seal(LENDER, AT).certificate
    )
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_a_damaged_authority_says_what_to_do(tmp_path: Path) -> None:
    DemoAuthority(tmp_path / "ca")
    (tmp_path / "ca" / "root.pem").write_text("not a key")
    with pytest.raises(DocumentError, match=r"root\.pem holds no readable key .* Restore it from a backup"):
        DemoAuthority(tmp_path / "ca")


def test_a_time_outside_the_root_is_refused(authority: DemoAuthority) -> None:
    with pytest.raises(DocumentError, match="valid from 2020 to 2049"):
        authority.one_time("张*雨", "T", datetime(2055, 1, 1, tzinfo=UTC))


def test_an_independent_tool_agrees(authority: DemoAuthority, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)  # the tool knows no other time
    signed = sign(make_contract(signed_at=now), authority, at=now)
    verdict = independent_check(signed, authority.root)
    if verdict is None:
        pytest.skip("pdfsig is not installed (Debian: apt-get install poppler-utils)")
    assert verdict.valid, verdict.report
    assert verdict.trusted in (True, None), verdict.report
    broken = bytearray(signed)
    broken[len(signed) // 3] ^= 0x01
    again = independent_check(bytes(broken), authority.root)
    assert again is not None and not again.valid
    stranger = independent_check(signed, DemoAuthority(tmp_path / "other").root)
    assert stranger is not None and stranger.valid and not stranger.trusted
