"""Chinese identifiers: check characters and what can be read from a number. Nothing here says that a number was issued.

Messages never repeat the number: it is personal data.
"""

import re
from dataclasses import dataclass
from datetime import date

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)  # 3**i mod 31
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_MOBILE = re.compile(
    r"(?:\+?86)?(1(?:3\d{3}|5[^4\D]\d{2}|8\d{3}|7(?:[0-35-9]\d{2}|4(?:0\d|1[0-2]|9\d))|9[0-35-9]\d{2}|6[2567]\d{2}"
    r"|4(?:(?:10|4[01])\d{3}|[68]\d{4}|[579]\d{2}))\d{6})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ResidentId:
    """A resident ID number as read: `problem` is empty when it is valid; birth and sex only then."""

    number: str
    problem: str
    born_on: date | None = None
    sex: str = ""

    @property
    def valid(self) -> bool:
        return not self.problem

    @property
    def region(self) -> str:
        """The six digits of the place of issue (GB/T 2260 as it was then; abolished codes stay valid)."""
        return self.number[:6]

    def age(self, on: date) -> int:
        """Full years on a day. Raises ValueError for an invalid number."""
        if self.born_on is None:
            raise ValueError(f"an invalid ID number has no age: {self.problem}")
        return on.year - self.born_on.year - ((on.month, on.day) < (self.born_on.month, self.born_on.day))


def resident_id(text: str, on: date) -> ResidentId:
    """Read an 18-character resident ID number (GB 11643) as of `on`. A lower-case x is accepted."""
    number = text.strip().upper()
    if not re.fullmatch(r"[1-8]\d{16}[\dX]", number, re.ASCII):
        return ResidentId(number, "an ID number has 17 digits and then a digit or X")
    total = sum(int(digit) * weight for digit, weight in zip(number, _ID_WEIGHTS, strict=False))
    if _ID_CHECK[total % 11] != number[17]:
        return ResidentId(number, "the last character does not fit the others; look for a typing error")
    try:
        born_on = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return ResidentId(number, "the date of birth in it does not exist")
    if not date(1900, 1, 1) <= born_on <= on:
        return ResidentId(number, "the date of birth in it is before 1900 or in the future")
    return ResidentId(number, "", born_on, "male" if int(number[16]) % 2 else "female")


def uscc(text: str) -> str | None:
    """A unified social credit code (GB 32100) in normal form, or None. Its inner organisation code is not checked."""
    code = text.strip().upper()
    if len(code) != 18 or not set(code) <= set(_USCC_ALPHABET):
        return None
    total = sum(_USCC_ALPHABET.index(c) * w for c, w in zip(code, _USCC_WEIGHTS, strict=False))
    return code if _USCC_ALPHABET[-total % 31] == code[17] else None


def organisation_code(text: str) -> str | None:
    """A nine-character organisation code (GB 11714) in normal form, without hyphen, or None."""
    code = text.strip().upper().replace("-", "")
    if not re.fullmatch(r"[0-9A-Z]{8}[0-9X]", code):
        return None
    check = -sum(int(c, 36) * w for c, w in zip(code, _ORG_WEIGHTS, strict=False)) % 11
    return code if "0123456789X"[check] == code[8] else None


def registration_number(text: str) -> str | None:
    """A 15-digit business registration number (MOD 11,10), or None."""
    number = text.strip()
    if not re.fullmatch(r"\d{15}", number, re.ASCII):
        return None
    product = 10
    for digit in number[:14]:
        product = 2 * ((product + int(digit)) % 10 or 10) % 11
    return number if (11 - product) % 10 == int(number[14]) else None


def bank_card(text: str) -> str | None:
    """A bank card number: 16 to 19 digits that pass Luhn, spaces taken out; or None."""
    number = text.replace(" ", "")
    if not re.fullmatch(r"\d{16,19}", number, re.ASCII):
        return None
    total = 0
    for position, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return None if total % 10 else number


def mobile(text: str) -> str | None:
    """A mainland mobile number as 11 digits, or None. The carrier cannot be read from it: numbers are portable."""
    match = _MOBILE.fullmatch(re.sub(r"[ -]", "", text))
    return match[1] if match else None
