"""A folder of numbered Arrow files, each named by the hash of its own bytes: what was computed once and can be believed."""

import hashlib
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True)
class Chunks:
    """`<number>-<hash>.arrow` in a folder. A file is written whole or not at all, whenever the process dies."""

    folder: Path

    def found(self) -> Mapping[int, Path]:
        """Number -> file; what is not named as a chunk is left alone."""
        files = sorted(self.folder.glob("*-*.arrow")) if self.folder.exists() else []
        return {int(file.name[:6]): file for file in files if file.name[:6].isdigit()}

    def put(self, number: int, content: bytes) -> Path:
        """Keep this content under the number, in place of any other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{number:06}-{_hash(content)}.arrow"
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
        for other in self.folder.glob(f"{number:06}-*.arrow"):
            if other != path:
                other.unlink()
        return path

    def get(self, number: int) -> pl.DataFrame | None:
        """None when it is not there or its bytes are not those of its name."""
        path = self.found().get(number)
        return read(path) if path else None

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def read(path: Path) -> pl.DataFrame | None:
    """A chunk; None when its bytes are not those that its name tells."""
    content = path.read_bytes()
    if path.stem.partition("-")[2] != _hash(content):
        return None
    return pl.read_ipc(content)


def packed(frame: pl.DataFrame) -> bytes:
    """The frame as Arrow bytes, every column in the least type that holds it; equal frames give equal bytes."""
    small = pl.DataFrame([column.shrink_dtype() for column in frame.get_columns()])
    buffer = io.BytesIO()
    small.rechunk().write_ipc(buffer, compression="lz4")
    return buffer.getvalue()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
