"""The sandbox's payment rail."""

from datetime import date
from typing import Literal
from uuid import UUID

import httpx
from django.conf import settings

from timelyrain.payments.ports import Instruction, RailAnswer, RailSilent, RailUnreachable, StatementLine

_PATHS = {"pay_out": "/rail/pay-outs", "debit": "/rail/debits"}


class SandboxRail:
    def __init__(self) -> None:
        self._client = httpx.Client(base_url=settings.SANDBOX_URL, timeout=settings.OUTSIDE_TIMEOUT_SECONDS)

    def pay_out(self, instruction: Instruction) -> RailAnswer:
        return self._send("pay_out", instruction)

    def debit(self, instruction: Instruction) -> RailAnswer:
        return self._send("debit", instruction)

    def find(self, direction: Literal["pay_out", "debit"], key: UUID) -> RailAnswer | None:
        try:
            response = self._client.get(f"{_PATHS[direction]}/{key}")
        except httpx.HTTPError as error:
            raise RailSilent(f"the rail did not say what became of {key}: {error!r}") from error
        if response.status_code == 404 and _code(response) == "unknown_key":
            return None  # its own word for it; any other 404 may come from something in between
        if response.status_code != 200:
            raise RailSilent(
                f"the rail answered {response.status_code} {_code(response)} when asked for {key}"
            )
        return _answer(response)

    def statement(self, on: date) -> tuple[StatementLine, ...]:
        try:
            response = self._client.get("/rail/statement", params={"on": on.isoformat()})
            response.raise_for_status()
            return tuple(
                StatementLine(x["kind"], x["key"], x["amount_fen"], x["status"])
                for x in response.json()["lines"]
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise RailSilent(f"no statement of {on}: {type(error).__name__}") from error

    def _send(self, direction: str, instruction: Instruction) -> RailAnswer:
        body = {
            "key": str(instruction.key),
            "amount_fen": instruction.amount_fen,
            "bank_card": instruction.bank_card,
            "name": instruction.name,
            "as_of": instruction.on.isoformat(),
        }
        try:
            response = self._client.post(_PATHS[direction], json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RailUnreachable(str(error)) from error
        except httpx.HTTPError as error:
            raise RailSilent(f"no answer to {direction} {instruction.key}: {error!r}") from error
        if response.status_code >= 300:
            # An error answer is not proof that nothing happened; only the rail's own record is.
            raise RailSilent(
                f"the rail answered {response.status_code} {_code(response)} to {direction} {instruction.key}"
            )
        return _answer(response)


def _answer(response: httpx.Response) -> RailAnswer:
    try:
        body = response.json()
        status, value_on = body["status"], date.fromisoformat(body["value_date"])
        return RailAnswer(status, value_on, body.get("reference") or "", body.get("code") or "")
    except (ValueError, KeyError, TypeError) as error:
        raise RailSilent(f"the rail's answer cannot be read: {type(error).__name__}") from error


def _code(response: httpx.Response) -> str:
    """The rail's error code; not its prose, which may quote a card number back."""
    try:
        return str(response.json()["error"])[:60]
    except (ValueError, KeyError, TypeError):
        return ""
