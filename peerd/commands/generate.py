"""`peerd generate`: ask, watch the picture sharpen, and say where it is.

Ctrl-C cancels the request, whenever it comes. Never here: what the options mean (`wishes.py`), or how anything is
drawn (`screen/`).
"""

import signal
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, NoReturn

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from peerd.api.client import Client
from peerd.api.desk import Wish
from peerd.commands.output import DONE, FAILED, INTERRUPTED, print_json, say_error, screen
from peerd.commands.whose import brought, daemon, fetched
from peerd.commands.wishes import Words, make_wish
from peerd.screen import draw
from peerd.screen.tale import Names, Tale, describe
from peerd_protocol.errors import PeerdError
from peerd_protocol.ids import NodeId
from peerd_protocol.notices import AnyNotice, LocalStep, SharedStep

PICTURE_COLUMNS = 48
FRAMES_PER_SECOND = 8


def generate(prompt: str, words: Words, as_json: bool) -> int:
    client = daemon()
    wish, out = fetched(client, make_wish(prompt, words))
    names = {member.id: member.name for member in client.view().members}
    tale = Tale(prompt)
    with _Interrupt() as interrupt:
        try:
            with interrupt.later():
                tale.request = client.submit(wish)
            with closing(client.follow(tale.request)) as notices:
                if out is not None:
                    notices = brought(notices, client, tale.request, out, overwrite=words.out is not None)
                _watch(notices, tale, names, None if as_json else screen())
        except KeyboardInterrupt:
            return _cancel(client, tale, as_json)
    if tale.finished is None:
        reason = getattr(
            tale.ended, "reason", "the daemon stopped; started again by `peerd up`, it goes on with this request"
        )
        return say_error(f"No picture: {reason}.".replace("..", "."), as_json, FAILED)
    if as_json:
        print_json(summary(tale, wish, names))
    return DONE


def summary(tale: Tale, wish: Wish, names: Names) -> dict[str, Any]:
    """What `--json` prints."""
    finished, plan = tale.finished, tale.plan
    assert finished is not None

    def name(node: NodeId | None) -> str | None:
        return None if node is None else names.get(node, node)

    shared = tale.shared_steps
    return {
        "request": tale.request,
        "prompt": tale.prompt,
        "path": finished.path,
        "pixels_sha256": finished.pixels_sha256,
        "exact": finished.exact,
        "denoiser_calls": finished.denoiser_calls,
        "total_steps": tale.total,
        "shared_steps": shared,
        "seed": plan.seed if plan else wish.seed,
        "executor": name(plan.executor) if plan and shared else None,
        "runner": name(plan.runner) if plan else None,
        "leads": plan.leads if plan else True,
        "shared_with": list(plan.shared_with) if plan and shared else [],
        "handoff_bytes": tale.handoff.size if tale.handoff else 0,
        "seconds": round(finished.seconds, 3),
        "seconds_predicted": round(plan.forecast.seconds, 3) if plan else None,
        "alone_reason": tale.alone_reason or None,
    }


def _watch(notices: Generator[AnyNotice, None, None], tale: Tale, names: Names, console: Console | None) -> None:
    if console is None or not draw.can_draw(console):
        for notice in notices:
            tale.hear(notice)
            if console is not None and not _between(notice):
                console.print(describe(notice, names), soft_wrap=True)
        return
    line = Text("asking …", style="dim")
    with Live(console=console, refresh_per_second=FRAMES_PER_SECOND, transient=False) as live:
        for notice in notices:
            tale.hear(notice)
            if not isinstance(notice, SharedStep | LocalStep):
                line = Text(describe(notice, names))
            live.update(_frame(tale, line, min(PICTURE_COLUMNS, console.width, 2 * (console.height - 5))))


def _frame(tale: Tale, line: Text, columns: int) -> Group:
    finished = tale.finished
    if finished is not None:
        seen = draw.picture_file(finished.path, columns)
    elif tale.preview:
        seen = draw.picture(tale.preview, tale.preview_side, tale.preview_side, columns)
    else:
        seen = draw.empty_picture(columns)
    bar = draw.step_bar(tale.step, tale.shared_steps, tale.total, columns)
    count = Text(f" {tale.step}/{tale.total}" if tale.total else "", style="dim")
    return Group(seen, Text.assemble(bar, count), line)


def _between(notice: AnyNotice) -> bool:
    """Steps between the first and the last of a run: too many lines for a log."""
    return isinstance(notice, SharedStep | LocalStep) and notice.step % 10 != 0 and notice.step != notice.total


def _cancel(client: Client, tale: Tale, as_json: bool) -> int:
    if tale.request is None:
        return say_error("Interrupted before the daemon answered; what it accepted runs on.", as_json, INTERRUPTED)
    try:
        client.cancel(tale.request)
    except PeerdError as error:
        return say_error(f"Interrupted, and the request could not be cancelled: {error}", as_json, INTERRUPTED)
    return say_error("Cancelled.", as_json, INTERRUPTED)


class _Interrupt:
    """Ctrl-C and SIGTERM alike: a terminated `generate` takes its request back too.

    The first one is a KeyboardInterrupt, and all that follow are ignored: taking back has its own bound.
    """

    def __init__(self) -> None:
        self._waits = self._heard = False
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> "_Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def later(self) -> Iterator[None]:
        """The interrupt comes at the end of the block, for what is begun here has to be known to be taken back.

        Whoever interrupts twice does not want to wait for it.
        """
        self._waits = True
        yield
        self._waits = False
        if self._heard:
            self._interrupt()

    def _hear(self, *_: object) -> None:
        if self._waits and not self._heard:
            self._heard = True
        else:
            self._interrupt()

    def _interrupt(self) -> NoReturn:
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt
