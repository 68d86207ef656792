"""The same pictures made three ways on one cluster: each device alone, all on the edge server, and together.

An edge server and three devices a third as fast, real daemons on this host. 48 prompts, in each round six: every device
asks for two pictures at once, of two scenes that the others ask for too. *All on the edge* is the centralised system:
the devices have no engine, and the edge runs every step of each. Prints a markdown table (first argument: a file too;
`--publish`: its place in RESULTS.md): denoiser calls as the engines counted them, seconds as people waited, joules, the
bytes of checkpoints and pictures between devices, and the share of pictures whose thing and place the judge of
`examples/embedded_model` names. The seeds are the same, so the first two ways make the same pictures. Intervals hold
95 %, over prompts drawn anew.

Joules are the seconds that the processor worked for each device, its daemon and its engine, times its watts: 45 of the
edge, 15 of a device, which works a third as fast and so three times as long; and 5e-7 J for each byte. No meter tells
devices on one host apart, so a device is taken to draw as many joules a call as the edge. Ends with 1 unless the
collaborative way makes fewer calls than the centralised one, in less time and with fewer joules, and no fewer of its
pictures are right as far as the interval tells. Never here: how sharing is decided.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from examples.quality.statistics import bootstrapped
from peerd import pictures
from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd.planning.settings import PlanSettings
from peerd_protocol.notices import PlanMade
from tests.results_page import tell
from tests.world.asking import Asked, ask, pid_of, wait_for_agreement

ROOT = Path(__file__).parents[2]
EDGE, DEVICES = "edge", ("ada", "bob", "cleo")
SLOWDOWN, EDGE_WATTS, DEVICE_WATTS = 3, 45.0, 15.0
STEPS = 11
SCENES: tuple[tuple[str, tuple[str, str, str]], ...] = (
    ("table", ("apple", "lemon", "orange")),
    ("grass", ("cat", "dog", "rabbit")),
    ("road", ("car", "bus", "bicycle")),
    ("desk", ("book", "cup", "clock")),
    ("snow", ("penguin", "owl", "rabbit")),
    ("beach", ("ball", "umbrella", "boat")),
    ("bed", ("cat", "dog", "pig")),
    ("table", ("pear", "banana", "carrot")),
    ("forest", ("owl", "horse", "elephant")),
    ("river", ("duck", "boat", "turtle")),
    ("sofa", ("cat", "guitar", "rabbit")),
    ("moon", ("robot", "car", "house")),
    ("grass", ("cow", "horse", "pig")),
    ("desk", ("pizza", "cake", "hamburger")),
    ("beach", ("dog", "horse", "chair")),
    ("snow", ("house", "tree", "train")),
)
HEADINGS = (
    "way", "denoiser calls", "by the edge", "makespan, s", "mean wait, s", "processor s", "joules", "bytes handed over",
    "thing and place right, %",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """How one way went; by the prompt, in the order of asking."""

    way: str
    calls: dict[str, int]
    worked_s: dict[str, float]
    """Of the processor, by device: its daemon and its engine."""
    waits_s: list[float]
    makespan_s: float
    handed_bytes: int
    right: list[bool]

    @property
    def joules(self) -> float:
        """What the devices draw while they work, each in its own time, and the links for what was handed over."""
        watts = {name: EDGE_WATTS if name == EDGE else DEVICE_WATTS * SLOWDOWN for name in self.worked_s}
        engines = sum(seconds * watts[name] for name, seconds in self.worked_s.items())
        return engines + self.handed_bytes * PlanSettings().joules_per_byte


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--scenes", type=int, default=len(SCENES), help="of each three pictures; fewer on a busy host")
    scenes = parser.parse_args().scenes
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="peerd-three-") as folder:
        alone = _way(Path(folder), "all alone", scenes, shared=0)
        central = _way(Path(folder), "all on the edge", scenes, shared=0, devices={"PEERD_ENGINE": "none"})
        together = _way(Path(folder), "collaborative", scenes, shared=None)
    right = bootstrapped([float(one) - float(other) for one, other in zip(together.right, central.right, strict=True)])
    waits = bootstrapped([one - other for one, other in zip(together.waits_s, central.waits_s, strict=True)])
    misses = [
        what
        for what, missed in (
            ("calls", sum(together.calls.values()) >= sum(central.calls.values())),
            ("seconds", together.makespan_s >= central.makespan_s),
            ("joules", together.joules >= central.joules),
            ("pictures right", right.high < 0.0),
        )
        if missed
    ]
    tell(
        "three ways",
        [
            f"| {' | '.join(HEADINGS)} |",
            f"|{'---|' * len(HEADINGS)}",
            *map(_row, (alone, central, together)),
            "",
            f"Collaborative less all on the edge, prompt by prompt: {right.signed()} points of pictures that are right,"
            f" {waits.mean:+.1f} [{waits.low:+.1f}, {waits.high:+.1f}] s of waiting.",
            "",
            f"Goal: fewer calls, seconds and joules than the centralised way, and no fewer pictures right:"
            f" {'missed in ' + ', '.join(misses) if misses else 'reached'}. {len(alone.right)} pictures a way, {STEPS}"
            f" steps, DDIM, 128 pixels. The load of the host was {load_before:.1f} before and {os.getloadavg()[0]:.1f}"
            f" after, on {os.cpu_count()} cores.",
        ],
    )
    return 1 if misses else 0


def _way(folder: Path, way: str, scenes: int, *, shared: int | None, devices: Mapping[str, str] | None = None) -> Made:
    slow = {"PEERD_ENGINE_SLOWDOWN": str(SLOWDOWN), "PEERD_POWER_WATTS": str(DEVICE_WATTS), **(devices or {})}
    each = {EDGE: {"PEERD_POWER_WATTS": str(EDGE_WATTS)}, **dict.fromkeys(DEVICES, slow)}
    with Cluster(folder / way.replace(" ", "-"), (EDGE, *DEVICES), each=each) as cluster:
        cluster.start()
        cluster.pair_all()
        wait_for_agreement(*cluster.nodes)
        _warm(cluster, with_devices=devices is None)
        before, worked_before = cluster.denoiser_calls(), _worked_s(cluster)
        began_s = time.monotonic()
        asked: list[tuple[str, str, Asked]] = []
        for first in range(0, scenes, 2):
            here = [one for scene in (first, first + 1)[: scenes - first] for one in _ask(cluster, scene, shared)]
            for _, _, one in here:
                one.finished()
            asked += here
        makespan_s = time.monotonic() - began_s
        return Made(
            way=way,
            calls={name: count - before[name] for name, count in cluster.denoiser_calls().items()},
            worked_s={name: seconds - worked_before[name] for name, seconds in _worked_s(cluster).items()},
            waits_s=[one.finished().seconds for _, _, one in asked],
            makespan_s=makespan_s,
            handed_bytes=sum(_handed_bytes(cluster, one) for _, _, one in asked),
            right=_judge([(thing, place, one.finished().path) for thing, place, one in asked]),
        )


def _worked_s(cluster: Cluster) -> dict[str, float]:
    return {node.name: _processor_s(node) for node in cluster.nodes}


def _processor_s(node: NodeProcess) -> float:
    """Of the daemon and of its engine."""
    daemon = psutil.Process(pid_of(node))
    times = [process.cpu_times() for process in (daemon, *daemon.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _handed_bytes(cluster: Cluster, asked: Asked) -> int:
    """The checkpoint that came to whoever asked, and the picture where another device made it."""
    checkpoint = asked.tale.crossed.size if asked.tale.crossed else 0
    own = all(notice.runner == asked.node.client.view().id for notice in asked.notices if isinstance(notice, PlanMade))
    if own:
        return checkpoint
    shown = Image.open(asked.finished().path).convert("RGB")
    picture = pictures.Picture(
        width=shown.width, height=shown.height, rgb=shown.tobytes(), seed=0, denoiser_calls=STEPS, exact=True
    )
    return checkpoint + len(pictures.pack(picture))


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


def _row(made: Made) -> str:
    cells = [
        made.way,
        str(sum(made.calls.values())),
        str(made.calls[EDGE]),
        f"{made.makespan_s:.1f}",
        _interval(made.waits_s),
        f"{sum(made.worked_s.values()):.1f}",
        f"{made.joules:.0f}",
        f"{made.handed_bytes:,}",
        bootstrapped([float(one) for one in made.right]).points(),
    ]
    return f"| {' | '.join(cells)} |"


def _interval(values: list[float]) -> str:
    found = bootstrapped(values)
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _judge(shown: list[tuple[str, str, str]]) -> list[bool]:
    """Whether thing and place of each picture are both named right."""
    sys.path.insert(0, str(ROOT / "examples" / "embedded_model"))
    from judge import load_judge, verdicts  # type: ignore[import-not-found]

    rows = np.stack([np.asarray(Image.open(path).convert("RGB")) for _, _, path in shown])
    things, places = verdicts(load_judge(), rows)
    found = list(zip(things, places, strict=True))
    if "--verbose" in sys.argv:
        print(json.dumps([[*said[:2], *seen] for said, seen in zip(shown, found, strict=True)]))
    return [seen == said[:2] for seen, said in zip(found, shown, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
