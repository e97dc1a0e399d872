"""Bank-account transactions (银行流水) through a data provider, here the sandbox's."""

import re
from datetime import datetime

from timelyrain.sources.adapters.document import Clock, fields, key, read
from timelyrain.sources.adapters.exchange import ask
from timelyrain.sources.ports import Extract, RawDocument, Subject

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

    def fetch(self, subject: Subject, consent_id: str, as_of: datetime, timeout: float) -> RawDocument:
        body = {
            "bank_card": subject.bank_card,
            "name": subject.name,
            "id_number": subject.id_number,
            "months": MONTHS,
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return ask(self.name, self._url, body, timeout)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_flows(document, as_of)


def parse_flows(document: bytes, as_of: datetime) -> Extract:
    """Provider's rows -> bank_flow, oldest first."""
    top = read("bank", document)
    clock = Clock(int(as_of.timestamp()))
    top.at("account", "currency").one_of("CNY")
    rows: list[tuple[int, int, int, str, int, int]] = []
    for where in fields(top, "ts", "amt", "bal", "code", "cp"):
        row = where.value
        match row:
            case [int(ts), int(amt), int(bal), str(code), str() | None as party] if bool not in map(
                type, row
            ):
                mcc = int(code[4:]) if _POS.fullmatch(code) else 0
                kind = _KINDS.get(code) or _kind(code, amt)
                rows.append((clock.check(where, ts), amt, bal, kind, key(where, party) if party else 0, mcc))
            case _:
                where.fail("must be [whole number, whole number, whole number, string, string or null]")
    names = ("at", "amount_fen", "balance_fen", "kind", "counterparty", "mcc")
    return Extract({}, {"bank_flow": {name: [row[i] for row in rows] for i, name in enumerate(names)}})


def _kind(code: str, amount: int) -> str:
    if code.startswith("POS:"):
        return "gambling" if code[4:] in _GAMBLING_MERCHANTS else "shop"
    if code == "TRF":
        return "transfer_in" if amount > 0 else "transfer_out"
    return "other"
