"""One HTML page, in both languages, that loads nothing from anywhere."""

from html import escape
from importlib.resources import files

from .canvas import Words


def both(zh: str, en: str) -> str:
    """A text in both languages; the page shows one."""
    return f"<span class=zh>{escape(zh)}</span><span class=en>{escape(en)}</span>"


def figure(title: Words, picture: str, note: Words | None = None, style: str = "") -> str:
    told = f"<figcaption>{both(*note)}</figcaption>" if note else ""
    return f'<figure class="{style}"><h2>{both(*title)}</h2>{picture}{told}</figure>'


def document(title: str, body: str, css: str = "", language: str = "") -> str:
    """The page. language: in which it opens, zh or en; empty: the reader's own (Chinese where there is no script)."""
    opens = f'lang="{language or "zh"}" data-language="{language or "zh"}"' + (
        " data-asked=yes" if language else ""
    )
    return (
        f'<!doctype html><html {opens}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_file('page.css')}{css}</style></head><body>{body}"
        f"<script>{_file('page.js')}</script></body></html>\n"
    )


SWITCH = "<button id=language type=button>中文 / English</button>"


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
