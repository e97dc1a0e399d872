"""The command `timelyrain`. One module per group of commands; no business rule lives here."""

import argparse
import sys
from collections.abc import Sequence

from timelyrain import __version__
from timelyrain.runtime.embedded import DatabaseError
from timelyrain.runtime.processes import ProcessError

from . import books, contract, decisions, platform, risk
from .commands import Commands, Refusal, chinese
from .usage import Parser

GROUPS = (platform, books, contract, decisions, risk)

GUIDE = """
first steps
  timelyrain demo                        walk one loan from application to settlement, on real parts
  timelyrain demo --scenario declined    others: lost-answer, killed, no-consent
  timelyrain up                          start sandbox, web and worker in the background
  timelyrain status                      what runs, and where
  timelyrain down                        stop all of it

looking inside
  timelyrain db psql                     the database, as its owner
  timelyrain shell                       Python with the platform loaded, under the application's role
  timelyrain audit                       recompute the log of acts; says what was changed, if anything was
  timelyrain audit books                 every loan by its fold, every account from its entries
  timelyrain explain LOAN DAY            why a day close added to a loan what it added
  timelyrain reconcile DAY               the rail's statement against the books; also trial-balance, close-day
  timelyrain contract replay contract.pdf events.json --as-of 2026-01-31
                                         a loan's balances from its signed terms, without a database

deciding
  timelyrain decide --evidence evidence.json --model M
                                         one decision, explained number by number; --record keeps its bytes
  timelyrain replay decision.json --evidence evidence.json
                                         byte for byte, or the cause: data, rule, model, engine
  timelyrain policy check mine.toml      all that is wrong with a definition; also: show, diff, test, import-jdm, export-jdm
  timelyrain backtest --policy consumer_credit --against mine.toml --applications past.parquet --model M
                                         what if: who changes, what it earns, whom it touches
  timelyrain risk train loans.csv --label default
                                         a model and a scorecard from past loans, tested out of time, with its card
  timelyrain risk submit M.model --by NAME
                                         hand a model in for approval; then: retrain, watch, lgd, prepayment, rejects, fraud

Exit status: 0 done and well; 1 done, and the answer is no (a difference, a failed case, somebody has to act);
2 not done, and why.

Data, keys and logs live in TIMELYRAIN_HOME (default ./var). TIMELYRAIN_DATABASE_URL puts a PostgreSQL server of
yours in the place of the embedded one. docs/operations.md describes every variable.
"""


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="timelyrain",
        description="TimelyRain (及时雨): a self-hosted instant-lending platform.",
        epilog=GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"timelyrain {__version__}")
    commands = Commands(made)
    for group in GROUPS:
        group.add(commands)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        return given.run(given) or 0
    except Refusal as refusal:
        print(refusal.zh if chinese(given) else refusal, file=sys.stderr)
        return 2
    except (DatabaseError, ProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if type(error.__cause__).__name__ not in ("UndefinedTable", "UndefinedColumn"):
            raise
        en = "The tables of this database are not those of this version: `timelyrain migrate` brings them up to date."
        zh = "数据库中的表不是本版本的表：请用 `timelyrain migrate` 更新。"
        print(zh if chinese(given) else en, file=sys.stderr)
        return 2
