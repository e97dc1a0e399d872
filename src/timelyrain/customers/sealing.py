"""Personal columns of a borrower, sealed for their own row and column."""

from uuid import UUID

from timelyrain.runtime.crypto import decrypt, encrypt


def seal(column: str, row: UUID, value: str) -> bytes:
    return encrypt(value.encode(), f"customers_borrower.{column}:{row}")


def unseal(column: str, row: UUID, sealed: bytes | None) -> str:
    """Whoever calls this for somebody other than the borrower writes it down (see `services.read_person`)."""
    return decrypt(sealed or b"", f"customers_borrower.{column}:{row}").decode()
