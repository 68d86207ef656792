"""`peerd plan`: what would happen if these prompts were asked now. Never here: making the plan."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from peerd import config
from peerd.api.client import Client
from peerd.commands.output import DONE, UsageError, print_json, screen
from peerd.commands.wishes import Words, make_wish
from peerd_protocol.ids import NodeId


def plan(prompts: Sequence[str], words: Words, as_json: bool) -> int:
    if not prompts:
        raise UsageError("Say what to plan for, for example `peerd plan 'apple on table' 'lemon on table'`.")
    client = Client(config.home())
    found = client.plan([make_wish(prompt, words) for prompt in prompts])
    if as_json:
        print_json(found)
        return DONE
    names = {member.id: member.name for member in client.view().members}
    console = screen()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("prompts", "shared steps", "run by"):
        table.add_column(heading)
    for group in found["groups"]:
        table.add_row("\n".join(group["prompts"]), *_shared(group, names))
    console.print(table)
    console.print(
        f"\n{found['denoiser_calls']} denoiser calls instead of {found['denoiser_calls_alone']};"
        f" about {found['seconds']:.1f} s, each alone {found['seconds_alone']:.1f} s;"
        f" {found['handoff_bytes']:,} bytes change hands."
    )
    if found.get("privacy"):
        console.print(str(found["privacy"]), style="dim")
    return DONE


def _shared(group: dict[str, Any], names: dict[NodeId, str]) -> tuple[str, str]:
    if not group["shared_steps"]:
        return "none", "each its own"
    executor = str(group["executor"])
    return str(group["shared_steps"]), names.get(NodeId(executor), executor)
