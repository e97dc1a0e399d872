"""Bank-account transactions (银行流水) through a data provider, here the sandbox's."""

import re
from datetime import datetime
from functools import lru_cache

from timelyrain.sources.adapters.document import read, table
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
    "OTH": "other",
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


def parse_flows(document: bytes, as_of: datetime) -> Extract:
    """Provider's rows -> bank_flow, oldest first."""
    top = read("bank", document)
    top.at("account", "currency").one_of("CNY")
    found = table(
        top, int(as_of.timestamp()), ts="time", amt="whole", bal="whole", code="text", cp="key or null"
    )
    codes = found["code"]
    columns: dict[str, Column] = {
        "at": found["ts"],
        "amount_fen": found["amt"],
        "balance_fen": found["bal"],
        "kind": [_kind(code, amount > 0) for code, amount in zip(codes, found["amt"], strict=True)],
        "counterparty": found["cp"],
        "mcc": [_mcc(code) for code in codes],
    }
    return Extract({}, {"bank_flow": columns})


@lru_cache(maxsize=4096)
def _mcc(code: str) -> int:
    return int(code[4:]) if _POS.fullmatch(code) else 0


@lru_cache(maxsize=4096)
def _kind(code: str, inward: bool) -> str:
    if code in _KINDS:
        return _KINDS[code]
    if code.startswith("POS:"):
        return "gambling" if code[4:] in _GAMBLING_MERCHANTS else "shop"
    if code == "TRF":
        return "transfer_in" if inward else "transfer_out"
    return "other"
