"""`peerd plan`: what would happen if these prompts were asked now. Never here: making the plan."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from peerd.commands.output import DONE, UsageError, print_json, screen
from peerd.commands.whose import daemon
from peerd.commands.wishes import Words, make_wish
from peerd.screen.tale import Names
from peerd_protocol.ids import NodeId


def plan(prompts: Sequence[str], words: Words, as_json: bool) -> int:
    if not prompts:
        raise UsageError("Say what to plan for, for example `peerd plan 'apple on table' 'lemon on table'`.")
    client = daemon()
    found = client.plan([make_wish(prompt, words) for prompt in prompts])
    names = {member.id: member.name for member in client.view().members}
    if as_json:
        print_json({**found, "groups": [named(group, names) for group in found["groups"]]})
        return DONE
    console = screen()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("prompt", overflow="fold")
    table.add_column("shared steps", no_wrap=True)
    table.add_column("run by")
    for row in rows(found["groups"], names):
        table.add_row(*row)
    console.print(table)
    console.print(
        f"\n{found['denoiser_calls']} denoiser calls instead of {found['denoiser_calls_alone']};"
        f" about {found['watt_hours']:.2g} Wh, each alone {found['watt_hours_alone']:.2g} Wh;"
        f" about {found['seconds']:.1f} s, each alone {found['seconds_alone']:.1f} s;"
        f" {found['handoff_bytes']:,} bytes change hands.",
        soft_wrap=True,
    )
    if found["track_record"] is not None:
        console.print(trust(found["track_record"]), soft_wrap=True)
    console.print(found["privacy"], style="dim", soft_wrap=True)
    return DONE


def named(group: dict[str, Any], names: Names) -> dict[str, Any]:
    """Devices by their names, as `generate` and `demo` tell them; two may have the same, so the id stays beside it."""
    executor = group["executor"]
    return {**group, "executor": names.get(NodeId(executor), executor), "executor_id": executor}


def trust(record: dict[str, Any]) -> str:
    """How far such promises were off lately, in a sentence."""
    count = record["requests"]
    parts = [f"the seconds by {record['seconds']:.0%}"]
    for word, key in (("the denoiser calls", "denoiser_calls"), ("the watt-hours", "joules")):
        if record[key] is not None:
            parts.append(f"{word} by {record[key]:.0%}")
    said = " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)
    last = f"last {count} requests" if count > 1 else "last request"
    return f"Promises of the {last} from here were off, in the median: {said}."


def rows(groups: Sequence[dict[str, Any]], names: Names) -> Iterator[tuple[str, str, str]]:
    """One row a prompt: itself, until where it shares, who runs that. A branch is set in below what it branches off."""
    depths: list[int] = []
    for group in groups:
        parent = group["branch_of"]
        depth = 0 if parent is None else depths[parent] + 1
        depths.append(depth)
        runner = _run_by(group, names)
        for prompt, step in zip(group["prompts"], group["steps"], strict=True):
            yield "   " * (depth - 1) + "└─ " * (depth > 0) + prompt, str(step or "none"), runner
            runner = ""


def _run_by(group: dict[str, Any], names: Names) -> str:
    if not group["shared_steps"]:
        return f"each its own ({group['reason']})" if group["reason"] else "each its own"
    executor = names.get(NodeId(group["executor"]), group["executor"])
    if group["cached"]:
        return f"nobody: {executor} kept them"
    if group["branch_of"] is not None:
        return f"{executor}, from step {group['begins_at'] + 1} on"
    return str(executor)
