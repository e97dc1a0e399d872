"""A time-stamp authority (RFC 3161) with a demo certificate kept beside the state file."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from asn1crypto import keys, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps import DummyTimeStamper

from timelyrain.sandbox.web import Refusal

_ENCODING = serialization.Encoding


def _make(path: Path) -> None:
    """Key and self-signed certificate in one PEM file, written whole or not at all."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TimelyRain sandbox TSA (demo, not trusted)")])
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime.now(UTC) + timedelta(days=365 * 20))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    whole = key.private_bytes(_ENCODING.PEM, pkcs8, plain) + cert.public_bytes(_ENCODING.PEM)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_bytes(whole)
    part.rename(path)


@lru_cache(maxsize=4)
def _authority(path: Path) -> tuple[asn1_x509.Certificate, keys.PrivateKeyInfo]:
    if not path.exists():
        _make(path)
    pem = path.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    cert = x509.load_pem_x509_certificate(pem)
    der = key.private_bytes(_ENCODING.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return asn1_x509.Certificate.load(cert.public_bytes(_ENCODING.DER)), keys.PrivateKeyInfo.load(der)


def stamp(state: Path, request: bytes, at: datetime) -> bytes:
    """TimeStampReq (DER) -> TimeStampResp (DER), stating the time `at`."""
    try:
        asked = tsp.TimeStampReq.load(request, strict=True)
        asked["message_imprint"].native  # noqa: B018  asn1crypto parses lazily: this is what finds a broken request
        cert, key = _authority(state.with_suffix(".tsa.pem"))
        return DummyTimeStamper(cert, key, fixed_dt=at).request_tsa_response(asked).dump()
    except ValueError as bad:
        raise Refusal(400, "bad_request", f"the body is no RFC 3161 TimeStampReq: {bad}") from None


def certificate(state: Path) -> bytes:
    """The authority's certificate, PEM."""
    cert, _ = _authority(state.with_suffix(".tsa.pem"))
    return x509.load_der_x509_certificate(cert.dump()).public_bytes(_ENCODING.PEM)
