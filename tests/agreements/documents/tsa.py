"""A time-stamping authority over HTTP for the tests: real RFC 3161 tokens, at a time the test chooses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from asn1crypto import keys as asn1_keys
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper


@dataclass
class Tsa:
    """url to ask; root: PEM of its self-made root; now: what its clock shows; broken: it answers with rubbish."""

    url: str
    root: bytes
    now: datetime
    asked: int = 0
    broken: bool = False


@contextmanager
def serve_tsa(now: datetime) -> Iterator[Tsa]:
    root_key, key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    span = (now - timedelta(days=365), now + timedelta(days=3650))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test TSA root")])
    root = (
        x509.CertificateBuilder(name, name, root_key.public_key(), x509.random_serial_number(), *span)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test TSA")])
    certificate = (
        x509.CertificateBuilder(name, subject, key.public_key(), x509.random_serial_number(), *span)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    own = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = tsp.TimeStampReq.load(self.rfile.read(int(self.headers["Content-Length"])))
            authority = DummyTimeStamper(own, asn1_keys.PrivateKeyInfo.load(private), fixed_dt=tsa.now)
            body = b"sorry" if tsa.broken else authority.request_tsa_response(request).dump()
            tsa.asked += 1
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tsa = Tsa(
        f"http://127.0.0.1:{server.server_port}/tsa", root.public_bytes(serialization.Encoding.PEM), now
    )
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield tsa
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
