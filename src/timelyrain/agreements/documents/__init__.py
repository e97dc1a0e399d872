"""The contract as a document: made, signed, checked. No database and no Django: bytes in, bytes out."""

from timelyrain.drawing import FontSet, cjk_font

from .attachments import extract_attachment
from .data import Borrower, ConsentRef, ContingentRow, ContractData, CostRow, InstalmentRow, Lender
from .errors import DocumentError, TimestampUnavailable
from .pki import CertificateAuthority, DemoAuthority, KeySigner, Signer
from .render import render_contract
from .signing import BorrowerSignature, Evidence, LenderSeal, sign_contract
from .verify import (
    IndependentVerdict,
    SignerCheck,
    Verification,
    independent_check,
    verify_contract,
)

__all__ = [
    "Borrower",
    "BorrowerSignature",
    "CertificateAuthority",
    "ConsentRef",
    "ContingentRow",
    "ContractData",
    "CostRow",
    "DemoAuthority",
    "DocumentError",
    "Evidence",
    "FontSet",
    "IndependentVerdict",
    "InstalmentRow",
    "KeySigner",
    "Lender",
    "LenderSeal",
    "Signer",
    "SignerCheck",
    "TimestampUnavailable",
    "Verification",
    "cjk_font",
    "extract_attachment",
    "independent_check",
    "render_contract",
    "sign_contract",
    "verify_contract",
]
