"""A device-risk provider: what was seen of the applicant's devices. Here the sandbox's."""

from datetime import datetime

from timelyrain.sources.adapters.document import epoch, read, table
from timelyrain.sources.adapters.person import PersonSource
from timelyrain.sources.ports import Extract

_KINDS = ("login", "apply", "sim_change", "root", "emulator", "vpn", "location_change", "credential_reset")


class DeviceSource(PersonSource):
    name = "device"
    purpose = "device_check"
    recipient = "device_risk_provider"
    path = "/device/events"

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_events(document, as_of)


def parse_events(document: bytes, as_of: datetime) -> Extract:
    """Events -> device_tenure_days; device_event, oldest first."""
    top, now = read("device", document), int(as_of.timestamp())
    since = top.at("first_seen_on")
    if epoch(since.day()) > now:
        since.fail(f"after {as_of:%Y-%m-%d}, the day it was asked for")
    found = table(top, now, ts="time", kind=_KINDS, device="key", accounts="natural", place="key or null")
    if max(found["accounts"], default=0) > 100_000:
        top.at("rows").fail(f"{max(found['accounts'])} accounts on one device; at most 100000 are believed")
    tenure = min((now - epoch(since.day())) // 86_400, 20_000)
    return Extract({"device_tenure_days": tenure}, {"device_event": {"at": found.pop("ts"), **found}})
