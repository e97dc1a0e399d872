"""Bank-account transactions (银行流水) through a data provider, here the sandbox's."""

from datetime import datetime

from timelyrain.sources.adapters.document import read
from timelyrain.sources.adapters.exchange import ask
from timelyrain.sources.ports import Extract, RawDocument, Subject

MONTHS = 12
_FIELDS = ["ts", "amt", "bal", "code"]
_GAMBLING_MERCHANTS = ("7800", "7801", "7802", "7995")  # ISO 18245: lotteries, online and other betting
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
    top, now = read("bank", document), int(as_of.timestamp())
    if top.at("fields").value != _FIELDS:
        top.at("fields").fail(f"must be {_FIELDS}")
    top.at("account", "currency").one_of("CNY")
    at: list[int] = []
    amount: list[int] = []
    balance: list[int] = []
    kind: list[str] = []
    last = 0
    for where in top.at("rows").each():
        row = where.value
        match row:
            case [int(ts), int(amt), int(bal), str(code)] if bool not in map(type, row):
                if not last <= ts <= now:
                    where.fail(f"time {ts} is before the row above or after {now}")
                at.append(ts)
                amount.append(amt)
                balance.append(bal)
                kind.append(_KINDS.get(code) or _kind(code, amt))
                last = ts
            case _:
                where.fail("must be [whole number, whole number, whole number, string]")
    return Extract({}, {"bank_flow": {"at": at, "amount_fen": amount, "balance_fen": balance, "kind": kind}})


def _kind(code: str, amount: int) -> str:
    if code.startswith("POS:"):
        return "gambling" if code[4:] in _GAMBLING_MERCHANTS else "shop"
    if code == "TRF":
        return "transfer_in" if amount > 0 else "transfer_out"
    return "other"
