"""One contract, made and signed for real, shared by the tests of this room."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.agreements.documents.tsa import Tsa, serve_tsa
from timelyrain.agreements.documents import (
    Borrower,
    BorrowerSignature,
    ConsentRef,
    ContingentRow,
    ContractData,
    CostRow,
    DemoAuthority,
    Evidence,
    InstalmentRow,
    Lender,
    LenderSeal,
    render_contract,
    sign_contract,
)

AT = datetime(2031, 5, 20, 4, 0, tzinfo=UTC)  # far from the real date: documents know no clock of their own
LENDER = "及时雨示范消费金融有限公司"
TERMS = json.dumps(
    {"principal_fen": 1_200_000, "备注": "条款，含\n换行 和 空格"}, ensure_ascii=False
).encode()


def make_contract(periods: int = 12, **changes: Any) -> ContractData:
    principal = 1_200_000
    share = principal // periods
    rows = tuple(
        InstalmentRow(
            number=n,
            due_on=date(2031 + (5 + n) // 12, (5 + n) % 12 + 1, 20),
            principal_fen=share if n < periods else principal - share * (periods - 1),
            interest_fen=100 * (periods - n + 1),
        )
        for n in range(1, periods + 1)
    )
    contract = ContractData(
        number="TR20310520000001",
        lender=Lender(name=LENDER, licence_no="DEMO-L0000H000000001", complaints="400-000-0000"),
        borrower=Borrower(
            name="张晓雨",
            id_masked="110105********0021",
            phone_masked="138****8000",
            card_masked="示范银行 尾号 0006",
        ),
        principal_fen=principal,
        purpose="个人日常消费",
        method="等额本金",
        rate_ppm=128_000,
        annualised_simple_ppm=128_000,
        annualised_irr_ppm=135_791,
        cap_ppm=240_000,
        instalments=rows,
        costs=(
            CostRow(
                name="利息",
                payee=LENDER,
                standard="按剩余本金逐期计收",
                amount_fen=sum(r.interest_fen for r in rows),
                rate_ppm=128_000,
            ),
        ),
        contingent=(ContingentRow(name="逾期罚息", payee=LENDER, standard="逾期本金按日计收"),),
        penalty="乙方未按期足额还款的，就逾期本金按日计收罚息。",
        prepayment="乙方可随时提前归还借款，利息按实际用款计算，不收取违约金。",
        allocation=("费用", "利息", "本金"),
        consents=(
            ConsentRef(title="征信查询", recipient="示范征信机构", version="2031-01", reference="c-1"),
        ),
        signed_at=AT,
        terms_json=TERMS,
        disclosure_json=b'{"annualised_irr_ppm":135791}',
    )
    return replace(contract, **changes)


def sign(
    contract: ContractData,
    authority: DemoAuthority,
    at: datetime = AT,
    pdf: bytes | None = None,
    **changes: Any,
) -> bytes:
    evidence = Evidence(
        transaction=contract.number,
        challenge_id="challenge-1",
        disclosure_sha256=contract.disclosure_sha256,
        terms_sha256=contract.terms_sha256,
        confirmed_at=at,
    )
    borrower = BorrowerSignature(
        name=contract.borrower.name,
        signer=authority.one_time("张*雨", contract.number, at),
        evidence=evidence,
    )
    parts: dict[str, Any] = {
        "borrower": borrower,
        "lender": LenderSeal(name=LENDER, signer=authority.seal(LENDER, at)),
        "authority": authority,
        "at": at,
    }
    return sign_contract(render_contract(contract) if pdf is None else pdf, **(parts | changes))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> DemoAuthority:
    return DemoAuthority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="session")
def signed(authority: DemoAuthority) -> bytes:
    return sign(make_contract(), authority)


@pytest.fixture
def tsa() -> Iterator[Tsa]:
    with serve_tsa(AT) as service:
        yield service


@pytest.fixture
def needs_tool() -> Callable[[str], str]:
    """Skips where a poppler program is missing."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed (Debian: apt-get install poppler-utils)")
        return path

    return find


@pytest.fixture
def no_fonts(tmp_path: Path) -> Path:
    """An empty directory of fonts."""
    (tmp_path / "fonts").mkdir()
    return tmp_path / "fonts"
