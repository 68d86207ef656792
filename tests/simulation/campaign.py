"""Many stories on all cores, and every so often one of them again without one kind of fault.

Never here: what is printed (`__main__`, `report`).
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing import get_context

from tests.simulation.faults import KINDS
from tests.simulation.play import Outcome, play, without
from tests.simulation.report import Report
from tests.simulation.stories import Story, drawn

SAMPLE = 41
"""Of so many stories one is compared with what it is without each of its kinds of fault. A prime, so that it meets
every number of nodes."""
CHUNK = 20


def run(report: Report, cases: Iterable[tuple[int, int]], processes: int) -> Iterator[Report]:
    """Play the stories of these seeds and numbers of nodes; yields the growing report after each chunk."""
    chunks = iter(_chunks(cases))
    if processes == 1:
        results = map(_play_chunk, chunks)
        for result in results:
            yield _joined(report, result)
        return
    with get_context("fork").Pool(processes) as pool:
        for result in pool.imap_unordered(_play_chunk, chunks):
            yield _joined(report, result)


Result = list[tuple[Story, Outcome, list[tuple[str, Outcome]]]]


def _chunks(cases: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    cases = iter(cases)
    while chunk := list(islice(cases, CHUNK)):
        yield chunk


def _play_chunk(chunk: list[tuple[int, int]]) -> Result:
    return [_play(seed, nodes) for seed, nodes in chunk]


def _play(seed: int, nodes: int) -> tuple[Story, Outcome, list[tuple[str, Outcome]]]:
    story = drawn(seed, nodes)
    outcome = play(story)
    others = []
    if seed % SAMPLE == 0:
        kinds = [kind for kind in KINDS if kind.__name__ in outcome.faults]
        others = [(kind.__name__, play(without(story, kind))) for kind in kinds]
    return story, outcome, others


def _joined(report: Report, result: Result) -> Report:
    for story, outcome, others in result:
        report.add(story, outcome)
        for kind, other in others:
            report.compare(kind, outcome, other)
    return report
