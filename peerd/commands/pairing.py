"""`peerd invite` and `peerd join`: two people compare check words and both say yes.

Never here: tokens, keys or words; the daemons make them.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, assert_never

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from peerd.api.client import Client
from peerd.api.wire import Asking, PairingLine
from peerd.commands.output import DONE, FAILED, UsageError, notes, print_json, say_error, screen
from peerd.commands.whose import daemon
from peerd.pairing_news import Joined, PairingFailed, TokenMade, WrongTry

TOKEN_VARIABLE = "PEERD_TOKEN"
TOKEN_BYTES_MAX = 4_096


def invite(minutes: float, guest: bool, yes: bool, as_json: bool) -> int:
    if not 0 < minutes <= 10:
        raise UsageError(f"--minutes is more than 0 and at most 10; {minutes:g} is not.")
    client = daemon()
    return _Talk(client, yes, as_json).hold(client.invite(minutes, guest))


def join(token: str | None, token_file: Path | None, yes: bool, as_json: bool) -> int:
    words = _token(token, token_file)
    if not words:
        raise UsageError("The token is empty; copy it from `peerd invite` on the other device.")
    client = daemon()
    return _Talk(client, yes, as_json).hold(client.join(words))


def _token(token: str | None, file: Path | None) -> str:
    """From the command, a file, or the environment: other users of a device can read a command's words."""
    if token is not None and file is not None:
        raise UsageError("Give the token or --token-file, not both.")
    if token is not None:
        return token.strip()
    if file is None:
        found = os.environ.get(TOKEN_VARIABLE, "")
        if not found.strip():
            raise UsageError(f"Which token? Give TOKEN, --token-file FILE, or {TOKEN_VARIABLE} in the environment.")
        return found.strip()
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            text = opened.read(TOKEN_BYTES_MAX).decode("ascii", "replace")
    except OSError as error:
        raise UsageError(f"--token-file {file} can not be read: {error.strerror}.") from error
    if mode & 0o077:
        raise UsageError(f"{file} is open to other users, who could join in your place; run `chmod 600 {file}`.")
    return text.strip()


class _Talk:
    """One pairing as a person sees it. With --json each line of news is one JSON value, as it comes."""

    def __init__(self, client: Client, yes: bool, as_json: bool) -> None:
        self._client = client
        self._yes = yes
        self._json = as_json
        self._screen: Console = notes() if as_json else screen()

    def hold(self, news: Generator[PairingLine, None, None]) -> int:
        try:
            for line in news:
                if (code := self._hear(line)) is not None:
                    return code
        finally:
            news.close()  # closes the window
        return say_error("The daemon ended the pairing without a word; its log may say why.", self._json, FAILED)

    def _hear(self, line: PairingLine) -> int | None:
        match line:
            case TokenMade(token=token, minutes=minutes):
                self._tell({"token": token, "minutes": minutes})
                if not self._json:
                    self._show_token(token, minutes)
                return None
            case Asking(name=name, words=words):
                self._tell({"knocked": name, "words": words})
                self._screen.print(Text.assemble((name, "bold"), " is there. The check words on both devices are:"))
                self._screen.print(Panel.fit(Text(words, style="bold"), padding=(0, 2)))
                self._client.answer(line, self._yes or self._ask())
                return None
            case WrongTry(number=number, allowed=allowed):
                self._tell({"wrong_try": number, "allowed": allowed})
                self._screen.print(
                    Text(f"! Somebody tried to join with a wrong token ({number} of {allowed}).", style="bold red")
                )
                return None
            case Joined(name=name, id=node):
                self._tell({"joined": name, "id": node})
                self._screen.print(Text.assemble(("✓ ", "green"), (name, "bold"), " and this node are in one cluster."))
                return DONE
            case PairingFailed(reason=reason):
                return say_error(reason, self._json, FAILED)
            case _:
                assert_never(line)

    def _tell(self, value: dict[str, Any]) -> None:
        if self._json:
            print_json(value)

    def _show_token(self, token: str, minutes: float) -> None:
        import segno

        if self._screen.is_terminal:
            segno.make(token, error="l").terminal(sys.stdout, compact=True)
        self._screen.print(f"On the other device, within {minutes:g} minutes:\n")
        # Never wrapped by us: a token that is broken into lines can't be copied.
        self._screen.print(Text(f"peerd join {token}", style="bold"), soft_wrap=True)
        self._screen.print()

    def _ask(self) -> bool:
        if not sys.stdin.isatty():
            self._screen.print("Nobody can answer here, so the answer is no; --yes says yes beforehand.")
            return False
        while True:
            try:
                answer = self._screen.input("Are they the same on both? \\[y/n] ").strip().lower()
            except EOFError:  # Ctrl-D: whoever ends the talk does not say yes
                self._screen.print()
                return False
            if answer in ("y", "yes", "n", "no"):
                return answer.startswith("y")
