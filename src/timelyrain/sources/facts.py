"""Facts that the lender states itself, from the identity document."""

from datetime import date

from timelyrain import policies

LONGEST_DAYS = 40_000  # a document without an end (长期) counts as valid for longer than anybody lives


def application_facts(id_number: str, id_valid_until: date, on: date) -> dict[str, int]:
    """Age in full years and days of validity left, on a day. `id_valid_until` is date.max for a document without an end."""
    days = (id_valid_until - on).days
    return {
        "age": policies.resident_id(id_number, on=on).age(on),
        "id_valid_days": min(max(0, days), LONGEST_DAYS),
    }
