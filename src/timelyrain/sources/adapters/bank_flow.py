"""Bank-account transactions (银行流水) through a data provider, here the sandbox's."""

import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from timelyrain.sources.adapters.document import MOST_ROWS, Flow, Key, columns, judge_times, keys, reader
from timelyrain.sources.ports import Column, Extract, Question, Subject

MONTHS = 12
_GAMBLING_MERCHANTS = ("7800", "7801", "7802", "7995")  # ISO 18245: lotteries, online and other betting
_POS = re.compile(r"POS:\d{4}")
_KINDS = {
    "SAL": "salary",
    "RENT": "rent",
    "UTIL": "utility",
    "ATM": "cash",
    "LNR": "loan_repayment",
    "LND": "loan_proceeds",
    "RTN": "returned_debit",
    "TRF": "transfer_out",
}


class BankFlowSource:
    name = "bank"
    purpose = "income_check"
    recipient = "bank_flow_provider"

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/bank/flows"

    def question(self, subject: Subject, consent_id: str, as_of: datetime) -> Question:
        body = {
            "bank_card": subject.bank_card,
            "name": subject.name,
            "id_number": subject.id_number,
            "months": MONTHS,
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return Question(self.name, self._url, body)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_flows(document, as_of)


class _Account(msgspec.Struct):
    currency: Literal["CNY"]


class _Flows(msgspec.Struct):
    account: _Account
    fields: tuple[Literal["ts"], Literal["amt"], Literal["bal"], Literal["code"], Literal["cp"]]
    rows: Annotated[list[tuple[int, Flow, Flow, str, Key]], MOST_ROWS]


_read = reader("bank", _Flows)


def parse_flows(document: bytes, as_of: datetime) -> Extract:
    """Provider's rows -> bank_flow, oldest first."""
    at, amounts, balances, codes, parties = columns(_read(document).rows, 5)
    judge_times("bank", at, int(as_of.timestamp()))
    merchants, kinds = {code: _mcc(code) for code in {*codes}}, {code: _kind(code) for code in {*codes}}
    flows: dict[str, Column] = {
        "at": at,
        "amount_fen": amounts,
        "balance_fen": balances,
        "kind": [
            kind if kind != "transfer_out" or amount <= 0 else "transfer_in"
            for kind, amount in zip(map(kinds.__getitem__, codes), amounts, strict=True)
        ],
        "counterparty": keys("bank", "$.rows[][4]", parties),
        "mcc": list(map(merchants.__getitem__, codes)),
    }
    return Extract({}, {"bank_flow": flows})


def _mcc(code: str) -> int:
    return int(code[4:]) if _POS.fullmatch(code) else 0


def _kind(code: str) -> str:
    """Of money that goes out, where it depends on that."""
    if code.startswith("POS:"):
        return "gambling" if code[4:] in _GAMBLING_MERCHANTS else "shop"
    return _KINDS.get(code, "other")
