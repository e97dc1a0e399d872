"""The contract as a PDF/A-3b document, with the executable terms and the disclosure attached byte for byte."""

import json
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from threading import Lock
from typing import Any, Literal
from zoneinfo import ZoneInfo

import typst

from timelyrain.drawing import FontSet, cjk_font

from .data import ContractData
from .errors import DocumentError

LOCAL = ZoneInfo("Asia/Shanghai")
DIGITS, UNITS, GROUPS = "零壹贰叁肆伍陆柒捌玖", ("", "拾", "佰", "仟"), ("", "万", "亿")

_compiling = Lock()


def render_contract(contract: ContractData, *, fonts: FontSet | None = None) -> bytes:
    """The unsigned contract. Its last page has the room for both signatures.

    Raises DocumentError naming every contradiction in the data. Where no Chinese font is found the PDF is valid
    but unreadable, and `cjk_font().warning` says so.
    """
    if problems := list(contract.problems()):
        raise DocumentError(
            f"Contract {contract.number} was not made: {'; '.join(problems)}. Correct the contract data."
        )
    fonts = fonts or cjk_font()
    inputs = {
        "data": json.dumps(_printed(contract), ensure_ascii=False),
        "terms": contract.terms_json.decode("utf-8"),
        "disclosure": contract.disclosure_json.decode("utf-8"),
    }
    # PDF/A forbids glyphs that are missing from the font, so the fallback is an ordinary PDF.
    return _compile("contract.typ", inputs, fonts, contract.signed_at, "a-3b" if fonts.sans else "1.7")


def render_stamp(
    kind: Literal["seal", "handwriting"],
    lines: tuple[str, ...],
    at: datetime,
    *,
    fonts: FontSet | None = None,
) -> bytes:
    """What a signature looks like on paper: the lender's round seal, or the borrower's name. One transparent page."""
    data = json.dumps({"kind": kind, "lines": lines}, ensure_ascii=False)
    return _compile("stamp.typ", {"data": data}, fonts or cjk_font(), at, "1.7")


def yuan(fen: int) -> str:
    """1234567 -> '12,345.67'."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def percent(ppm: int) -> str:
    """Annual rate with two decimals, more only where they carry something: 72000 -> '7.20%', 123456 -> '12.3456%'."""
    whole, rest = divmod(ppm, 10_000)
    digits = f"{rest:04d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits}%"


def amount_in_words(fen: int) -> str:
    """An amount in the capital numerals that contracts use: 1000050 -> '壹万元伍角'. 0 <= fen < 10^14."""
    if not 0 <= fen < 10**14:
        raise DocumentError(
            f"{fen} fen cannot be written in words. Use an amount from 0 up to 999,999,999,999.99 yuan."
        )
    whole, jiao, cents = fen // 100, fen // 10 % 10, fen % 10
    text, zero = "", False
    for place in range(11, -1, -1):
        digit = whole // 10**place % 10
        if digit:
            text += ("零" if zero and text else "") + DIGITS[digit] + UNITS[place % 4]
            zero = False
        else:
            zero = True
        if place % 4 == 0 and whole // 10**place % 10_000:
            text += GROUPS[place // 4]
    text = f"{text}元" if text else ""
    if not jiao and not cents:
        return (text or "零元") + "整"
    if jiao:
        text += ("零" if zero and text else "") + f"{DIGITS[jiao]}角"
    elif text:
        text += "零"
    return text + (f"{DIGITS[cents]}分" if cents else "")


def _printed(contract: ContractData) -> dict[str, Any]:
    """Every value as the text that is printed, so that the template formats nothing."""
    rows = contract.instalments
    totals = [
        sum(getattr(row, f"{part}_fen") for row in rows)
        for part in ("principal", "interest", "charges", "total")
    ]
    return {
        "number": contract.number,
        "lender": {
            "name": contract.lender.name,
            "licence": contract.lender.licence_no,
            "complaints": contract.lender.complaints,
        },
        "borrower": {
            "name": contract.borrower.name,
            "id": contract.borrower.id_masked,
            "phone": contract.borrower.phone_masked,
            "card": contract.borrower.card_masked,
        },
        "principal": yuan(contract.principal_fen),
        "principal_words": amount_in_words(contract.principal_fen),
        "cost": yuan(totals[3] - totals[0]),
        "total": yuan(totals[3]),
        "purpose": contract.purpose,
        "method": contract.method,
        "periods": len(rows),
        "rate": percent(contract.rate_ppm),
        "simple": percent(contract.annualised_simple_ppm),
        "irr": percent(contract.annualised_irr_ppm),
        "cap": f"{percent(contract.cap_ppm)}（{contract.cap_basis}）",
        "last_due": _day(rows[-1].due_on),
        "rows": [
            [
                str(r.number),
                _day(r.due_on),
                *map(yuan, (r.principal_fen, r.interest_fen, r.charges_fen, r.total_fen)),
            ]
            for r in rows
        ],
        "totals": [yuan(value) for value in totals],
        "has_charges": totals[2] != 0,
        "costs": [
            [
                c.name,
                c.payee,
                c.standard,
                yuan(c.amount_fen),
                percent(c.rate_ppm) if c.rate_ppm is not None else "—",
            ]
            for c in contract.costs
        ],
        "contingent": [[c.name, c.payee, c.standard] for c in contract.contingent],
        "nothing_else": contract.nothing_else,
        "penalty": contract.penalty,
        "prepayment": contract.prepayment,
        "conditions": list(contract.conditions),
        "allocation": " → ".join(contract.allocation),
        "consents": [[c.title, c.recipient, c.version, c.reference] for c in contract.consents],
        "signed_at": contract.signed_at.astimezone(LOCAL).strftime("%Y年%m月%d日 %H:%M:%S"),
        "signed_at_iso": contract.signed_at.astimezone(LOCAL).isoformat(timespec="seconds"),
        "terms_sha256": contract.terms_sha256,
        "disclosure_sha256": contract.disclosure_sha256,
    }


def _day(on: Any) -> str:
    return on.strftime("%Y-%m-%d")


@lru_cache(maxsize=8)
def _compiler(fonts: FontSet) -> typst.Compiler:
    return typst.Compiler(font_paths=fonts.fonts)


@lru_cache(maxsize=4)
def _template(name: str) -> bytes:
    return files(__package__ or "").joinpath(name).read_bytes()


def _compile(
    name: str, inputs: dict[str, str], fonts: FontSet, at: datetime, standard: Literal["a-3b", "1.7"]
) -> bytes:
    # The compiler keeps fonts and layouts warm between contracts; it holds one document at a time.
    with _compiling:
        try:
            pdf = _compiler(fonts).compile(
                input=_template(name),
                format="pdf",
                sys_inputs=inputs | {"sans": fonts.sans, "serif": fonts.serif},
                pdf_standards=standard,
                timestamp=int(at.timestamp()),
                pdf_tags=name == "contract.typ",
            )
        except typst.TypstError as error:
            raise DocumentError(
                f"{name} could not be set: {error.message}. {' '.join(error.hints)}".strip()
            ) from error
    assert isinstance(pdf, bytes)
    return pdf
