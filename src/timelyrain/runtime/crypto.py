"""Encryption of personal fields and blind indexes for looking them up.

Envelope: each value has its own data key, wrapped by the key-encryption key; a first byte names the scheme: the value as it is or
deflated, which spares documents and records most of their room. Table, column and row are bound as associated data, so a
ciphertext moved to another place does not open. Keys are files of `home/keys` (mode 0600) or come from a key service through the
same two functions; the blind-index key is a separate one because ID numbers can be enumerated without it.
"""

import hashlib
import hmac
import os
import secrets
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from isal import isal_zlib

_PLAIN, _DEFLATED = b"\x01", b"\x02"
_SHORT = 512  # bytes that are not worth deflating
_NONCE, _WRAPPED = 12, 48


class Undecipherable(Exception):
    """A stored value does not open: another key, another place, or it was changed."""


def local_secret(path: Path) -> bytes:
    """32 random bytes kept in a private file, made at the first call; two makers at once agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()


@cache
def _keys() -> tuple[AESGCM, bytes]:
    from django.conf import settings

    keys = settings.HOME / "keys"
    return AESGCM(local_secret(keys / "fields")), local_secret(keys / "blind-index")


def encrypt(value: bytes, place: str) -> bytes:
    """Seal `value` for one `place` ("table.column:row")."""
    scheme = _PLAIN
    if len(value) >= _SHORT:
        scheme, value = _DEFLATED, isal_zlib.compress(value, 1)
    (wrapping, _), about = _keys(), _about(scheme, place)
    key, nonce = AESGCM.generate_key(256), secrets.token_bytes(_NONCE)
    return scheme + nonce + wrapping.encrypt(nonce, key, about) + AESGCM(key).encrypt(nonce, value, about)


def decrypt(sealed: bytes, place: str) -> bytes:
    sealed = bytes(sealed)
    scheme, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
    if scheme not in (_PLAIN, _DEFLATED):
        raise Undecipherable(f"{place}: unknown envelope version {scheme!r}")
    (wrapping, _), about = _keys(), _about(scheme, place)
    try:
        key = wrapping.decrypt(nonce, rest[:_WRAPPED], about)
        value = AESGCM(key).decrypt(nonce, rest[_WRAPPED:], about)
        return zlib.decompress(value) if scheme == _DEFLATED else value
    except (InvalidTag, ValueError) as error:  # ValueError: cut short
        raise Undecipherable(f"{place}: does not open with the present key") from error


def _about(scheme: bytes, place: str) -> bytes:
    """What a ciphertext is bound to; of another scheme it does not open either."""
    return place.encode() + (scheme if scheme != _PLAIN else b"")


def blind_index(kind: str, value: str) -> bytes:
    """A keyed digest by which an encrypted value can be found again, 32 bytes."""
    return hmac.digest(_keys()[1], f"{kind}:{value}".encode(), hashlib.sha256)
