"""Finding a font that can write Chinese. Without one a document is still made, but shows boxes."""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import typst

log = logging.getLogger(__name__)

# Best first; any of them holds the simplified characters a contract needs. Other Chinese families serve as a last resort.
SANS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Hiragino Sans GB",
    "Microsoft YaHei", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "SimHei", "Droid Sans Fallback",
    "Noto Serif CJK SC", "Noto Serif SC", "Source Han Serif SC", "Songti SC", "SimSun", "AR PL UMing CN", "FangSong",
)  # fmt: skip
SERIF = (
    "Noto Serif CJK SC",
    "Noto Serif SC",
    "Source Han Serif SC",
    "Songti SC",
    "SimSun",
    "AR PL UMing CN",
    "FangSong",
)

NO_FONT = (
    "No Chinese font was found: documents are made (and contracts can be verified), but their text shows as boxes. "
    "Install one (Debian: `apt-get install fonts-noto-cjk`, or `make deps-system`) or put an .otf/.ttf/.ttc file "
    "into the directory named by TIMELYRAIN_FONT_DIR or into var/fonts, then restart."
)


@dataclass(frozen=True, slots=True)
class FontSet:
    """The families to write with, best first; `sans` is empty where no Chinese font was found."""

    sans: str
    serif: str
    fonts: typst.Fonts

    @property
    def warning(self) -> str | None:
        return None if self.sans else NO_FONT


def cjk_font(directories: Iterable[Path] | None = None, *, system: bool = True) -> FontSet:
    """The Chinese fonts of this machine.

    directories: where to look first, default TIMELYRAIN_FONT_DIR and `fonts` under TIMELYRAIN_HOME;
    system: whether the system's font directories count.
    """
    if directories is None:
        named = os.environ.get("TIMELYRAIN_FONT_DIR")
        home = Path(os.environ.get("TIMELYRAIN_HOME", "var"))
        directories = ([Path(named)] if named else []) + [home / "fonts"]
    return _search(tuple(str(path) for path in directories if path.is_dir()), system)


@lru_cache(maxsize=8)
def _search(directories: tuple[str, ...], system: bool) -> FontSet:
    fonts = typst.Fonts(
        include_system_fonts=system, include_embedded_fonts=True, font_paths=list(directories)
    )
    present = set(fonts.families())
    lesser = sorted(
        family for family in present if re.search(r"CJK|Hei|Song|Kai|Ming|Fang|WenQuanYi|Han S", family)
    )
    sans = next((family for family in (*SANS, *lesser) if family in present), "")
    serif = next((family for family in SERIF if family in present), sans)
    if not sans:
        log.warning(NO_FONT)
    return FontSet(sans, serif, fonts)
