"""A device-risk provider: what was seen of the applicant's devices. Here the sandbox's."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from timelyrain.sources.adapters.document import (
    MOST_ROWS,
    Key,
    columns,
    judge_times,
    keys,
    reader,
    tenure_days,
)
from timelyrain.sources.adapters.person import PersonSource
from timelyrain.sources.ports import Column, Extract

_Kind = Literal[
    "login", "apply", "sim_change", "root", "emulator", "vpn", "location_change", "credential_reset"
]


class DeviceSource(PersonSource):
    name = "device"
    purpose = "device_check"
    recipient = "device_risk_provider"
    path = "/device/events"

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_events(document, as_of)


class _Seen(msgspec.Struct):
    first_seen_on: date
    fields: tuple[Literal["ts"], Literal["kind"], Literal["device"], Literal["accounts"], Literal["place"]]
    rows: Annotated[list[tuple[int, _Kind, str, Annotated[int, Meta(ge=0, le=100_000)], Key]], MOST_ROWS]


_read = reader("device", _Seen)


def parse_events(document: bytes, as_of: datetime) -> Extract:
    """Events -> device_tenure_days; device_event, oldest first."""
    told, now = _read(document), int(as_of.timestamp())
    at, kinds, devices, accounts, places = columns(told.rows, 5)
    judge_times("device", at, now)
    events: dict[str, Column] = {
        "at": at,
        "kind": kinds,
        "device": keys("device", "$.rows[][2]", devices),
        "accounts": accounts,
        "place": keys("device", "$.rows[][4]", places),
    }
    tenure = tenure_days("device", "$.first_seen_on", told.first_seen_on, now)
    return Extract({"device_tenure_days": tenure}, {"device_event": events})
