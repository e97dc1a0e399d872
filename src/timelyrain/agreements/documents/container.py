"""The signature container of a PDF: the one hole in the file that no signature covers.

Readers forgive a great deal there (unused fields, spare certificates, padding). A contract of ours must not be alterable
by a single byte without notice, so the container must be exactly what its protected parts make of it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from asn1crypto import algos, cms
from asn1crypto import parser as asn1_parser
from cryptography import x509
from cryptography.exceptions import InvalidSignature

TIME_STAMP = "signature_time_stamp_token"
PLAIN_PARAMETERS = (b"", b"\x05\x00")  # absent or NULL


def container_problems(hole: bytes, roots: Iterable[bytes]) -> Iterator[str]:
    """What is loose in a container. hole: the file's bytes between the signed ranges, `<hex>`; roots: DER."""
    digits = hole[1:-1]
    try:
        padded = bytes.fromhex(digits.decode("ascii"))
        der = padded[: asn1_parser.peek(padded)]
        container = cms.ContentInfo.load(der, strict=True)
        rebuilt = _rebuilt(container)
        certificates = [x509.load_der_x509_certificate(der) for der in _certificates(container)]
    except (ValueError, KeyError, TypeError) as error:
        yield f"its container is not a well-formed signature ({error})"
        return
    written = der.hex().encode().ljust(len(digits), b"0")
    if hole not in (b"<%b>" % written, b"<%b>" % written.upper()) or rebuilt != der:
        yield "its container holds bytes that are not part of the signature"
    issuers = [*certificates, *map(x509.load_der_x509_certificate, roots)]
    for certificate in certificates:
        if not any(_issued(certificate, issuer) for issuer in issuers):
            yield f"its container holds a certificate that nobody there vouches for ({certificate.subject.rfc4514_string()})"


def time_tokens(signer_info: Any) -> Iterator[Any]:
    """The time stamps of a signature, as content infos."""
    for attribute in signer_info["unsigned_attrs"] or ():
        if attribute["type"].native == TIME_STAMP:
            yield from attribute["values"]


def _rebuilt(container: Any) -> bytes:
    """The container written anew from the parts that its own signature (or a check elsewhere) protects."""
    data = container["content"]
    (signer,) = data["signer_infos"]
    plain = data["encap_content_info"]["content_type"].native == "data"
    by_serial = signer["sid"].name == "issuer_and_serial_number"
    digest = _algorithm(signer["digest_algorithm"], algos.DigestAlgorithm)
    tokens = list(time_tokens(signer))
    for token in tokens:
        if _rebuilt(token) != token.dump():
            raise ValueError("loose bytes in the time stamp")
    unsigned = [{"type": TIME_STAMP, "values": [token]} for token in tokens]
    return cms.ContentInfo(
        {
            "content_type": "signed_data",
            "content": {
                "version": "v1" if plain and by_serial else "v3",
                "digest_algorithms": [digest],
                "encap_content_info": data["encap_content_info"],
                "certificates": data["certificates"],
                "signer_infos": [
                    {
                        "version": "v1" if by_serial else "v3",
                        "sid": signer["sid"],
                        "digest_algorithm": digest,
                        "signed_attrs": signer["signed_attrs"],
                        "signature_algorithm": _algorithm(
                            signer["signature_algorithm"], algos.SignedDigestAlgorithm
                        ),
                        "signature": signer["signature"].native,
                        **({"unsigned_attrs": unsigned} if unsigned else {}),
                    }
                ],
            },
        }
    ).dump()


def _algorithm(given: Any, kind: Any) -> Any:
    name, parameters = given["algorithm"].native, given["parameters"]
    if name != "rsassa_pss" and parameters.dump() not in PLAIN_PARAMETERS:
        raise ValueError(f"{name} with parameters")
    return kind({"algorithm": name, "parameters": parameters})


def _certificates(container: Any) -> Iterator[bytes]:
    data = container["content"]
    for choice in data["certificates"]:
        yield choice.chosen.dump()
    for token in time_tokens(data["signer_infos"][0]):
        yield from _certificates(token)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
