"""The same pictures made three ways on one cluster: each device alone, all on the edge server, and together.

An edge server and three devices a third as fast, real daemons on this host. 24 prompts in four rounds: in each, every
device asks for two pictures at once, of two scenes that the others ask for too. *All on the edge* is the centralised
system: the devices have no engine, and the edge runs every step of each. Writes a markdown table (first argument: a
file, else standard output): denoiser calls as the engines counted them, seconds as people waited, joules, and the share
of pictures whose thing and place the judge of `examples/embedded_model` names. The seeds are the same, so the first two
ways make the same pictures.

Joules are a model, for no meter tells devices on one host apart: each engine draws its watts (45 of the edge, 15 of a
device) for the full-speed seconds of its calls, and each byte handed over 5e-7 J. A device thus takes as many joules a
call as the edge. Never here: how sharing is decided.
"""

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from peerd.demo.cluster import Cluster
from peerd.device.pace import Known, fit
from peerd.planning.settings import PlanSettings
from tests.world.asking import Asked, ask, wait_for_agreement

ROOT = Path(__file__).parents[2]
EDGE, DEVICES = "edge", ("ada", "bob", "cleo")
SLOWDOWN, EDGE_WATTS, DEVICE_WATTS = 3, 45.0, 15.0
STEPS, MPIXELS = 11, 2 * 128 * 128 / 1e6
SCENES: tuple[tuple[str, tuple[str, str, str]], ...] = (
    ("table", ("apple", "lemon", "orange")),
    ("grass", ("cat", "dog", "rabbit")),
    ("road", ("car", "bus", "bicycle")),
    ("desk", ("book", "cup", "clock")),
    ("snow", ("penguin", "owl", "rabbit")),
    ("beach", ("ball", "umbrella", "boat")),
    ("bed", ("cat", "dog", "pig")),
    ("table", ("pear", "banana", "carrot")),
)


@dataclass(frozen=True, slots=True)
class Made:
    """How one way went."""

    way: str
    calls: dict[str, int]
    seconds: list[float]
    makespan_s: float
    call_s: float
    """One call at the edge's full speed, as it learnt it meanwhile."""
    handed_bytes: int
    shown: list[tuple[str, str, str]]
    """Thing, place and the picture's path."""


def main() -> None:
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="peerd-three-") as folder:
        ways = [
            _way(Path(folder), "all alone", shared=0),
            _way(Path(folder), "all on the edge", shared=0, devices={"PEERD_ENGINE": "none"}),
            _way(Path(folder), "collaborative", shared=None),
        ]
        # The three ran under different loads of this host; a call draws the same in each.
        call_s = statistics.median(made.call_s for made in ways)
        rows = [_row(made, _joules(made, call_s)) for made in ways]
    table = "\n".join(
        [
            "| way | denoiser calls | by the edge | makespan, s | middle of waits, s | joules | Wh | thing and place |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"{len(ways[0].shown)} pictures, {STEPS} steps, DDIM, 128 pixels, on {os.cpu_count()} cores; the load of"
            f" the host before {load_before:.1f}, after {os.getloadavg()[0]:.1f}.",
        ]
    )
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(table + "\n")
    print(table)


def _way(folder: Path, way: str, *, shared: int | None, devices: Mapping[str, str] | None = None) -> Made:
    slow = {"PEERD_ENGINE_SLOWDOWN": str(SLOWDOWN), "PEERD_POWER_WATTS": str(DEVICE_WATTS), **(devices or {})}
    each = {EDGE: {"PEERD_POWER_WATTS": str(EDGE_WATTS)}, **dict.fromkeys(DEVICES, slow)}
    with Cluster(folder / way.replace(" ", "-"), (EDGE, *DEVICES), each=each) as cluster:
        cluster.start()
        cluster.pair_all()
        wait_for_agreement(*cluster.nodes)
        _warm(cluster, with_devices=devices is None)
        before = cluster.denoiser_calls()
        began_s = time.monotonic()
        asked: list[tuple[str, str, Asked]] = []
        for first in range(0, len(SCENES), 2):
            here = [one for scene in (first, first + 1) for one in _ask(cluster, scene, shared)]
            for _, _, one in here:
                one.finished()
            asked += here
        makespan_s = time.monotonic() - began_s
        calls = {name: count - before[name] for name, count in cluster.denoiser_calls().items()}
        call_s = _edge_call_s(cluster)
        handed = sum(one.tale.crossed.size for _, _, one in asked if one.tale.crossed)
        shown = [(thing, place, one.finished().path) for thing, place, one in asked]
        seconds = [one.finished().seconds for _, _, one in asked]
    return Made(way, calls, seconds, makespan_s, call_s, handed, shown)


def _joules(made: Made, call_s: float) -> float:
    """What the engines draw for these calls, and the links for what was handed over."""
    watts = {name: EDGE_WATTS if name == EDGE else DEVICE_WATTS * SLOWDOWN for name in made.calls}
    engines = sum(count * call_s * watts[name] for name, count in made.calls.items())
    return engines + made.handed_bytes * PlanSettings().joules_per_byte


def _ask(cluster: Cluster, scene: int, shared: int | None) -> list[tuple[str, str, Asked]]:
    """Every device asks for its thing of this scene; those who may share wait for each other."""
    place, things = SCENES[scene]
    together = {} if shared == 0 else {"group_name": f"scene {scene}", "group_size": len(things)}
    return [
        (
            thing,
            place,
            ask(
                cluster[name], f"{'an' if thing[0] in 'aeiou' else 'a'} {thing} on the {place}", steps=STEPS,
                shared=shared, seed=100 + scene, **together,
            ),
        )
        for name, thing in zip(DEVICES, things, strict=True)
    ]  # fmt: skip


def _warm(cluster: Cluster, *, with_devices: bool) -> None:
    """Engines are warm and have learnt two pictures before it counts."""
    for number in range(2):
        nodes = [EDGE, *(DEVICES if with_devices else ())]
        for one in [ask(cluster[name], f"a cup on a book {number}", steps=STEPS, shared=0) for name in nodes]:
            one.finished()
    time.sleep(2.5)


def _edge_call_s(cluster: Cluster) -> float:
    """One call at full speed, as the edge has learnt it."""
    with closing(sqlite3.connect(f"file:{cluster[EDGE].home / 'state.sqlite'}?mode=ro", uri=True)) as base:
        ((pace,),) = base.execute("SELECT pace FROM paces").fetchall()
    known = msgspec.msgpack.decode(pace, type=Known)
    fixed_s, slope_s = fit([(size, figure.value, figure.count) for size, figure in known.calls.items()])
    return fixed_s + slope_s * MPIXELS


def _row(made: Made, joules: float) -> str:
    right = _judge(made.shown)
    return (
        f"| {made.way} | {sum(made.calls.values())} | {made.calls[EDGE]} | {made.makespan_s:.1f}"
        f" | {statistics.median(made.seconds):.2f} | {joules:.0f} | {joules / 3600:.3f} | {right:.0%} |"
    )


def _judge(shown: list[tuple[str, str, str]]) -> float:
    """The share of pictures whose thing and place are both named right."""
    sys.path.insert(0, str(ROOT / "examples" / "embedded_model"))
    import numpy as np
    from judge import load_judge, verdicts  # type: ignore[import-not-found]
    from PIL import Image

    pictures = np.stack([np.asarray(Image.open(path).convert("RGB")) for _, _, path in shown])
    things, places = verdicts(load_judge(), pictures)
    found = list(zip(things, places, strict=True))
    if "--verbose" in sys.argv:
        print(json.dumps([[*said[:2], *seen] for said, seen in zip(shown, found, strict=True)]))
    return sum(seen == said[:2] for seen, said in zip(found, shown, strict=True)) / len(shown)


if __name__ == "__main__":
    main()
