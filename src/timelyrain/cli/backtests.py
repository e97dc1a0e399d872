"""What if: a policy tried on past applications."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from timelyrain.backtesting import (
    CHUNK_ROWS,
    Applications,
    ApplicationsInvalid,
    BacktestStopped,
    Economics,
    EconomicsInvalid,
    Job,
    KernelMismatch,
    Side,
    canonical_json,
    differences,
    report,
)
from timelyrain.backtesting import (
    backtest as compare,
)
from timelyrain.decisioning import DefinitionInvalid
from timelyrain.origination.limits import limits_over_time
from timelyrain.policies import RuleNotInForce, load_pack
from timelyrain.risk import ModelRefused
from timelyrain.runtime.embedded import default_home

from . import definitions
from .commands import Refusal, chinese, say


def backtest(given: argparse.Namespace) -> None:
    """Decide past applications again under two policies and tell the difference; needs no database."""
    job = _job(given)
    purposes = {p.code: (p.zh, p.en) for p in load_pack(given.jurisdiction).purposes()}
    out = given.out or default_home() / "backtests" / job.sha256[:16]
    with _executor(given) as executor, _progress(given) as progress:
        try:
            result = compare(
                job, out, resume=given.resume, workers=given.workers, executor=executor, progress=progress
            )
            page = out / "report.html"
            changed = differences(job.a.source, job.b.source)
            page.write_text(report(result, changed, purposes), encoding="utf-8")
        except (ApplicationsInvalid, BacktestStopped, KernelMismatch) as error:
            raise definitions.refused(error) from None
        except OSError as error:
            where, why = error.filename or out, error.strerror or error
            raise Refusal(
                f"{where} cannot be written ({why}): make room or choose another --out or --cache; what is done stays, "
                "go on with --resume.",
                f"{where} 无法写入（{why}）：请腾出空间，或换一个 --out 或 --cache；已完成的部分保留，请用 --resume 继续。",
            ) from None
    if given.json:
        sys.stdout.write(canonical_json(result).decode() + "\n")
    else:
        _tell(result, chinese(given))
    print(f"• {page}", file=sys.stderr)


def _job(given: argparse.Namespace) -> Job:
    model = definitions.model_content(given.model, chinese(given))
    side_a, side_b = (
        _side(name, definitions.model_content(own) if own else model, given.jurisdiction)
        for name, own in ((given.policy, None), (given.against, given.model_against))
    )
    pack, product = definitions.pack_and_product(given)
    try:
        offset = side_a.policy.aggregation.utc_offset_minutes
        law = limits_over_time(pack, product, given.licence, offset)
        applications = Applications.open(given.applications, given.groups, given.segments, offset)
        defaults = Economics.of(side_a.source)
        economics = Economics(
            defaults.funding_ppm if given.funding_ppm is None else given.funding_ppm,
            defaults.lgd_ppm if given.lgd_ppm is None else given.lgd_ppm,
            defaults.cost_fen if given.cost_fen is None else given.cost_fen,
        )
    except (ApplicationsInvalid, EconomicsInvalid) as error:
        raise definitions.refused(error) from None
    except RuleNotInForce as error:
        raise definitions.lawless(error, given) from None
    cache = None if given.no_cache else given.cache or default_home() / "backtests" / "features"
    return Job(applications, side_a, side_b, law, economics, cache, given.chunk_rows or CHUNK_ROWS)


def _side(name: str, model: bytes | None, jurisdiction: str) -> Side:
    source = definitions.policy_source(name, jurisdiction)
    side = Side(source, model)
    try:
        assert side.policy and (model is None or side.scorer)  # read here once, where a problem can be told
    except DefinitionInvalid as error:
        raise definitions.faulty(error, name) from None
    except ModelRefused as error:
        raise definitions.no_model(error) from None
    return side


@contextmanager
def _executor(given: argparse.Namespace) -> Iterator[Executor | None]:
    if not given.dask:
        yield None
        return
    try:
        from dask.distributed import Client
    except ImportError:
        raise Refusal(
            "Dask is not installed here: install timelyrain[cluster], or leave --dask away.",
            "这里没有安装 Dask：请安装 timelyrain[cluster]，或不用 --dask。",
        ) from None
    try:
        client = Client(given.dask, timeout=10)
    except (OSError, ValueError) as error:
        raise Refusal(
            f"No Dask scheduler answers at {given.dask} ({error}): look at its address, or leave --dask away.",
            f"{given.dask} 没有 Dask 调度器应答（{error}）：请核对地址，或不用 --dask。",
        ) from None
    with client:
        yield client.get_executor()


@contextmanager
def _progress(given: argparse.Namespace) -> Iterator[Any]:
    """A bar on stderr, or a line for each tenth where nobody watches it move: stdout belongs to results."""
    if not sys.stderr.isatty() and not given.quiet:
        seen = -1

        def line(done: int, total: int) -> None:
            nonlocal seen
            if (tenth := 10 * done // total) > seen:
                seen = tenth
                say(f"{done} / {total}")

        yield line
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=given.quiet) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _span(estimate: Sequence[Any], tell: Callable[[Any], str]) -> str:
    """The ends of an interval; nothing of nothing."""
    return "—" if estimate[0] is None else f"{tell(estimate[1])} … {tell(estimate[2])}"


def _tell(result: Mapping[str, Any], zh: bool) -> None:
    out = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    a, b, change = result["a"], result["b"], result["difference"]
    table = Table("", "A", "B", "B − A", "95 %")

    def rate(value: float | None) -> str:
        return "—" if value is None else f"{value * 100:.2f}%"

    def yuan(fen: int | None) -> str:
        return "—" if fen is None else f"{'-' if fen < 0 else ''}¥{abs(fen) / 100:,.0f}"

    for name, measure, tell in (
        ("通过率" if zh else "approved", "approval", rate),
        ("坏账率" if zh else "bad, of known", "bad_rate", rate),
        ("预期利润" if zh else "expected profit", "expected_fen", yuan),
        ("实现利润（结果已知者）" if zh else "realised profit, of known", "realised_fen", yuan),
    ):
        value, low, high = (tell(x).replace("%", " pp") for x in change[measure])
        sides = (
            "—"
            if side[measure][0] is None
            else f"{tell(side[measure][0])}\n[dim]{_span(side[measure], tell)}[/]"
            for side in (a, b)
        )
        table.add_row(name, *sides, value, f"{low} … {high}")
    out.print(table)
    sets = Table(
        "互换人群" if zh else "swap sets", "n", "已知" if zh else "known", "坏账率" if zh else "bad", "95 %"
    )
    names = {
        "both": ("双方都通过", "both approve"), "a_only": ("仅 A 通过", "only A"), "b_only": ("仅 B 通过", "only B"),
        "neither": ("都不通过", "neither"),
    }  # fmt: skip
    for key, words in names.items():
        found = result["swap_sets"][key]
        sets.add_row(
            words[not zh],
            f"{found['n']:,}",
            f"{found['known']:,}",
            rate(found["bad_rate"][0]),
            _span(found["bad_rate"], rate),
        )
    out.print(sets)
    absent = ", ".join(result["inputs"]["applications"]["absent"])
    for said, words in (
        (absent, ("文件中没有，均按缺失处理", "not in the file, so missing for everybody")),
        (
            result["before_law"],
            ("早于规则包所知法定上限的申请", "applications older than the legal limits known here"),
        ),
        (result["repeated_ids"], ("同号的申请", "applications whose id stood before")),
        (result["later_events"], ("晚于申请、未计入的事件", "events later than their application, left out")),
    ):
        if said:
            out.print(f"{words[not zh]}: {said if isinstance(said, str) else f'{said:,}'}", style="yellow")
    for name, found in result["groups"].items():
        for side in ("a", "b"):
            if found[side]["below"]:
                values = escape(", ".join(found[side]["below"]))
                out.print(
                    f"{side.upper()}：{escape(name)} {values} 的通过率低于最高群体的五分之四"
                    if zh
                    else f"{side.upper()}: {escape(name)} {values}: approved at under four fifths of the highest rate",
                    style="yellow",
                )
