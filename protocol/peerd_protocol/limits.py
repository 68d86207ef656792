"""The kinds of bound: a text, bytes, a count, a whole number, a real one. Each raises FrameError that names the field.

Never here: what a bound is (`bounds`).
"""

from math import isfinite

from peerd_protocol.errors import FrameError

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands where a character was that nobody should be shown."""
RATE_MIN = 1e-6
"""Less than this is no rate of anything: a step in eleven days."""


def text(field: str, value: str, most: int, least: int = 0) -> None:
    if not least <= len(value) <= most:
        raise FrameError(f"{field} has {len(value)} characters; {least} to {most} are allowed.")


def sentence(field: str, value: str, most: int) -> None:
    """A text that people read as it is."""
    text(field, value, most)
    if not value.isprintable():
        raise FrameError(f"{field} holds characters that could deceive whoever reads it.")


def readable(value: str) -> str:
    """The text without characters that steer a terminal, turn its direction or can't be seen."""
    return "".join(character if character.isprintable() else REPLACEMENT for character in value)


def rate(field: str, value: float, most: float) -> None:
    """A number that others divide by where it is known: 0 says that it is not."""
    real(field, value, 0, most)
    if 0 < value < RATE_MIN:
        raise FrameError(f"{field} is {value:g}; 0 or at least {RATE_MIN:g} is allowed.")


def blob(field: str, value: bytes, most: int) -> None:
    if len(value) > most:
        raise FrameError(f"{field} has {len(value)} bytes; {most} are allowed.")


def many(field: str, count: int, most: int) -> None:
    if count > most:
        raise FrameError(f"{field} has {count} entries; {most} are allowed.")


def texts(field: str, values: tuple[str, ...], most: int, chars_max: int, least: int = 0) -> None:
    """At most so many, each as `text` wants it."""
    many(field, len(values), most)
    for value in values:
        text(field, value, chars_max, least=least)


def whole(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise FrameError(f"{field} is {value}; {least} to {most} are allowed.")


def real(field: str, value: float, least: float, most: float) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise FrameError(f"{field} is {value}; a number from {least:g} to {most:g} is allowed.")
