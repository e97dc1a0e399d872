"""The hash tree against the vectors of the certificate-transparency project and against RFC 6962 read naively."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelyrain.audit import merkle

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]


def naive_root(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size):
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]
    assert merkle.head_of(merkle.grow((), 0, LEAVES[:size])).hex() == ROOTS[size]


@given(st.lists(st.binary(max_size=4), max_size=70), st.data())
def test_roots_of_any_size_whether_at_once_or_grown(entries, data):
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    assert merkle.root(leaves) == naive_root(entries)
    cut = data.draw(st.integers(0, len(leaves)))
    peaks = merkle.grow((), 0, leaves[:cut])
    assert len(peaks) == cut.bit_count()
    assert merkle.head_of(merkle.grow(peaks, cut, leaves[cut:])) == naive_root(entries)


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65, 100])
def test_every_leaf_is_proven_and_nothing_else_is(size):
    leaves = [merkle.leaf_hash(n.to_bytes(2)) for n in range(size)]
    head = merkle.root(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle.inclusion_proof(leaves, index)
        assert merkle.verify_inclusion(leaf, index, size, proof, head)
        assert not merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, head)
        assert not merkle.verify_inclusion(leaf, index, size, [*proof, head], head)
        assert not merkle.verify_inclusion(leaf, size, size, proof, head)
        if proof:
            assert not merkle.verify_inclusion(leaf, index, size, proof[:-1], head)
            assert not merkle.verify_inclusion(leaf, (index + 1) % size, size, proof, head)
            broken = [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]]
            assert not merkle.verify_inclusion(leaf, index, size, broken, head)
