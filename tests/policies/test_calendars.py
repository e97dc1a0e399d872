"""Working days: what is published, what a lender adds, and nothing past the end."""

from datetime import date

import pytest

from timelyrain.finance import CalendarEnds
from timelyrain.policies import PackInvalid, load_pack, work_calendar

SHIPPED = load_pack("cn").read("calendar.toml")


def year(n: int, off: str = "", worked: str = "", more: str = "") -> bytes:
    return f'[[year]]\nyear = {n}\noff = [{off}]\nworked = [{worked}]\nsource = "s"\nconfidence = "H"\n{more}'.encode()


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2026-02-14", True),  # a Saturday worked for the Spring Festival
        ("2026-02-16", False),
        ("2026-09-20", True),
        ("2026-10-08", True),
        ("2025-10-08", False),
        ("2026-11-21", False),  # a Saturday
        ("2024-02-09", True),  # New Year's Eve was a working day in 2024
    ],
)
def test_published_days(day, working):
    assert work_calendar(SHIPPED).is_working(date.fromisoformat(day)) is working


def test_nothing_is_known_past_the_end_except_in_a_simulated_world():
    known = work_calendar(SHIPPED)
    with pytest.raises(CalendarEnds, match=str(known.last)):
        known.is_working(date(known.last.year + 1, 1, 1))
    assumed = work_calendar(SHIPPED, projected=True)
    assert assumed.last > known.last and not assumed.is_working(date(2040, 10, 2))
    assert assumed.is_working(date(2026, 2, 14))  # what is published is not assumed anew


def test_a_lender_adds_a_year_and_a_licence_has_its_own():
    last = work_calendar(SHIPPED).last
    added = work_calendar(SHIPPED, year(last.year + 1, f'"{last.year + 1}-01-05"'))
    assert added.last.year == last.year + 1 and not added.is_working(date(last.year + 1, 1, 5))
    both = year(2030) + year(2030, '"2030-01-02"', more='licence = "bank"')
    assert work_calendar(both, licence="microloan").is_working(date(2030, 1, 2))
    assert not work_calendar(both, licence="bank").is_working(date(2030, 1, 2))


def test_every_problem_of_a_calendar_is_told_at_once():
    wrong = year(2030, '"2031-01-01", "noon", "2030-03-01/2030-01-01"', '"2030-01-07"') + year(2032)
    with pytest.raises(PackInvalid) as refused:
        work_calendar(wrong)
    told = str(refused.value)
    for part in (
        "2031-01-01 is not in 2030",
        "'noon'",
        "span of at most",
        "no Saturday",
        "[2031] are missing",
    ):
        assert part in told
