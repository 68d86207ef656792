"""Nobody writes a line of this node's log but this node."""

import logging

from peerd.log_lines import OneLine


def test_a_peers_words_neither_end_a_line_nor_steer_a_terminal() -> None:
    forged = "bob\n2026-01-01 I peerd: all is well \x1b[2K\u202e"
    record = logging.LogRecord("peerd", logging.WARNING, __file__, 1, "%s is here", (forged,), None)
    line = OneLine().format(record)
    assert "\\n2026" in line and "\\x1b[2K\\u202e is here" in line
    assert line.isprintable()


def test_our_own_traceback_is_shown_whole() -> None:
    try:
        raise ValueError("a fault of ours")
    except ValueError as error:
        trouble = (type(error), error, error.__traceback__)
    record = logging.LogRecord("peerd", logging.ERROR, __file__, 1, "Ä 🍎 failed", (), trouble)
    line = OneLine().format(record)
    assert "Ä 🍎 failed\nTraceback" in line
