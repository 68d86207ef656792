"""The language of the stories: from lines of English to what is done and what must be true, in order.

A line is a deed (`Ann is killed`) or a fact (`Bob leads`), and may say when:

    after 5 s: DEED or FACT     time passes, then it is done, or must be true
    within 5 s: FACT            time passes until it is true, at most so long
    for 5 s: FACT               it stays true, at every moment

Sentences are templates such as `NAMES ask for WORDS`; capital words are filled in, `a/b` means either. Whatever fits no
template, or names somebody who never started, is refused with its line's number. Never here: what a sentence does
(`deeds`, `facts`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

Does = TypeVar("Does", bound=Callable[..., Any])
Names = tuple[str, ...]
"""What NAMES or WORDS become."""

NAME = r"[A-Z][a-z]+"
WORD = r'"[a-z ]+"'


def _several(pattern: str) -> str:
    return rf"{pattern}(?:(?:, | and ){pattern})*"


BLANKS: dict[str, str] = {
    "NAMES": _several(NAME),
    "NAME": NAME,
    "WORDS": _several(WORD),
    "SIDES": rf"{_several(NAME)}(?: \| {_several(NAME)})+",
    "MESSAGES": "heartbeats|offers|plans|checkpoints",
    "NUMBER": r"\d+",
}
"""What may stand in a template's blanks."""
UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}
TIMED = re.compile(r"(after|within|for) (\d+(?:\.\d+)?) (s|min|h): (.+)")


class Kind(Enum):
    DEED = "deed"
    FACT = "fact"


class When(Enum):
    AFTER = "after"
    WITHIN = "within"
    FOR = "for"


class NonsenseError(Exception):
    """A line that the language does not know, and which one."""

    def __init__(self, number: int, text: str, why: str) -> None:
        super().__init__(f"line {number}: {why}: {text!r}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A template, what fits it, and what it does: given the stage and what stands in the blanks."""

    template: str
    kind: Kind
    does: Callable[..., Any]
    pattern: re.Pattern[str]
    blanks: tuple[str, ...]

    @staticmethod
    def of(template: str, kind: Kind, does: Callable[..., Any]) -> "Sentence":
        blanks: list[str] = []

        def fill(match: re.Match[str]) -> str:
            if (blank := match[0]) in BLANKS:
                blanks.append(blank)
                return f"({BLANKS[blank]})"
            return f"(?:{'|'.join(blank.split('/'))})"

        pattern = re.sub(r"[A-Z]{2,}|\w+(?:/\w+)+", fill, template)
        return Sentence(template, kind, does, re.compile(pattern), tuple(blanks))

    def read(self, text: str) -> tuple[Any, ...] | None:
        """What stands in the blanks, or None if the text is another sentence."""
        match = self.pattern.fullmatch(text)
        return None if match is None else tuple(map(_value, self.blanks, match.groups()))


def collector(into: list[Sentence], kind: Kind) -> Callable[..., Callable[[Does], Does]]:
    """A mark for functions: `@mark(template, ...)` says by which sentences a story calls one."""

    def mark(*templates: str) -> Callable[[Does], Does]:
        def collect(does: Does) -> Does:
            into.extend(Sentence.of(template, kind, does) for template in templates)
            return does

        return collect

    return mark


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a story, understood. `seconds` belong to `when`."""

    number: int
    text: str
    when: When
    seconds: float
    sentence: Sentence
    values: tuple[Any, ...]


def read(story: str, sentences: Iterable[Sentence]) -> list[Line]:
    """The story's lines. Raises NonsenseError at the first that is none."""
    sentences = tuple(sentences)
    numbered = [(number, text.strip()) for number, text in enumerate(story.splitlines(), 1)]
    lines = [_line(number, text, sentences) for number, text in numbered if text and not text.startswith("#")]
    started: set[str] = set()
    for line in lines:
        people = set(re.findall(rf"\b{NAME}", line.text))
        if line.sentence.template.startswith("NAMES start"):
            started |= people
        elif strangers := sorted(people - started):
            raise NonsenseError(line.number, line.text, f"{', '.join(strangers)} never started")
    return lines


def _line(number: int, text: str, sentences: tuple[Sentence, ...]) -> Line:
    timed = TIMED.fullmatch(text)
    when, seconds, rest = When.AFTER, 0.0, text
    if timed is not None:
        when, seconds, rest = When(timed[1]), float(timed[2]) * UNITS_S[timed[3]], timed[4]
    for sentence in sentences:
        if (values := sentence.read(rest)) is not None:
            if sentence.kind is Kind.DEED and when is not When.AFTER:
                raise NonsenseError(number, text, f"a deed is done at once or after a while, not {when.value} it")
            return Line(number, text, when, seconds, sentence, values)
    raise NonsenseError(number, text, "no such sentence")


def _value(blank: str, text: str) -> Any:
    match blank:
        case "NAMES":
            return tuple(re.findall(NAME, text))
        case "WORDS":
            return tuple(word.strip('"') for word in re.findall(WORD, text))
        case "SIDES":
            return tuple(tuple(re.findall(NAME, side)) for side in text.split("|"))
        case "NUMBER":
            return int(text)
        case _:
            return text
