"""The story of a demonstration as text: progress while it goes, tables where people compare numbers."""

import sys
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from timelyrain.finance import percent, yuan


class Story:
    """Prints to stdout; progress, and everything when `quiet`, goes to stderr."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._out = Console(stderr=quiet, highlight=False, width=None if sys.stdout.isatty() else 110)
        self._err = Console(stderr=True, highlight=False)
        self._rows: list[tuple[str, float]] = []

    def progress(self, text: str) -> None:
        self._err.print(f"[dim]• {text}[/dim]")

    def note(self, text: str) -> None:
        self._out.print(f"  [yellow]{text}[/yellow]")

    def failed(self, text: str) -> None:
        self._err.print(f"[red]The walk stopped at {text}[/red]")

    def stage(self, name: str, milliseconds: float) -> None:
        self._rows.append((name, milliseconds))
        self._out.print(f"[bold]{name}[/bold] [dim]{milliseconds:,.0f} ms[/dim]")

    def check(self, name: str, holds: bool) -> None:
        self._out.print(f"  [green]✓[/green] {name}" if holds else f"  [red]✗ {name}[/red]")

    def decision(self, person: dict[str, str], application: dict[str, Any]) -> None:
        name = person["name"][0] + "*" * (len(person["name"]) - 1)
        decided = (application["decision_microseconds"] or 0) / 1000
        self._out.print(
            f"  {name}: [bold]{application['state']}[/bold], decided in {decided:.1f} ms"
            f" on evidence gathered in {application['gather_milliseconds']} ms"
        )
        for row in application["sources"]:
            self._out.print(
                f"    {row['source']:<9} {row['status']:<11} {row['milliseconds']:>5} ms  {row['detail']}"
            )
        for reason in application["reasons"]:
            self._out.print(f"    [yellow]{reason['code']}[/yellow] {reason['zh']} → {reason['change_zh']}")
        if offer := application["offer"]:
            self._out.print(
                f"  offer: up to ¥{yuan(offer['limit_fen'])} at {percent(offer['rate_ppm'])} a year,"
                f" cap {percent(offer['cap_ppm'])}"
            )

    def disclosure(self, shown: dict[str, Any]) -> None:
        body = shown["body"]
        table = Table(
            title=f"综合融资成本明示表  ¥{yuan(body['principal_fen'])}，{shown['instalments']} 期",
            title_justify="left",
        )
        for column, justify in (
            ("item", "left"),
            ("payee", "left"),
            ("standard", "left"),
            ("amount", "right"),
        ):
            table.add_column(column, justify=justify)
        for row in body["normal"]:
            table.add_row(row["name_zh"], row["payee"], row["standard_zh"], f"¥{yuan(row['amount_fen'])}")
        for row in body["contingent"]:
            table.add_row(
                f"[dim]{row['name_zh']}[/dim]", row["payee"], row["standard_zh"], "[dim]only then[/dim]"
            )
        table.add_row(
            "[bold]年化综合成本（复利 IRR）[/bold]",
            "",
            f"[bold]{percent(body['annualised_irr_ppm'])}[/bold]",
            f"¥{yuan(body['total_cost_fen'])}",
        )
        table.add_row(
            "（单利）", "", percent(body["annualised_simple_ppm"]), f"cap {percent(body['cap_ppm'])}"
        )
        self._out.print(table)
        self._out.print(
            f"  到账 ¥{yuan(body['received_fen'])}，共还 ¥{yuan(body['total_repaid_fen'])}；除上述外不收取任何费用"
        )

    def paid_out(self, agreement: dict[str, Any], seconds: float, text: str) -> None:
        self._out.print(
            f"  money in [bold]{seconds:.2f} s[/bold] after the signature; sent to the rail {agreement['pay_out_calls']} time(s),"
            f" asked {agreement['pay_out_queries']} time(s)"
        )
        for row in agreement["trace"]:
            self._out.print(
                f"    {row['step']:<30} attempt {row['attempt']}  {row['outcome']:<8} {row['ms']:>7.0f} ms  {row['detail'][:60]}"
            )
        self._out.print(f"  borrower's phone: {text}")

    def contract(self, contract: dict[str, Any], problems: tuple[str, ...]) -> None:
        self._out.print(f"  {contract['pdf']}\n  sha256 {contract['sha256']}", soft_wrap=True)
        for problem in problems:
            self.note(problem)
        if contract["independent"] is None:
            self.note("no independent tool here: install poppler-utils (pdfsig) for a second opinion")
        if contract["font_warning"]:
            self.note(contract["font_warning"])

    def loan(self, what: str, state: dict[str, Any], paid_fen: int) -> None:
        self._out.print(
            f"  {what}: paid ¥{yuan(paid_fen)}, outstanding ¥{yuan(state['outstanding_principal_fen'])},"
            f" {state['status']} {state['bucket']}"
        )

    def books(self, balance: dict[str, Any], proof: dict[str, Any] | None, replay: dict[str, Any]) -> None:
        table = Table(title="Trial balance", title_justify="left")
        for column, justify in (
            ("code", "left"),
            ("account", "left"),
            ("debit", "right"),
            ("credit", "right"),
            ("balance", "right"),
        ):
            table.add_column(column, justify=justify)
        for row in balance["lines"]:
            if row["debit_fen"] or row["credit_fen"]:
                table.add_row(
                    row["code"],
                    f"{row['name_zh']} {row['name']}",
                    yuan(row["debit_fen"]),
                    yuan(row["credit_fen"]),
                    yuan(row["balance_fen"]),
                )
        table.add_row(
            "",
            f"{balance['postings']} entries",
            "",
            "",
            "balanced" if balance["balanced"] else "[red]NOT BALANCED[/red]",
        )
        self._out.print(table)
        if proof:
            self._out.print(
                f"  replay of terms and events: {proof['replayed']}\n  booked in the ledger:       {proof['booked']}"
            )
        self._out.print(f"  audit log: {replay['acts']} acts, root {replay['audit_root'][:16]}…")

    def end(self, result: dict[str, Any], seconds: float) -> None:
        table = Table(title="Times per stage", title_justify="left")
        table.add_column("stage")
        table.add_column("ms", justify="right")
        for name, milliseconds in self._rows:
            table.add_row(name, f"{milliseconds:,.0f}")
        self._out.print(table)
        broken = [name for name, holds in result["checks"].items() if not holds]
        good = f"[green]All {len(result['checks'])} checks hold.[/green] The whole demonstration took {seconds:.0f} s."
        self._out.print(
            Panel(good if not broken else f"[red]Broken: {'; '.join(broken)}[/red]", expand=False)
        )
