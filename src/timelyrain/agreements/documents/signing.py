"""Signing a contract: the borrower's one-time signature, then the lender's seal (PAdES B-B; B-T with a time stamp).

Revision 1 adds the evidence of the one-time code, the certificates and the revocation list for *both* signatures, and the
borrower's signature. Revision 2 is the lender's seal alone, so the last signature covers every byte of the file.
"""

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import Any

import httpx
from asn1crypto import crl as asn1_crl
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils import content, layout
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers, timestamps
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.timestamps.common_utils import TimestampRequestError
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.stamp import StaticStampStyle

from timelyrain.drawing import FontSet

from .attachments import DISCLOSURE, EVIDENCE, TERMS, attach, read_attachment
from .errors import DocumentError, TimestampUnavailable
from .pki import CertificateAuthority, Signer
from .render import LOCAL, render_stamp

BORROWER_FIELD, LENDER_FIELD = "Borrower", "Lender"
# Where contract.typ draws the boxes, in points from the lower left of the last page.
BOXES = {BORROWER_FIELD: (71, 543, 275, 651), LENDER_FIELD: (320, 543, 524, 651)}
CONTAINER = (
    24_000  # hex digits kept for one signature: certificate, signature, time stamp token with its chain
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why this signature is the borrower's will: the one-time code they answered, and what they had before their eyes.

    transaction: the reference that also stands in the one-time certificate; challenge_id: the code's record;
    hashes: SHA-256 in hex of the attached disclosure and terms; confirmed_at: when the code was accepted, aware.
    """

    transaction: str
    challenge_id: str
    disclosure_sha256: str
    terms_sha256: str
    confirmed_at: datetime

    def as_json(self) -> bytes:
        record = asdict(self) | {"confirmed_at": self.confirmed_at.astimezone(UTC).isoformat()}
        return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowerSignature:
    """The borrower's part: who signs, as written on the page, with which one-time certificate, on what evidence."""

    name: str
    signer: Signer
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class LenderSeal:
    name: str
    signer: Signer


def sign_contract(
    pdf: bytes,
    *,
    borrower: BorrowerSignature,
    lender: LenderSeal,
    authority: CertificateAuthority,
    at: datetime,
    timestamper: str | None = None,
    fonts: FontSet | None = None,
) -> bytes:
    """The contract with both signatures.

    pdf: what `render_contract` made; at: aware, the time both signatures claim; timestamper: address of an RFC 3161
    service, asked once per signature.
    Raises TimestampUnavailable where the service gives no usable token (safe to try again), DocumentError where the
    file cannot be signed.
    """
    if at.tzinfo is None:
        raise DocumentError(f"The signing time {at.isoformat()} has no time zone. Give an aware datetime.")
    clock = _TimeService(timestamper) if timestamper else None
    try:
        with_borrower = _sign(
            _first_revision(pdf, borrower, lender, authority, at),
            BORROWER_FIELD,
            borrower.signer,
            stamp=render_stamp("handwriting", _handwriting(borrower, at), at, fonts=fonts),
            reason=f"Confirmed by one-time code {borrower.evidence.challenge_id}",
            at=at,
            timestamper=clock,
            certify=True,
        )
        return _sign(
            _Writer(BytesIO(with_borrower)),
            LENDER_FIELD,
            lender.signer,
            stamp=render_stamp("seal", (lender.name, "合同专用章", "电子印章"), at, fonts=fonts),
            reason="Contract made by the lender",
            at=at,
            timestamper=clock,
            certify=False,
        )
    except (TimestampRequestError, httpx.HTTPError) as error:
        raise TimestampUnavailable(
            f"The time-stamping service {timestamper} gave no usable answer: {error}. Nothing was signed; try again."
        ) from error
    except (PdfError, SigningError, KeyError) as error:
        raise DocumentError(
            f"The contract could not be signed: {error}. Make the PDF again with render_contract."
        ) from error


def _handwriting(borrower: BorrowerSignature, at: datetime) -> tuple[str, ...]:
    signed = at.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M:%S")
    return borrower.name, f"数字签名 {signed}（北京时间）", f"交易编号 {borrower.evidence.transaction}"


class _Writer(IncrementalPdfFileWriter):
    """Adds a revision without touching what PDF/A-3 fixes: the version, and metadata that would carry this machine's clock."""

    def _update_meta(self) -> None: ...

    def ensure_output_version(self, version: tuple[int, int]) -> None: ...


def _first_revision(
    pdf: bytes, borrower: BorrowerSignature, lender: LenderSeal, authority: CertificateAuthority, at: datetime
) -> _Writer:
    """Everything both signatures rest on, in place before the first of them."""
    writer = _Writer(BytesIO(pdf))
    evidence = borrower.evidence
    for name, expected in ((TERMS, evidence.terms_sha256), (DISCLOSURE, evidence.disclosure_sha256)):
        if (found := sha256(read_attachment(writer.prev, name)).hexdigest()) != expected:
            raise DocumentError(
                f"The borrower confirmed {name} with SHA-256 {expected}, the contract holds {found}. "
                "Nothing was signed; show the borrower the contract's own terms and ask again."
            )
    for name, box in BOXES.items():
        fields.append_signature_field(
            writer, fields.SigFieldSpec(name, on_page=-1, box=box, readable_field_name=name)
        )
    attach(writer, EVIDENCE, evidence.as_json(), "Evidence of the borrower's will to sign", at)
    chain = (
        borrower.signer.certificate,
        *borrower.signer.issuers,
        lender.signer.certificate,
        *lender.signer.issuers,
    )
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        None,
        certs=[asn1_x509.Certificate.load(der) for der in dict.fromkeys(chain)],
        crls=[asn1_crl.CertificateList.load(authority.crl(at))],
    )
    return writer


def _sign(
    writer: _Writer,
    field: str,
    signer: Signer,
    *,
    stamp: bytes,
    reason: str,
    at: datetime,
    timestamper: timestamps.TimeStamper | None,
    certify: bool,
) -> bytes:
    """One more revision of the document with this field signed."""
    pdf_signer = signers.PdfSigner(
        signers.PdfSignatureMetadata(
            field_name=field,
            md_algorithm="sha256",
            subfilter=fields.SigSeedSubFilter.PADES,
            certify=certify,
            docmdp_permissions=fields.MDPPerm.FILL_FORMS,  # leaves room for the second signature and nothing else
            reason=reason,
        ),
        _Adapter(signer),
        timestamper=timestamper,
        stamp_style=StaticStampStyle(
            background=_Page(stamp),
            border_width=0,
            background_layout=layout.SimpleBoxLayoutRule(
                layout.AxisAlignment.ALIGN_MID, layout.AxisAlignment.ALIGN_MID
            ),
        ),
    )
    session = pdf_signer.init_signing_session(writer, existing_fields_only=True)
    session.system_time = at
    document = session.prepare_tbs_document(validation_info=None, bytes_reserved=CONTAINER)
    digest, output = document.digest_tbs_document()
    _run(document.perform_signature(digest.document_digest, PdfCMSSignedAttributes(signing_time=at)))
    return output.getvalue()


def _run(work: Coroutine[Any, Any, Any]) -> None:
    """pyHanko's last step is a coroutine; a caller may already be inside a loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
    else:
        with ThreadPoolExecutor(1) as aside:
            aside.submit(asyncio.run, work).result()


class _Adapter(signers.Signer):
    """A `Signer` of ours in pyHanko's clothes."""

    def __init__(self, signer: Signer) -> None:
        super().__init__(signing_cert=asn1_x509.Certificate.load(signer.certificate), embed_roots=False)
        self.cert_registry.register_multiple([asn1_x509.Certificate.load(der) for der in signer.issuers])
        self._signer = signer

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        return self._signer.sign(data)


class _TimeService(timestamps.TimeStamper):
    """RFC 3161 over HTTP."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        response = httpx.post(self.url, content=req.dump(), headers=headers, timeout=8).raise_for_status()
        try:
            answer = tsp.TimeStampResp.load(response.content, strict=True)
            _ = answer["status"]["status"].native  # the parser is lazy: look before trusting
        except ValueError as error:
            raise TimestampRequestError(f"the answer is not an RFC 3161 response ({error})") from error
        return answer


class _Page(content.PdfContent):
    """The only page of another PDF, as the picture of a signature."""

    def __init__(self, pdf: bytes) -> None:
        super().__init__()
        self._pdf = pdf

    def render(self) -> bytes:
        picture: Any = self._ensure_writer.import_page_as_xobject(PdfFileReader(BytesIO(self._pdf)))
        self.resources.xobject["/Picture"] = picture
        _, _, width, height = picture.get_object()["/BBox"]
        self.box = layout.BoxConstraints(width=int(width), height=int(height))
        return b"/Picture Do"
