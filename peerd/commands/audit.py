"""`peerd audit`: this node's log of receipts, alone or beside others'; whether its chain holds, and who shows forks.

It reads the home, and asks no daemon. Never here: what makes a log sound (`peerd_protocol.audit`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from peerd import config
from peerd.audit_files import read_any, write_file
from peerd.commands.output import DONE, FAILED, print_json, screen
from peerd.network.identity import signed_by
from peerd.network.roster import names_in
from peerd.receipt_log import read_log
from peerd_protocol.audit import Audited, Deal, Fault, Fork, Log, Report
from peerd_protocol.audit import audit as hold_together
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import NodeId

DEALS_SHOWN_MAX = 12
"""The latest: a screenful."""
FAULTS_SHOWN_MAX = 12
HASH_DIGITS = 12

Names = Mapping[NodeId, str]


def audit(others: Sequence[Path], export: Path | None, as_json: bool) -> int:
    home = config.home()
    own = read_log(home)
    if export is not None:
        if own is None:
            raise LocalError("This node has no log of receipts yet; it begins with the first shared steps.")
        write_file(own, export)
    logs: list[Log] = [*([own] if own is not None else []), *map(read_any, others)]
    report = hold_together(logs, signed_by)
    if as_json:
        print_json(_plain(report))
    else:
        _draw(screen(), report, names_in(home), own.node if own is not None else None)
        if export is not None:
            screen().print(f"\nThis node's log is in {export}.")
    return DONE if report.is_sound else FAILED


# ---- for people -----------------------------------------------------------------------------------------------


def _draw(console: Console, report: Report, names: Names, own: NodeId | None) -> None:
    if not report.logs:
        console.print("This node has given no receipt and got none; they come with the first shared steps.")
        return
    table = _columns("", "log of", "device", ">entries", ">gave", ">answered", ">got", "head")
    for log in report.logs:
        table.add_row(*_row(log, report, names))
    console.print(table)
    for log in report.logs:
        if log.node == own and log.deals:
            console.print()
            console.print(_deals(log, names))
    faults = [_line("✗", fault, names, "red") for fault in report.faults]
    if faults:
        left = len(faults) - FAULTS_SHOWN_MAX
        rest = [Text(f"… and {left} more; --json tells them all", style="red")] if left > 0 else []
        console.print()
        console.print(Group(*faults[:FAULTS_SHOWN_MAX], *rest))
    for note in report.notes:
        console.print()
        console.print(_line("!", note, names, "yellow"))
    for fork in report.forks:
        console.print()
        console.print(_fork(fork, names))


def _line(sign: str, fault: Fault, names: Names, style: str) -> Text:
    return Text(f"{sign} {_name(fault.log, names)}, entry {fault.index}: {fault.text}", style=style)


def _row(log: Audited, report: Report, names: Names) -> list[Any]:
    sound = not any(fault.log == log.node for fault in report.faults)
    forked = any(fork.device == log.node for fork in report.forks)
    gave = [deal for deal in log.deals if deal.gave]
    answered = len(gave) - len(log.unanswered)
    entries = f"{log.count}" if not log.first else f"{log.count}, older ones dropped"
    return [
        Text("✓", style="green") if sound and not forked else Text("✗", style="red"),
        Text(_name(log.node, names), style="bold"),
        log.node[:7],
        entries,
        str(len(gave)),
        Text(str(answered), style="" if answered == len(gave) else "yellow"),
        str(len(log.deals) - len(gave)),
        log.head.hex()[:HASH_DIGITS],
    ]


def _deals(log: Audited, names: Names) -> Table:
    table = _columns(">entry", "", "device", "request", ">steps", ">seconds", ">joules", "")
    for deal in log.deals[-DEALS_SHOWN_MAX:]:
        table.add_row(*_deal(deal, names))
    return table


def _deal(deal: Deal, names: Names) -> list[Any]:
    work = deal.work
    answer = Text("counter-signed", style="green") if deal.answered else Text("unanswered", style="yellow")
    return [
        str(deal.index),
        "gave to" if deal.gave else "got from",
        Text(_name(deal.peer, names), style="bold"),
        Text(work.request[-8:]),
        f"{work.first}–{work.step}",
        f"{work.seconds:.2f}",
        f"{work.joules:.1f}",
        answer,
    ]


def _fork(fork: Fork, names: Names) -> Group:
    """Two histories of one device, as a line that parts."""
    who = _name(fork.device, names)
    lines = [Text(f"✗ {who} signed for two histories: entry {fork.index} has {len(fork.shown)} hashes.", style="red")]
    last = len(fork.shown) - 1
    for number, shown in enumerate(fork.shown):
        stem = f"  … ─ {max(fork.index - 1, 0)} ─" if number == 0 else " " * len(f"  … ─ {max(fork.index - 1, 0)} ─")
        branch = "┬" if number == 0 else "└" if number == last else "├"
        held = ", ".join(_name(holder, names) for holder in shown.held_by)
        lines.append(Text(f"{stem}{branch}─ {fork.index}  {shown.hash.hex()[:HASH_DIGITS]}  held by {held}"))
    lines.append(Text("  It lied to somebody, or its log was lost or put back from a backup."))
    return Group(*lines)


def _name(node: NodeId, names: Names) -> str:
    return names.get(node, node[:7])


def _columns(*headings: str) -> Table:
    """A heading that begins with > stands over numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.removeprefix(">"), justify="right" if right else "left", no_wrap=True)
    return table


# ---- for programs ---------------------------------------------------------------------------------------------


def _plain(report: Report) -> dict[str, Any]:
    return {
        "sound": report.is_sound,
        "logs": [
            {
                "device": log.node,
                "first": log.first,
                "entries": log.count,
                "head": log.head.hex(),
                "receipts": [_plain_deal(deal) for deal in log.deals],
                "unanswered": [deal.index for deal in log.unanswered],
            }
            for log in report.logs
        ],
        "faults": [_plain_fault(fault) for fault in report.faults],
        "notes": [_plain_fault(note) for note in report.notes],
        "forks": [
            {
                "device": fork.device,
                "entry": fork.index,
                "shown": [{"hash": each.hash.hex(), "held_by": list(each.held_by)} for each in fork.shown],
            }
            for fork in report.forks
        ],
    }


def _plain_fault(fault: Fault) -> dict[str, Any]:
    return {"device": fault.log, "entry": fault.index, "text": fault.text}


def _plain_deal(deal: Deal) -> dict[str, Any]:
    work = deal.work
    return {
        "entry": deal.index,
        "gave": deal.gave,
        "device": deal.peer,
        "answered": deal.answered,
        "request": work.request,
        "group": work.group,
        "attempt": [work.attempt.term.counter, work.attempt.term.leader, work.attempt.number],
        "run": work.run,
        "first": work.first,
        "step": work.step,
        "digest": work.digest.hex(),
        "latents": work.latents.hex(),
        "seconds": work.seconds,
        "joules": work.joules,
    }
