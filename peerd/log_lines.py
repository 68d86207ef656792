"""One event, one line: what a peer says of itself ends no line of the log, begins none, and steers no terminal.

Never here: what is worth a line.
"""

import logging


class OneLine(logging.Formatter):
    """Our own format, with every control and direction character of a message escaped. Tracebacks stay whole."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname).1s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
            for character in record.message
        )
        return super().formatMessage(record)
