"""Checking a signed contract: our own check, and an independent one by a tool that shares no code with us."""

import asyncio
import json
import logging
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import SignatureValidationError, ValidationInfoReadingError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from .attachments import DISCLOSURE, EVIDENCE, TERMS, read_attachment
from .container import container_problems, time_tokens
from .errors import DocumentError
from .signing import BORROWER_FIELD, LENDER_FIELD

# What is wrong with a file is in the verdict; pyHanko's tracebacks about it would only fill the log.
logging.getLogger("pyhanko.sign").setLevel(logging.CRITICAL)

TOLERANCE = timedelta(
    minutes=5
)  # between the clocks of the signer, the time-stamping service and the authority


@dataclass(frozen=True, slots=True)
class SignerCheck:
    """One signature. signed_at: the time stamp where there is one, else the time the signer claims."""

    field: str
    subject: str
    covers_whole_file: bool
    intact: bool
    trusted: bool
    signed_at: datetime | None
    timestamped: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """valid means: no problems. terms, disclosure: the attached bytes, empty where unreadable."""

    valid: bool
    signatures: tuple[SignerCheck, ...]
    terms: bytes
    disclosure: bytes
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndependentVerdict:
    """What another tool says. trusted is None where the tool could not be given the root certificate."""

    tool: str
    valid: bool
    trusted: bool | None
    report: str


def verify_contract(pdf: bytes, trust_roots: Iterable[bytes], at: datetime) -> Verification:
    """Checks both signatures, their certificates and revocation, the coverage of the file, and the evidence.

    trust_roots: PEM or DER certificates of the certification *and* the time-stamping authorities that are believed;
    at: aware, the moment the question is asked for. A signature with a valid time stamp is judged at the time of the
    stamp, so that it outlives its certificate; one without is judged at `at`. Never raises for a bad file: it is not valid.
    """
    roots = [_certificate(root) for root in trust_roots]
    try:
        reader = PdfFileReader(BytesIO(pdf))
        terms, disclosure, evidence = (
            read_attachment(reader, name) for name in (TERMS, DISCLOSURE, EVIDENCE)
        )
        signatures = list(reader.embedded_regular_signatures)
        checks, problems = _run_checks(reader, pdf, signatures, roots, at)
        problems += _evidence_problems(evidence, terms, disclosure, signatures)
    except (
        Exception
    ) as error:  # a damaged file can break the parser anywhere; whatever breaks, it is not a valid contract
        return Verification(
            False,
            (),
            b"",
            b"",
            (f"the file cannot be read as a signed contract: {error or type(error).__name__}",),
        )
    return Verification(not problems, tuple(checks), terms, disclosure, tuple(problems))


def independent_check(pdf: bytes, ca_pem: bytes) -> IndependentVerdict | None:
    """What poppler's `pdfsig` (on NSS) says about every signature; None where the tool is absent.

    pdfsig knows no time but now: for certificates of another time `trusted` is False while `valid` still counts.
    With NSS's `certutil` present it is told to trust `ca_pem`; without it `trusted` is None.
    """
    pdfsig = shutil.which("pdfsig")
    if pdfsig is None:
        return None
    with TemporaryDirectory(prefix="timelyrain-pdfsig-") as scratch:
        file, store = Path(scratch, "contract.pdf"), Path(scratch, "nss")
        file.write_bytes(pdf)
        store.mkdir()
        can_trust = _trust(store, ca_pem)
        command = [pdfsig, *(["-nssdir", f"sql:{store}"] if can_trust else []), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        version = subprocess.run([pdfsig, "-v"], capture_output=True, text=True, timeout=60, check=False)
    counted = len(re.findall(r"^Signature #\d+:", done.stdout, re.MULTILINE))
    whole = "- Total document signed" in done.stdout.rpartition("Signature #")[2]
    valid = counted > 0 and whole and done.stdout.count("Signature is Valid.") == counted
    trusted = done.stdout.count("Certificate is Trusted.") == counted > 0 if can_trust else None
    tool = (version.stderr or version.stdout).partition("\n")[0].replace(" version", "") or "pdfsig"
    return IndependentVerdict(tool, valid, trusted, done.stdout)


def _trust(store: Path, ca_pem: bytes) -> bool:
    certutil = shutil.which("certutil")
    if certutil is None:
        return False
    root = store / "root.pem"
    root.write_bytes(ca_pem)
    for arguments in (["-N", "--empty-password"], ["-A", "-n", "root", "-t", "CT,C,C", "-i", str(root)]):
        done = subprocess.run(
            [certutil, *arguments, "-d", f"sql:{store}"], capture_output=True, timeout=60, check=False
        )
        if done.returncode:
            return False
    return True


def _certificate(data: bytes) -> asn1_x509.Certificate:
    try:
        return asn1_x509.Certificate.load(
            data if data[:1] == b"0" else x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER),
            strict=True,
        )
    except ValueError as error:
        raise DocumentError(
            f"A trust root is not a PEM or DER certificate: {error}. Give the authority's root certificate."
        ) from error


def _run_checks(
    reader: PdfFileReader,
    pdf: bytes,
    signatures: list[EmbeddedPdfSignature],
    roots: list[asn1_x509.Certificate],
    at: datetime,
) -> tuple[list[SignerCheck], list[str]]:
    async def check_all() -> list[tuple[SignerCheck, list[str]]]:
        return [await _check(reader, pdf, signature, roots, at) for signature in signatures]

    with ThreadPoolExecutor(
        1
    ) as aside:  # pyHanko's checks are coroutines; a caller may be inside a loop of its own
        results = aside.submit(asyncio.run, check_all()).result()
    checks = [check for check, _ in results]
    problems = [problem for _, found in results for problem in found]
    if (present := [check.field for check in checks]) != [BORROWER_FIELD, LENDER_FIELD]:
        problems.append(
            f"the signatures are {present or 'missing'}, not {BORROWER_FIELD} then {LENDER_FIELD}"
        )
    if checks and not checks[-1].covers_whole_file:
        problems.append(
            f"the last signature ({checks[-1].field}) does not cover the whole file: something was added after it"
        )
    return checks, problems


async def _check(
    reader: PdfFileReader,
    pdf: bytes,
    signature: EmbeddedPdfSignature,
    roots: list[asn1_x509.Certificate],
    at: datetime,
) -> tuple[SignerCheck, list[str]]:
    field, problems = (
        str(signature.field_name),
        list(container_problems(_hole(signature, pdf), (root.dump() for root in roots))),
    )
    try:
        # First the time stamp, judged at `at`; then the signer, judged at the stamped time.
        stamped_at = _stamped_at(signature)
        stamps = ValidationContext(
            trust_roots=roots, moment=at, allow_fetching=False, time_tolerance=TOLERANCE
        )
        status = await async_validate_pdf_signature(
            signature, _signer_context(reader, roots, stamped_at or at), ts_validation_context=stamps
        )
    except (SignatureValidationError, ValidationInfoReadingError, PdfError, ValueError) as error:
        return SignerCheck(field, "", False, False, False, None, False), [
            f"{field}: the signature cannot be read: {error}"
        ]
    claimed = status.signer_reported_dt
    stamp = status.timestamp_validity
    problems += _status_problems(status, claimed, stamped_at, at)
    check = SignerCheck(
        field=field,
        subject=str(signature.signer_cert.subject.human_friendly),
        covers_whole_file=status.coverage == SignatureCoverageLevel.ENTIRE_FILE,
        intact=status.intact and status.valid,
        trusted=status.trusted,
        signed_at=stamped_at or claimed,
        timestamped=stamp is not None and stamp.valid and stamp.intact and stamp.trusted,
    )
    return check, [f"{field}: {problem}" for problem in problems]


def _signer_context(
    reader: PdfFileReader, roots: list[asn1_x509.Certificate], moment: datetime
) -> ValidationContext:
    """Certificates and revocation lists come from the file alone; revocation must be answered for every certificate."""
    return DocumentSecurityStore.read_dss(reader).as_validation_context(
        {
            "trust_roots": roots,
            "moment": moment,
            "allow_fetching": False,
            "revocation_mode": "require",
            "time_tolerance": TOLERANCE,
        }
    )


def _status_problems(
    status: PdfSignatureStatus, claimed: datetime | None, stamped_at: datetime | None, at: datetime
) -> Iterator[str]:
    if not status.intact:
        yield "the signed bytes were changed"
    elif not status.valid:
        yield "the signature does not belong to its certificate"
    elif not status.trusted:
        why = status.trust_problem_indic
        reason = status.error_time_horizon or (why and why.name) or "no path to a trusted root"
        yield f"the certificate is not trusted ({reason})"
    if status.coverage not in (SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION):
        yield "the signature does not cover its revision of the file"
    if not status.docmdp_ok or status.modification_level not in (
        ModificationLevel.NONE,
        ModificationLevel.LTA_UPDATES,
        ModificationLevel.FORM_FILLING,
    ):
        yield "the document was changed after this signature"
    stamp = status.timestamp_validity
    if stamp is not None and not (stamp.valid and stamp.intact):
        yield "its time stamp is broken"
    elif stamp is not None and not stamp.trusted:
        yield "its time stamp comes from an authority that is not trusted: add the authority's root to the trust roots"
    if claimed is None:
        yield "it states no time of signing"
    elif claimed > at + TOLERANCE:
        yield f"it claims to be signed at {claimed.isoformat()}, after {at.isoformat()}"
    elif stamped_at is not None and abs(stamped_at - claimed) > TOLERANCE:
        yield f"it claims to be signed at {claimed.isoformat()}, but was time-stamped at {stamped_at.isoformat()}"


def _stamped_at(signature: EmbeddedPdfSignature) -> datetime | None:
    tokens = list(time_tokens(signature.signer_info))
    return tokens[0]["content"]["encap_content_info"]["content"].parsed["gen_time"].native if tokens else None


def _hole(signature: EmbeddedPdfSignature, pdf: bytes) -> bytes:
    byte_range: Any = signature.byte_range
    start, length, resume, _ = (int(number) for number in byte_range)
    return pdf[start + length : resume]


def _evidence_problems(
    evidence: bytes, terms: bytes, disclosure: bytes, signatures: list[EmbeddedPdfSignature]
) -> Iterator[str]:
    """The evidence of the one-time code must speak of these very attachments and of this very certificate."""
    record = json.loads(evidence)
    for name, data in (("terms_sha256", terms), ("disclosure_sha256", disclosure)):
        if record[name] != sha256(data).hexdigest():
            yield f"{EVIDENCE} names another file: {name} is {record[name]}, the attachment has {sha256(data).hexdigest()}"
    for signature in signatures:
        if signature.field_name == BORROWER_FIELD:
            reference = signature.signer_cert.subject.native.get("serial_number")
            if reference != record["transaction"]:
                yield f"{EVIDENCE} speaks of transaction {record['transaction']}, the one-time certificate of {reference}"
