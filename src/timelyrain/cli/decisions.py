"""Decisions outside the platform: one and its replay, policies on their own, what-if. Here are the words; what computes is
loaded when a command runs, so that no other command waits for it.
"""

import argparse
import os
from pathlib import Path

from .commands import Commands

SHIPPED = "consumer_credit"
OUT_OF_ANY_BAND = 0
"""The draw where none is given: outside the band of random approvals, which takes the highest draws."""
_POLICY = "a TOML file, a name of the pack, or a hash"

DECIDE = """
examples
  timelyrain decide --evidence evidence.json --model models/<sha256>.model
  timelyrain decide --evidence evidence.json --request '{"amount_fen": 500000, "instalments": 6, "purpose": "shopping"}' --what-if
  timelyrain decide --policy mine.toml --evidence evidence.json --given '{"on_list.fraud_phone": false}' --record decision.json

docs/policy-language.md holds a whole policy and evidence to begin with.
"""
REPLAY = """
examples
  timelyrain replay decision.json        what it names by hash is looked for beside it, here, in the pack, on the platform
  timelyrain replay decision.json --evidence evidence.json --policy mine.toml --model models/<sha256>.model
  timelyrain replay 7b7cddbb-6462-50de-b177-850428c2bc49        a decision of the platform, from what it stored
"""
CHECK = """
examples
  timelyrain policy check mine.toml
  timelyrain policy check mine.toml --json --language zh
"""
SHOW = """
examples
  timelyrain policy show consumer_credit
  timelyrain policy show consumer_credit --features --markdown        every feature: meaning, window, missing, lineage
"""
DIFF = """
example
  timelyrain policy diff consumer_credit mine.toml
"""
TEST = """
example
  timelyrain policy test mine.toml case.json --model models/<sha256>.model

docs/releases.md shows a case.
"""
IMPORT = """
examples
  timelyrain policy import-jdm rules.json --field loan.amount=request.amount_fen --scale loan.amount=100 --out tables.toml
  timelyrain policy import-jdm others.json --node "Risk grade" --collect sum
"""
EXPORT = """
example
  timelyrain policy export-jdm consumer_credit --table grade --out grade.json
"""
BACKTEST = """
what is written with --out
  report.html, result.json   the report, and what it shows as JSON
  chunks/*.arrow             both policies' decisions, one row per application

examples
  timelyrain backtest --policy consumer_credit --against mine.toml --applications past.parquet --model M.model --out report
  timelyrain backtest --policy first.toml --against second.toml --applications past.parquet --out report --resume

A file to try it on: python -m timelyrain.sandbox.population --applicants 10000 --out past.parquet
"""


def decide(given: argparse.Namespace) -> None:
    """Decide on one person's evidence and say why; needs no database."""
    from . import deciding

    deciding.decide(given)


def replay(given: argparse.Namespace) -> int:
    """Decide a recorded decision again; 0 when equal byte for byte, 1 with the cause when not, 2 when it cannot be replayed."""
    from . import replaying

    return replaying.replay(given)


def check(given: argparse.Namespace) -> int:
    """All that is wrong with a definition, with line, column and remedy; exit status 1 when it cannot be activated."""
    from . import policies

    return policies.check(given)


def show(given: argparse.Namespace) -> None:
    """What a policy says: its rules, figures and tables, or its catalogue of features."""
    from . import policies

    policies.show(given)


def test(given: argparse.Namespace) -> int:
    """Decide test cases under a policy; which fail, and what they have shown of each rule; exit status 1 when one fails."""
    from . import policies

    return policies.test(given)


def diff(given: argparse.Namespace) -> None:
    """What the second policy changes of the first, in words."""
    from . import policies

    policies.diff(given)


def import_jdm(given: argparse.Namespace) -> int:
    """Decision tables of a JDM document (zen) as TOML for a policy; differences of meaning are told, status 1 when refused."""
    from . import jdm

    return jdm.bring_in(given)


def export_jdm(given: argparse.Namespace) -> int:
    """The decision tables of a policy as a JDM document for zen; differences of meaning are told, status 1 when refused."""
    from . import jdm

    return jdm.hand_out(given)


def backtest(given: argparse.Namespace) -> None:
    """Decide past applications again under two policies and tell the difference; needs no database."""
    from . import backtests

    backtests.backtest(given)


def add(commands: Commands) -> None:
    one = commands.add(decide, epilog=DECIDE)
    one.add_argument("--policy", default=SHIPPED, help=f"{_POLICY} (usually {SHIPPED})")
    one.add_argument("--evidence", type=Path, required=True, help="JSON in the shape of docs/architecture.md")
    one.add_argument(
        "--request",
        help="JSON or a file: amount_fen, instalments, purpose (usually CNY 20,000 over 12 months)",
    )
    one.add_argument("--model", help="a .model file or a hash; without one no score is known")
    one.add_argument(
        "--draw",
        type=int,
        default=OUT_OF_ANY_BAND,
        help=f"0 to 999999 (usually {OUT_OF_ANY_BAND}: no random approval)",
    )
    one.add_argument(
        "--given", metavar="JSON", help="what the policy asks its caller for: lists, experiment buckets"
    )
    one.add_argument("--record", type=Path, metavar="FILE", help="write the decision record, for `replay`")
    one.add_argument(
        "--what-if", action="store_true", help="the least that would change the answer, each tried"
    )
    one.add_argument("--json", action="store_true", help="print the record instead of the explanation")
    _under_the_law(one)

    again = commands.add(replay, epilog=REPLAY)
    again.add_argument(
        "record", help="a file written by `decide --record`, or the id of a decision of the platform"
    )
    again.add_argument("--policy", help=f"{_POLICY} (usually the one that the record names)")
    again.add_argument(
        "--evidence",
        type=Path,
        help="the evidence of then (usually the file beside the record that it names by hash)",
    )
    again.add_argument("--model", help="a .model file or a hash (usually the one that the record names)")

    acts = commands.group(
        "policy", "Check, show, compare, test and convert decision policies, without a database"
    )
    checked, shown = acts.add(check, epilog=CHECK), acts.add(show, epilog=SHOW)
    compared = acts.add(diff, epilog=DIFF)
    checked.add_argument("policy", help=_POLICY)
    shown.add_argument("policy", help=_POLICY)
    shown.add_argument("--features", action="store_true", help="the catalogue of features")
    shown.add_argument("--markdown", action="store_true", help="tables of Markdown")
    tried_on = acts.add(test, epilog=TEST)
    tried_on.add_argument("policy", help=_POLICY)
    tried_on.add_argument(
        "cases",
        type=Path,
        nargs="+",
        metavar="CASE.json",
        help="files of a test case or a list of them (docs/releases.md)",
    )
    tried_on.add_argument("--model", help="a .model file or a hash")
    for name in ("a", "b"):
        compared.add_argument(name, help=_POLICY)

    taken, given = acts.add(import_jdm, epilog=IMPORT), acts.add(export_jdm, epilog=EXPORT)
    _jdm(taken, given)

    tried = commands.add(backtest, epilog=BACKTEST)
    _backtest(tried)
    _under_the_law(tried)
    for act in (again, checked, shown, tried_on, compared, taken, given, tried):
        act.add_argument("--json", action="store_true", help="print JSON")
    for act in (again, checked, shown, tried_on, compared, taken, given):
        act.add_argument(
            "--jurisdiction", default="cn", help="policy pack in which names are looked up (usually cn)"
        )
    for act in (one, again, checked, shown, tried_on, compared, taken, given, tried):
        act.add_argument("--language", "--lang", choices=("zh", "en"), help="usually that of the shell")


def _jdm(taken: argparse.ArgumentParser, given: argparse.ArgumentParser) -> None:
    taken.add_argument("file", type=Path, metavar="FILE.json", help="a JDM document")
    taken.add_argument("--policy", default=SHIPPED, help=f"whose names its columns may read: {_POLICY}")
    taken.add_argument(
        "--field",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=NAME",
        help="what a field is here: a name or expression",
    )
    taken.add_argument(
        "--scale",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=100",
        help="how many of ours make one of its unit (yuan: 100 fen)",
    )
    taken.add_argument(
        "--collect",
        choices=("sum", "max", "min", "count"),
        default="",
        help="what becomes of a list of results, where the document does not say",
    )
    taken.add_argument("--node", default="", metavar="NAME", help="one table only; other nodes are left out")
    given.add_argument("policy", help=_POLICY)
    given.add_argument("--table", default="", metavar="NAME", help="one table only")
    for act in (taken, given):
        act.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to stdout")


def _backtest(act: argparse.ArgumentParser) -> None:
    act.add_argument("--policy", required=True, metavar="A", help=_POLICY)
    act.add_argument("--against", required=True, metavar="B", help="the policy compared with it")
    act.add_argument(
        "--applications", required=True, type=Path, help="Parquet with the columns of docs/sandbox.md"
    )
    act.add_argument("--model", help="a .model file or a hash, scoring for both")
    act.add_argument("--model-against", help="another model for B")
    act.add_argument(
        "--out", type=Path, help="folder of the result (usually under TIMELYRAIN_HOME/backtests)"
    )
    act.add_argument(
        "--resume", action="store_true", help="go on with what --out holds of the same back-test"
    )
    act.add_argument(
        "--workers", type=_positive, default=os.cpu_count() or 1, help="processes (usually one a core)"
    )
    act.add_argument("--dask", metavar="ADDRESS", help="compute on a Dask cluster that sees the same files")
    act.add_argument("--cache", type=Path, help="folder of computed features, for the next rule change")
    act.add_argument("--no-cache", action="store_true", help="keep no features")
    act.add_argument("--groups", nargs="*", default=[], metavar="COLUMN", help="more protected attributes")
    act.add_argument(
        "--segments", nargs="*", default=[], metavar="COLUMN", help="more columns to cut the report by"
    )
    act.add_argument(
        "--chunk-rows", type=_positive, help="applications computed at a time: what bounds memory"
    )
    act.add_argument("--funding-ppm", type=int, help="yearly cost of money")
    act.add_argument(
        "--lgd-ppm", type=int, help="part of the principal lost with a bad loan whose loss is not told"
    )
    act.add_argument("--cost-fen", type=int, help="cost of one loan")
    act.add_argument("--quiet", action="store_true", help="no progress bar")


def _under_the_law(act: argparse.ArgumentParser) -> None:
    """Options that say whose limits hold."""
    act.add_argument("--jurisdiction", default="cn", help="policy pack whose limits hold (usually cn)")
    act.add_argument("--licence", default="consumer_finance", help="of the lender (usually consumer_finance)")
    act.add_argument("--product", help="whose limits hold (usually the pack's first)")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)
