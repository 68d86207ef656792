"""`peerd status` and `peerd peers`: this node, its leader, its members. Never here: how they came to be known."""

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from peerd.api.desk import MemberView, NodeView
from peerd.commands.output import DONE, print_json, screen
from peerd.commands.whose import daemon


def status(as_json: bool) -> int:
    view = daemon().view()
    if as_json:
        print_json(msgspec.to_builtins(view))
        return DONE
    console = screen()
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    for word, fact in _facts(view).items():
        facts.add_row(word, fact)
    console.print(facts)
    if len(view.members) > 1:
        console.print()
        _print_members(console, view)
    return DONE


def peers(as_json: bool) -> int:
    view = daemon().view()
    others = [member for member in view.members if not member.me]
    if as_json:
        print_json([msgspec.to_builtins(member) for member in others])
        return DONE
    console = screen()
    if not others:
        console.print("No other device is in this cluster yet; `peerd invite` lets one in.")
        return DONE
    _print_members(console, view)
    return DONE


def _facts(view: NodeView) -> dict[str, str | Text]:
    if view.leader is None:
        leader = Text("none yet", style="yellow")
    else:
        leader = Text(f"{view.leader_name} in term {view.term}" + (" (this node)" if view.leader == view.id else ""))
    return {
        "node": f"{view.name}  {view.id}",
        "cluster": view.cluster + (" (this node lets devices in)" if view.admin else ""),
        "leader": leader,
        "role": view.role,
        "engine": "warm" if view.engine_warm else "asleep; the first request wakes it",
        "listens at": "  ".join(view.endpoints),
    }


def _print_members(console: Console, view: NodeView) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", min_width=1)
    for heading in ("name", "id", "status"):
        table.add_column(heading, no_wrap=True)
    for heading in ("steps/s", "free", "load"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("power", overflow="fold")
    table.add_column("reached at", no_wrap=True)  # to be copied whole
    for member in view.members:
        table.add_row(*_row(member))
    console.print(table)


def _row(member: MemberView) -> list[Any]:
    speed = f"{member.steps_per_second:.1f}" if member.steps_per_second else "?"
    power = [member.power]
    if member.battery_percent is not None:
        power.append(f"{member.battery_percent} %")
    if member.temperature_c is not None:
        power.append(f"{member.temperature_c:.0f} °C")
    return [
        Text("★" if member.leader else " ", style="yellow"),
        Text(member.name, style="bold"),
        member.id[:7],
        Text(member.status, style="green" if member.status == "alive" else "red"),
        speed if member.engine else "no engine",
        f"{member.memory_free_mib / 1024:.1f} GiB",
        f"{member.load:.0%}",
        Text(", ".join(power), style="red" if member.hot else ""),
        "this node" if member.me else member.path,
    ]
