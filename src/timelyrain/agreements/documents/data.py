"""What a contract says, as plain values. Money is integer fen, rates are integer ppm per year."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256

NOTHING_ELSE = "除本表列明的项目外，贷款人及其合作机构不向借款人收取任何其他费用。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lender:
    name: str
    licence_no: str
    complaints: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrower:
    """The full name stands in the contract; number, phone and card come in masked."""

    name: str
    id_masked: str
    phone_masked: str
    card_masked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalmentRow:
    number: int
    due_on: date
    principal_fen: int
    interest_fen: int
    charges_fen: int = 0

    @property
    def total_fen(self) -> int:
        return self.principal_fen + self.interest_fen + self.charges_fen


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """A cost of normal performance: who receives it, how it is computed and collected, what it comes to."""

    name: str
    payee: str
    standard: str
    amount_fen: int
    rate_ppm: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContingentRow:
    """A cost that arises only in a stated case, such as being overdue."""

    name: str
    payee: str
    standard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRef:
    title: str
    recipient: str
    version: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractData:
    """One personal loan contract.

    annualised_simple_ppm: 12 x the periodic IRR of the disclosed cash flows (单利);
    annualised_irr_ppm: the same, compounded (复利); cap_ppm: the ceiling in force, read as `cap_basis`.
    conditions: whatever is agreed beyond the usual, one sentence each.
    signed_at: aware. terms_json, disclosure_json: UTF-8 JSON, embedded byte for byte.
    """

    number: str
    lender: Lender
    borrower: Borrower
    principal_fen: int
    purpose: str
    method: str
    rate_ppm: int
    annualised_simple_ppm: int
    annualised_irr_ppm: int
    cap_ppm: int
    instalments: tuple[InstalmentRow, ...]
    costs: tuple[CostRow, ...]
    contingent: tuple[ContingentRow, ...]
    penalty: str
    prepayment: str
    allocation: tuple[str, ...]
    consents: tuple[ConsentRef, ...]
    signed_at: datetime
    terms_json: bytes
    disclosure_json: bytes
    conditions: tuple[str, ...] = ()
    cap_basis: str = "单利"
    nothing_else: str = NOTHING_ELSE

    def problems(self) -> Iterator[str]:
        """What a reader of the contract would find contradictory, one sentence each."""
        if not self.instalments:
            yield "there are no instalments"
        for row in self.instalments:
            if min(row.principal_fen, row.interest_fen, row.charges_fen) < 0:
                yield f"instalment {row.number} has a negative amount"
        principal = sum(row.principal_fen for row in self.instalments)
        if principal != self.principal_fen:
            yield f"the instalments repay {principal} fen of principal, the loan is {self.principal_fen} fen"
        disclosed = sum(row.amount_fen for row in self.costs)
        charged = sum(row.total_fen - row.principal_fen for row in self.instalments)
        if disclosed != charged:
            yield f"the instalments charge {charged} fen, the cost table discloses {disclosed} fen"
        rate = self.annualised_simple_ppm if self.cap_basis == "单利" else self.annualised_irr_ppm
        if rate > self.cap_ppm:
            yield f"the annualised rate of {rate} ppm is above the cap of {self.cap_ppm} ppm"
        if self.signed_at.tzinfo is None:
            yield f"signed_at {self.signed_at.isoformat()} has no time zone"
        for name, value in (("terms_json", self.terms_json), ("disclosure_json", self.disclosure_json)):
            try:
                json.loads(value.decode("utf-8"))
            except ValueError as error:
                yield f"{name} is not UTF-8 JSON: {error}"

    @property
    def terms_sha256(self) -> str:
        return sha256(self.terms_json).hexdigest()

    @property
    def disclosure_sha256(self) -> str:
        return sha256(self.disclosure_json).hexdigest()
