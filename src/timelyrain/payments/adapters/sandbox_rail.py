"""The sandbox's payment rail."""

from typing import Any, Literal
from uuid import UUID

import httpx
from django.conf import settings

from timelyrain.payments.ports import Instruction, RailAnswer, RailSilent, RailUnreachable

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
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise RailSilent(f"the rail answered {response.status_code} when asked for {key}")
        return _answer(response.json())

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
                f"the rail answered {response.status_code} to {direction} {instruction.key}: {response.text[:200]}"
            )
        return _answer(response.json())


def _answer(body: dict[str, Any]) -> RailAnswer:
    return RailAnswer(body["status"], body.get("reference") or "", body.get("code") or "")
