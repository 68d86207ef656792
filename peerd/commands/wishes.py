"""From words of the command line to a `Wish`, or one sentence on what is wrong with them.

What can be told without the daemon is told here; whether a model is there, the daemon says. Never here: asking it.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

from peerd import paths
from peerd.api.desk import Wish
from peerd.commands.output import UsageError
from peerd_protocol.errors import LocalError
from peerd_protocol.plan import GROUP_MEMBERS_MAX, PROMPT_CHARS_MAX, SIDE_PIXELS_MAX, STEPS_MAX, Quality, Share
from peerd_protocol.schedulers import scheduler_named

GROUP_NAME_CHARS_MAX = 64
WAIT_S_MAX = 600.0
SEED_MAX = 2**63 - 1

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, slots=True)
class Words:
    """The options of `generate` and `plan` as they were written."""

    steps: int | None = None
    shared: str = "auto"
    seed: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    negative: str = ""
    size: str | None = None
    model: str | None = None
    out: Path | None = None
    group: str | None = None
    wait_s: float = 10.0
    share: str = "prompt"
    quality: str = "balanced"
    keep: bool = True


def make_wish(prompt: str, words: Words) -> Wish:
    """Raises UsageError."""
    width, height = _size(words.size)
    group_name, group_size = _group(words.group)
    steps = words.steps
    if steps is not None and not 1 <= steps <= STEPS_MAX:
        raise UsageError(f"--steps is a number from 1 to {STEPS_MAX}; {steps} is not.")
    if words.seed is not None and not 0 <= words.seed <= SEED_MAX:
        raise UsageError(f"--seed is a whole number from 0 to 2^63 - 1; {words.seed} is not.")
    if not 0 <= words.wait_s <= WAIT_S_MAX:
        raise UsageError(f"--wait is from 0 to {WAIT_S_MAX:g} seconds; {words.wait_s:g} is not.")
    if words.guidance is not None and not 0 <= words.guidance <= 100:
        raise UsageError(f"--guidance is a number from 0 to 100; {words.guidance:g} is not.")
    _check_scheduler(words.scheduler)
    return Wish(
        prompt=check_prompt(prompt),
        negative=_readable("--negative", words.negative),
        steps=steps,
        shared=_shared(words.shared, steps),
        seed=words.seed,
        guidance=words.guidance,
        scheduler=words.scheduler,
        width=width,
        height=height,
        model=_model(words.model),
        out=None if words.out is None else str(_whole("--out", str(words.out))),
        group_name=group_name,
        group_size=group_size,
        wait_s=words.wait_s,
        share=_choice("--share", words.share, get_args(Share)),
        quality=_choice("--quality", words.quality, get_args(Quality)),
        keep=words.keep,
    )


def check_prompt(prompt: str) -> str:
    """A prompt that can be read and is not too long. Raises UsageError."""
    if not prompt.strip():
        raise UsageError("The prompt is empty; say what to draw, for example `peerd generate 'apple on table'`.")
    if len(prompt) > PROMPT_CHARS_MAX:
        raise UsageError(f"The prompt has {len(prompt)} characters; at most {PROMPT_CHARS_MAX} are allowed.")
    return _readable("The prompt", prompt)


def _readable(what: str, text: str) -> str:
    """Python lets bytes of another encoding through as lone surrogates, which nobody can read or send."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not in UTF-8; write it in that encoding.") from None
    return text


def _shared(text: str, steps: int | None) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal():
        raise UsageError(f"--shared is a number of steps or `auto`; {text!r} is neither.")
    shared = int(text)
    if steps is not None and shared > steps:
        raise UsageError(f"--shared {shared} is more than --steps {steps}: steps can't be shared that are not run.")
    return shared


def _size(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    found = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text)
    if found is None:
        raise UsageError(f"--size is WIDTHxHEIGHT in pixels, for example 256x256; {text!r} is not.")
    width, height = int(found[1]), int(found[2])
    for side in (width, height):
        if not 8 <= side <= SIDE_PIXELS_MAX or side % 8:
            raise UsageError(f"--size needs sides from 8 to {SIDE_PIXELS_MAX} that 8 divides; {side} is not one.")
    return width, height


def _group(text: str | None) -> tuple[str, int]:
    if text is None:
        return "", 1
    name, colon, size = _readable("--group", text).rpartition(":")
    if not colon or not name or not size.isdecimal() or len(name) > GROUP_NAME_CHARS_MAX:
        raise UsageError(f"--group is NAME:N, for example fruits:4 for four requests; {text!r} is not.")
    if not 1 <= int(size) <= GROUP_MEMBERS_MAX:
        raise UsageError(f"A group waits for 1 to {GROUP_MEMBERS_MAX} requests; --group {text} says {size}.")
    return name, int(size)


def _model(text: str | None) -> str | None:
    """A name stays a name; a folder becomes absolute, since the daemon lives in another folder."""
    if text is None:
        return None
    if os.sep in text or text.startswith(("~", ".")):
        folder = _whole("--model", text)
        if not paths.is_folder(folder):
            raise UsageError(f"--model {text}: there is no such folder, or none that you may look into.")
        return str(folder)
    return _readable("--model", text)


def _whole(option: str, text: str) -> Path:
    try:
        return paths.whole(_readable(option, text))
    except LocalError as error:
        raise UsageError(f"{option}: {error}") from error


def _choice(option: str, word: str, choices: tuple[Choice, ...]) -> Choice:
    for choice in choices:
        if word == choice:
            return choice
    raise UsageError(f"{option} is one of {', '.join(map(str, choices))}; {word!r} is not.")


def _check_scheduler(name: str | None) -> None:
    if name is not None:
        try:
            scheduler_named(name)
        except LocalError as error:
            raise UsageError(str(error)) from error
