"""The demo from its first daemon to its contact sheet.

    start -> pair -> meet -> warm -> together -> [together, with a power cut] -> alone -> sheet

Never here: how any of it looks (`stage.py`, `live.py`), or how a daemon is started (`nodes.py`).
"""

import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Literal

from peerd.api.desk import NodeView, Wish
from peerd.demo.cluster import NAMES, Cluster, meet
from peerd.demo.errands import Errand, errand, finish_all, run_errands
from peerd.demo.kill import cut_power
from peerd.demo.nodes import POLL_S, DemoFailed
from peerd.demo.report import Picture, Report, bands, finished, predicted, shared_with
from peerd.demo.sheet import Pair, write_sheet
from peerd.demo.stage import Stage

FOUR_FRUITS = ("apple on table", "lemon on table", "orange on table", "pear on table")
WARM_STEPS = 2
WARMING_S_MAX = 60.0
"""Whoever is not measured by then is planned with as a stranger."""
GROUP_WAIT_S = 10.0
AGAIN_WAIT_S = 4.0
"""By then all are awake; and whoever comes back from its death waits so long for its group, which is through."""


@dataclass(frozen=True, slots=True)
class Script:
    prompts: tuple[str, ...] = FOUR_FRUITS
    nodes: int = 4
    steps: int = 11
    shared: int = 5
    seed: int = 41
    out: Path = Path("demo-out")
    kill: bool = False


def perform(script: Script, stage: Stage) -> Report:
    """Play it. Every daemon has ended when this returns or raises; their logs are kept if it raises."""
    script.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="peerd-demo-") as folder,
        Cluster(Path(folder), NAMES[: script.nodes]) as cluster,
    ):
        try:
            return _play(script, stage, cluster)
        except DemoFailed as error:
            raise DemoFailed(f"{error} Logs: {_keep_logs(cluster, script.out)}") from error


def _play(script: Script, stage: Stage, cluster: Cluster) -> Report:
    stage.act(f"Starting {script.nodes} daemons")
    cluster.start()
    stage.nodes(cluster.views())
    stage.act("Pairing by invite and join")
    cluster.pair_all(lambda inviter, joiner, words: stage.note(f"{inviter} let {joiner} in: “{words}”"))
    stage.act("Finding each other, electing a leader")
    agreement, by_mdns = meet(cluster, stage.nodes, stage.note)
    names = {view.id: view.name for view in agreement.views}

    stage.act("Waking the engines")
    stage.note("each loads torch and the model once; nothing is counted yet")
    warmed_s = _warm(script, cluster)

    stage.act("Drawing together")
    together = _cast(script, cluster, "together")
    stage.cast(together, names)
    seconds, calls = _run(cluster, together, stage)

    cut = None
    if script.kill:
        stage.act("Once more, and whoever runs the shared steps is killed")
        again = _cast(script, cluster, "again")
        stage.cast(again, names)
        cut = cut_power(cluster, again, together, stage)

    stage.act("Each alone, to compare")
    alone = _cast(script, cluster, "alone")
    stage.alone(alone)
    seconds_alone, calls_alone = _run(cluster, alone, stage)

    pictures = tuple(_picture(one, other, together) for one, other in zip(together, alone, strict=True))
    forecast, forecast_alone = predicted(together)
    report = Report(
        agreement=agreement,
        by_mdns=by_mdns,
        total_steps=max(one.tale.total for one in together),
        groups=bands(together, names),
        denoiser_calls=calls,
        denoiser_calls_alone=sum(calls_alone.values()),
        handoff_bytes=sum(one.tale.crossed.size for one in together if one.tale.crossed),
        pictures=pictures,
        seconds=seconds,
        seconds_alone=seconds_alone,
        seconds_predicted=forecast,
        seconds_predicted_alone=forecast_alone,
        seconds_warming=warmed_s,
        sheet=script.out / "sheet.png",
        cut=cut,
    )
    _write_sheet(report)
    stage.act("Done")
    stage.report(report)
    return report


def _warm(script: Script, cluster: Cluster) -> float:
    """Load every engine side by side, and let each device measure itself, before anything is counted."""
    began_s = time.monotonic()
    wish = Wish(prompt=script.prompts[0], steps=min(WARM_STEPS, script.steps), shared=0, seed=script.seed)
    finish_all(cluster, [errand(wish, node) for node in cluster.nodes])
    wait_until_measured(cluster)
    return time.monotonic() - began_s


def wait_until_measured(cluster: Cluster) -> None:
    """At most `WARMING_S_MAX` seconds."""
    deadline_s = time.monotonic() + WARMING_S_MAX
    while not _are_measured(cluster.views()) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)


def _are_measured(views: Sequence[NodeView]) -> bool:
    """Whether each device has told what its engine can do; on battery it does not try by itself."""
    own = [member for view in views for member in view.members if member.me]
    return all(member.steps_per_second > 0.0 for member in own if member.engine and member.power == "mains")


def _cast(script: Script, cluster: Cluster, part: Literal["together", "again", "alone"]) -> list[Errand]:
    """Prompts round robin over the nodes, under one group name if they may share."""
    alone = part == "alone"
    files = _file_names(script.prompts)
    cast = []
    for prompt, file, node in zip(script.prompts, files, cycle(cluster.nodes), strict=False):
        wish = Wish(
            prompt=prompt,
            steps=script.steps,
            shared=0 if alone else script.shared,
            seed=script.seed,
            out=str((script.out / (f"{file}.png" if part == "together" else f"{file}-{part}.png")).absolute()),
            group_name="" if alone else f"demo {part}",
            group_size=1 if alone else len(script.prompts),
            wait_s=AGAIN_WAIT_S if part == "again" else GROUP_WAIT_S,
        )
        cast.append(errand(wish, node))
    return cast


def _run(cluster: Cluster, errands: Sequence[Errand], stage: Stage) -> tuple[float, dict[str, int]]:
    """Seconds from the first prompt to the last picture, and each node's denoiser calls by its engine's own count."""
    before = cluster.denoiser_calls()
    began_s = time.monotonic()
    for one, notice in run_errands(cluster, errands):
        stage.heard(one, notice)
    seconds = time.monotonic() - began_s
    return seconds, {name: calls - before[name] for name, calls in cluster.denoiser_calls().items()}


def _picture(one: Errand, alone: Errand, together: Sequence[Errand]) -> Picture:
    ending, ending_alone = finished(one), finished(alone)
    return Picture(
        prompt=one.wish.prompt,
        node=one.node.name,
        path=Path(ending.path),
        pixels_sha256=ending.pixels_sha256,
        shared_with=shared_with(one, together),
        alone_path=Path(ending_alone.path),
        alone_pixels_sha256=ending_alone.pixels_sha256,
    )


def _write_sheet(report: Report) -> None:
    pairs = [
        Pair(picture.prompt, picture.alone_path, picture.path, picture.node, picture.same_as_alone)
        for picture in report.pictures
    ]
    title = (
        f"{len(report.agreement.views)} devices, {report.total_steps} steps, {report.shared_steps} of them shared:"
        f" {report.calls} denoiser calls, not {report.denoiser_calls_alone}"
    )
    write_sheet(pairs, title, report.sheet)


def _file_names(prompts: Sequence[str]) -> list[str]:
    """A readable file name for each prompt; a second one of the same words gets a number."""
    taken: set[str] = set()
    names = []
    for prompt in prompts:
        stem = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:60] or "picture"
        name = next(name for number in count(1) if (name := stem if number == 1 else f"{stem}-{number}") not in taken)
        taken.add(name)
        names.append(name)
    return names


def _keep_logs(cluster: Cluster, out: Path) -> Path:
    for node in cluster.nodes:
        if node.log.exists():
            (out / f"{node.name}.log").write_bytes(node.log.read_bytes())
    return out
