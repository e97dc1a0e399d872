"""Who vouches for a signature. The demo authority keeps its keys in a directory; a licensed one takes its place unseen.

Time is always an argument: a certificate is valid around the moment it is made for, so that simulated years work.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from .errors import DocumentError

SKEW = timedelta(minutes=5)  # clocks of the parties may differ by this much
ONE_TIME_LIFE = timedelta(hours=24)
SEAL_LIFE = timedelta(days=3 * 365)
CRL_LIFE = timedelta(days=7)
ROOT_LIFE = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC))

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Signer(Protocol):
    """A certificate and the power to sign with its key, wherever the key lives."""

    @property
    def certificate(self) -> bytes:
        """DER."""
        ...

    @property
    def issuers(self) -> tuple[bytes, ...]:
        """DER certificates between `certificate` and the root, both excluded."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Over SHA-256 of `data`: PKCS #1 v1.5 for an RSA certificate, DER-encoded ECDSA for an EC one."""
        ...


class CertificateAuthority(Protocol):
    """What signing a contract needs from a certification service."""

    @property
    def root(self) -> bytes:
        """The trust anchor, PEM."""
        ...

    def one_time(self, name_masked: str, reference: str, at: datetime) -> Signer:
        """A fresh key and short-lived certificate for one person and one transaction."""
        ...

    def seal(self, organisation: str, at: datetime) -> Signer:
        """The organisation's seal, valid at `at`."""
        ...

    def crl(self, at: datetime) -> bytes:
        """The list of revoked certificates as of `at`, DER."""
        ...


@dataclass(frozen=True, slots=True)
class KeySigner:
    """A `Signer` whose key is in this process."""

    certificate: bytes
    key: PrivateKey
    issuers: tuple[bytes, ...] = ()

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


class DemoAuthority:
    """A certificate authority of our own, for demonstration: it certifies nobody's identity.

    directory: holds root.pem, seal-*.pem (key and certificate, mode 0600) and revoked.txt; made on first use.
    Several processes may share it: the first to write a file wins and the others read it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root_certificate, self._root_key = self._kept("root.pem", self._make_root)

    @property
    def root(self) -> bytes:
        return self._root_certificate.public_bytes(serialization.Encoding.PEM)

    def one_time(self, name_masked: str, reference: str, at: datetime) -> KeySigner:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name_masked, "One-time certificate (demo)", reference)
        return self._signer(self._issue(subject, key, at, ONE_TIME_LIFE), key)

    def seal(self, organisation: str, at: datetime) -> KeySigner:
        """One key per organisation and run of certificates; the next certificate is made when the last one is out of time."""
        stem = f"seal-{organisation.encode().hex()[:40]}"
        for path in sorted(self.directory.glob(f"{stem}-*.pem")):
            certificate, key = _read(path)
            in_time = certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
            if in_time and certificate.serial_number not in self._revoked():
                return self._signer(certificate, key)

        def make() -> tuple[x509.Certificate, PrivateKey]:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._issue(_name(organisation, organisation, None), key, at, SEAL_LIFE), key

        return self._signer(*self._kept(f"{stem}-{at:%Y%m%d}-{token_hex(4)}.pem", make))

    def revoke(self, certificate: bytes, at: datetime) -> None:
        """Lists the certificate (DER) as revoked from `at` on."""
        serial = x509.load_der_x509_certificate(certificate).serial_number
        with (self.directory / "revoked.txt").open("a") as listed:
            listed.write(f"{serial:x} {at.astimezone(UTC).isoformat()}\n")

    def crl(self, at: datetime) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._root_certificate.subject)
            .last_update(at - SKEW)
            .next_update(at + CRL_LIFE)
            .add_extension(x509.CRLNumber(int(at.timestamp() * 1000)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._root_key.public_key()),
                critical=False,
            )
        )
        for serial, since in self._revoked().items():
            if since <= at:
                entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
                builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._root_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _revoked(self) -> dict[int, datetime]:
        path = self.directory / "revoked.txt"
        pairs = (line.split() for line in path.read_text().splitlines()) if path.exists() else ()
        return {int(serial, 16): datetime.fromisoformat(since) for serial, since in pairs}

    def _make_root(self) -> tuple[x509.Certificate, PrivateKey]:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = _name("TimelyRain Demo Root CA", "TimelyRain demo, not a licensed authority", token_hex(4))
        usage = _usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *ROOT_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return certificate, key

    def _issue(self, subject: x509.Name, key: PrivateKey, at: datetime, life: timedelta) -> x509.Certificate:
        if not ROOT_LIFE[0] <= at - SKEW or not at + life <= ROOT_LIFE[1]:
            raise DocumentError(
                f"The demo authority cannot certify at {at.isoformat()}: its root is valid "
                f"from {ROOT_LIFE[0]:%Y} to {ROOT_LIFE[1]:%Y}. Move the clock into that span."
            )
        issuer = self._root_certificate
        return (
            x509.CertificateBuilder(
                issuer.subject, subject, key.public_key(), x509.random_serial_number(), at - SKEW, at + life
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True, content_commitment=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._root_key.public_key()),
                critical=False,
            )
            .sign(self._root_key, hashes.SHA256())
        )

    @staticmethod
    def _signer(certificate: x509.Certificate, key: PrivateKey) -> KeySigner:
        return KeySigner(certificate.public_bytes(serialization.Encoding.DER), key)

    def _kept(self, name: str, make: "Maker") -> tuple[x509.Certificate, PrivateKey]:
        """The certificate and key of a file, made first where it is missing."""
        path = self.directory / name
        if not path.exists():
            certificate, key = make()
            draft = self.directory / f".{name}.{token_hex(6)}"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(
                    key.private_bytes(
                        serialization.Encoding.PEM,
                        serialization.PrivateFormat.PKCS8,
                        serialization.NoEncryption(),
                    )
                )
                out.write(certificate.public_bytes(serialization.Encoding.PEM))
            try:
                os.link(draft, path)  # atomic, and fails where another process was first
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return _read(path)


class Maker(Protocol):
    def __call__(self) -> tuple[x509.Certificate, PrivateKey]: ...


def _read(path: Path) -> tuple[x509.Certificate, PrivateKey]:
    try:
        pem = path.read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificate(pem)
    except (OSError, ValueError) as error:
        raise DocumentError(
            f"{path} holds no readable key and certificate: {error}. Restore it from a backup, or move the directory away "
            "to start a new demo authority (contracts signed before then need the old root)."
        ) from error
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return certificate, key


def _name(common: str, organisation: str, serial: str | None) -> x509.Name:
    parts = [
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, organisation),
        (NameOID.COMMON_NAME, common),
    ]
    if serial:
        parts.append((NameOID.SERIAL_NUMBER, serial))
    return x509.Name([x509.NameAttribute(oid, value[:64]) for oid, value in parts])


def _usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
