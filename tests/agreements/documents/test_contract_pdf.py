"""What the rendered contract says, and what it refuses to say."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from tests.agreements.documents.conftest import AT, TERMS, make_contract, sign
from timelyrain.agreements.documents import (
    DemoAuthority,
    DocumentError,
    cjk_font,
    extract_attachment,
    render_contract,
    verify_contract,
)
from timelyrain.agreements.documents.render import amount_in_words, percent, yuan

needs_font = pytest.mark.skipif(not cjk_font().sans, reason=f"no Chinese font here: {cjk_font().warning}")


@pytest.mark.parametrize(
    ("fen", "words"),
    [
        (0, "零元整"),
        (1, "壹分"),
        (10, "壹角"),
        (105, "壹元零伍分"),
        (1_200_000, "壹万贰仟元整"),
        (1_000_100, "壹万零壹元整"),
        (1_000_050, "壹万元零伍角"),
        (100_010_000, "壹佰万零壹佰元整"),
        (2_000_000_000, "贰仟万元整"),
        (10_000_000_000, "壹亿元整"),
        (1_000_000_000_100, "壹佰亿零壹元整"),
        (1_234_567_890_123, "壹佰贰拾叁亿肆仟伍佰陆拾柒万捌仟玖佰零壹元贰角叁分"),
    ],
)
def test_amounts_in_words(fen: int, words: str) -> None:
    assert amount_in_words(fen) == words


def test_an_amount_beyond_words_is_refused() -> None:
    with pytest.raises(DocumentError, match="-1 fen cannot be written in words"):
        amount_in_words(-1)


def test_printed_numbers_lose_nothing() -> None:
    assert (yuan(1_234_567), yuan(5), yuan(-150)) == ("12,345.67", "0.05", "-1.50")
    assert (percent(128_000), percent(0), percent(135_791)) == ("12.80%", "0.00%", "13.5791%")


@needs_font
def test_every_figure_stands_in_the_text(tmp_path: Path, needs_tool: Callable[[str], str]) -> None:
    pdftotext = needs_tool("pdftotext")
    agreed = ("前 2 期只还利息，不还本金。", "应还日为每月 15 日。")
    contract = make_contract(conditions=agreed)
    file = tmp_path / "contract.pdf"
    file.write_bytes(render_contract(contract))
    text = subprocess.run(
        [pdftotext, "-layout", str(file), "-"], capture_output=True, text=True, check=True
    ).stdout
    flat = "".join(text.split())
    said = [
        contract.number,
        "12.80%",
        "13.5791%",
        "24.00%",
        "12,000.00",
        "壹万贰仟元整",
        contract.nothing_else,
    ]
    said += [contract.terms_sha256, contract.disclosure_sha256, contract.borrower.name, contract.lender.name]
    said += [*agreed, contract.penalty, contract.prepayment, "费用→利息→本金", "逾期罚息"]
    said += [yuan(row.total_fen) for row in contract.instalments]
    said += [row.due_on.isoformat() for row in contract.instalments]
    assert [phrase for phrase in said if "".join(phrase.split()) not in flat] == []


def test_terms_and_disclosure_are_attached_byte_for_byte() -> None:
    pdf = render_contract(make_contract())
    assert extract_attachment(pdf, "terms.json") == TERMS
    assert extract_attachment(pdf, "disclosure.json") == make_contract().disclosure_json
    with pytest.raises(DocumentError, match=r"0 attachments named evidence\.json"):
        extract_attachment(pdf, "evidence.json")


@needs_font
def test_it_is_an_archive_document_and_the_same_every_time() -> None:
    pdf = render_contract(make_contract())
    assert b"<pdfaid:part>3</pdfaid:part>" in pdf
    assert pdf == render_contract(make_contract())


def test_a_long_plan_still_ends_with_the_page_of_signatures(authority: DemoAuthority) -> None:
    short, long = (make_contract(periods) for periods in (3, 60))
    pages = [
        int(str(PdfFileReader(BytesIO(render_contract(c))).root["/Pages"]["/Count"])) for c in (short, long)
    ]
    assert pages[1] > pages[0]
    assert verify_contract(sign(long, authority), [authority.root], AT).valid


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"instalments": ()}, "there are no instalments"),
        (
            {"instalments": (replace(make_contract(1).instalments[0], interest_fen=-1),)},
            "instalment 1 has a negative amount",
        ),
        ({"principal_fen": 1_200_001}, "repay 1200000 fen of principal, the loan is 1200001 fen"),
        ({"costs": ()}, "the cost table discloses 0 fen"),
        ({"cap_ppm": 127_999}, "128000 ppm is above the cap of 127999 ppm"),
        ({"cap_basis": "复利", "cap_ppm": 130_000}, "135791 ppm is above the cap"),
        ({"signed_at": AT.replace(tzinfo=None)}, "has no time zone"),
        ({"terms_json": b"\xff{}"}, "terms_json is not UTF-8 JSON"),
        ({"disclosure_json": b"{"}, "disclosure_json is not UTF-8 JSON"),
    ],
)
def test_a_contract_that_contradicts_itself_is_not_made(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(DocumentError, match=complaint):
        render_contract(replace(make_contract(), **changes))  # type: ignore[arg-type]


def test_without_a_chinese_font_it_is_still_made_and_says_so(
    authority: DemoAuthority, no_fonts: Path
) -> None:
    fonts = cjk_font((no_fonts,), system=False)
    assert fonts.warning and "fonts-noto-cjk" in fonts.warning
    contract = make_contract()
    signed = sign(contract, authority, pdf=render_contract(contract, fonts=fonts), fonts=fonts)
    found = verify_contract(signed, [authority.root], AT)
    assert (found.valid, found.problems, found.terms) == (True, (), TERMS)


@needs_font
def test_a_font_from_the_named_directory_is_used(monkeypatch: pytest.MonkeyPatch, no_fonts: Path) -> None:
    monkeypatch.setenv("TIMELYRAIN_FONT_DIR", str(no_fonts))
    monkeypatch.setenv("TIMELYRAIN_HOME", str(no_fonts / "nowhere"))
    assert cjk_font(system=False).sans == ""
    known = cjk_font()
    path = next(font.path for font in known.fonts.fonts() if font.family == known.sans and font.path)
    other = no_fonts.with_name("more")
    other.mkdir()
    (other / Path(path).name).symlink_to(path)
    monkeypatch.setenv("TIMELYRAIN_FONT_DIR", str(other))
    assert cjk_font(system=False).sans == known.sans
