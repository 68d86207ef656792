"""`peerd demo`: options to a script, and the right stage for where it's shown. Never here: the demo itself."""

import signal
from collections.abc import Sequence
from pathlib import Path

from peerd.commands.output import DONE, FAILED, UsageError, notes, print_json, screen
from peerd.demo.cluster import NODES_MAX
from peerd.demo.script import FOUR_FRUITS, Script, perform
from peerd.demo.stage import PlainStage, Stage
from peerd.screen.draw import can_draw
from peerd_protocol.plan import GROUP_MEMBERS_MAX, STEPS_MAX


def demo(
    prompts: Sequence[str], nodes: int, steps: int, shared: int, seed: int, out: Path | None, kill: bool, as_json: bool
) -> int:
    if not 1 <= nodes <= NODES_MAX:
        raise UsageError(f"--nodes is from 1 to {NODES_MAX}; {nodes} is not.")
    if not 1 <= steps <= STEPS_MAX:
        raise UsageError(f"--steps is from 1 to {STEPS_MAX}; {steps} is not.")
    if not 0 <= shared < steps:
        raise UsageError(f"--shared is from 0 to {steps - 1}, one less than --steps; {shared} is not.")
    if len(prompts) > GROUP_MEMBERS_MAX or not all(prompt.strip() for prompt in prompts):
        raise UsageError(f"Give at most {GROUP_MEMBERS_MAX} prompts, and none that is empty.")
    if kill and (nodes < 2 or not shared):
        raise UsageError("--kill kills the device that runs shared steps: give at least 2 --nodes and 1 of --shared.")
    folder = (out or Path("demo-out")).absolute()
    script = Script(tuple(prompts) or FOUR_FRUITS, nodes, steps, shared, seed, folder, kill)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)  # a demo that is told to go takes its daemons with it
    stage = _stage(as_json)
    try:
        report = perform(script, stage)
    finally:
        stage.close()
    if as_json:
        print_json(report.as_json())
    return DONE if report.cut is None or report.cut.same_pictures else FAILED


def _stage(as_json: bool) -> Stage:
    if as_json:
        return PlainStage(notes(), None)
    console = screen()
    if can_draw(console):
        from peerd.demo.live import LiveStage

        return LiveStage(console)
    return PlainStage(console, console)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
