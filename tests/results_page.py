"""The page of results, and how a benchmark that is published there puts its own table between its two marks.

Never here: measuring anything, or the prose between the tables.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parent / "benchmarks" / "RESULTS.md"
PUBLISH = "--publish"


def tell(name: str, lines: Sequence[str]) -> None:
    """Print a table, and what was asked for with it: a file of its own (first argument), or its place on the page."""
    text = "\n".join(lines)
    print(text, flush=True)
    if sys.argv[1:] and not sys.argv[1].startswith("-"):
        Path(sys.argv[1]).write_text(text + "\n")
    if PUBLISH in sys.argv:
        publish(PAGE, name, f"{text}\n\nPrinted on {time.strftime('%Y-%m-%d')} by this benchmark.")


def publish(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of this name. ValueError if the page has no such marks."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, mark, rest = page.read_text().partition(begin)
    _, last, after = rest.partition(end)
    if not mark or not last:
        raise ValueError(f"{page} has no place for {name}: {begin.strip()} ... {end.strip()}")
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")
