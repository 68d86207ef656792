"""`peerd cache` and `peerd cache clear`: the checkpoints kept for later requests. Never here: keeping them."""

import msgspec
from rich.table import Table

from peerd.api.desk import CacheView, KeptView
from peerd.commands.output import DONE, print_json, screen
from peerd.commands.whose import daemon

PROMPT_CHARS = 60
MIB = 1 << 20


def show(as_json: bool) -> int:
    view = daemon().cache()
    if as_json:
        print_json({"count": len(view.entries), **msgspec.to_builtins(view)})
        return DONE
    console = screen()
    console.print(_summary(view))
    if view.entries:
        console.print()
        console.print(_table(view.entries))
    return DONE


def clear(as_json: bool) -> int:
    count = daemon().clear_cache()
    if as_json:
        print_json({"cleared": count})
    else:
        screen().print(f"{_checkpoints(count)} removed.")
    return DONE


def _summary(view: CacheView) -> str:
    if not view.bytes_max:
        return "This node keeps no checkpoints: its bound is 0 bytes ([cache] bytes_max in config.toml)."
    saved = sum(entry.calls_saved for entry in view.entries)
    return (
        f"{_checkpoints(len(view.entries))} kept: {_mib(view.bytes_used)} of {view.bytes_max / MIB:g} MiB,"
        f" {saved} denoiser calls saved so far."
    )


def _mib(size: int) -> str:
    """A small model's checkpoints are a few KiB, which is not nothing."""
    return f"{size / MIB:.1f}" if size >= MIB // 10 or not size else f"{size / MIB:.2g}"


def _checkpoints(count: int) -> str:
    return f"{count} checkpoint{'' if count == 1 else 's'}"


def _table(entries: tuple[KeptView, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("prompt", overflow="fold")
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("scheduler", no_wrap=True)
    for heading in ("bytes", "hits", "calls saved"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in entries:
        table.add_row(
            _age(entry.age_s),
            entry.prompt if len(entry.prompt) <= PROMPT_CHARS else f"{entry.prompt[: PROMPT_CHARS - 1]}…",
            f"{entry.step}/{entry.total}",
            entry.scheduler,
            f"{entry.size:,}",
            str(entry.hits),
            str(entry.calls_saved),
        )
    return table


def _age(seconds: float) -> str:
    for length_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
