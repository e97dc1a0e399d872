"""What is sealed opens in its own place, whole, with the bytes that were sealed; anything else is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelyrain.runtime.crypto import Undecipherable, decrypt, encrypt

PLACE = "some_table.column:1"
LONG = json.dumps({"rows": [[n, "POS:5411", None] for n in range(2_000)]}).encode()


@given(st.binary(max_size=2_000) | st.sampled_from([b"", b"x" * 511, b"x" * 512, LONG]))
def test_what_is_sealed_opens_to_the_same_bytes(value: bytes) -> None:
    sealed = encrypt(value, PLACE)
    assert decrypt(sealed, PLACE) == value
    assert encrypt(value, PLACE) != sealed  # a key of its own each time
    assert len(value) < 8 or value not in sealed


def test_documents_take_less_room_than_they_are_long() -> None:
    assert len(encrypt(LONG, PLACE)) < len(LONG) / 3


@pytest.mark.parametrize("value", [b"31", LONG], ids=["short", "long"])
def test_moved_cut_changed_or_renamed_does_not_open(value: bytes) -> None:
    sealed = encrypt(value, PLACE)
    with pytest.raises(Undecipherable, match="some_table"):
        decrypt(sealed, PLACE.replace(":1", ":2"))
    other = {b"\x01": b"\x02", b"\x02": b"\x01"}[sealed[:1]]
    changed = (bytes([byte ^ 1]) + sealed[n + 1 :] for n, byte in enumerate(sealed[:80]))
    spoiled = [sealed[:n] + rest for n, rest in enumerate(changed)]
    for bad in (
        *spoiled,
        other + sealed[1:],
        b"\x03" + sealed[1:],
        sealed[:-1],
        sealed + b"x",
        sealed[:40],
        b"",
    ):
        with pytest.raises(Undecipherable):
            decrypt(bad, PLACE)
