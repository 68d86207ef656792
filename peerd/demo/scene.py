"""A few lines that examples are made of: gather daemons, let them draw, tell who did what.

Never here: anything that the demo's own story needs alone (`script.py`).
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peerd.api.desk import Wish
from peerd.demo.cluster import Agreement, Cluster, meet
from peerd.demo.errands import Errand, errand, finish_all
from peerd.demo.report import bands, calls_so_far, finished
from peerd_protocol.ids import NodeId

STEPS, SHARED, SEED = 11, 5, 41
OUT = Path("demo-out")


@dataclass(frozen=True, slots=True)
class Scene:
    """Daemons of ours that have met."""

    cluster: Cluster
    agreement: Agreement
    before: int
    """Denoiser calls of all nodes when they had just met."""

    @property
    def names(self) -> dict[NodeId, str]:
        return {view.id: view.name for view in self.agreement.views}

    def draw(
        self, asked: Sequence[tuple[str, str]], steps: int = STEPS, shared: int = SHARED, out: Path = OUT
    ) -> list[Errand]:
        """Ask pairs of (node, prompt) side by side, under one group name; returns when every picture is in `out`."""
        out.mkdir(parents=True, exist_ok=True)
        errands = [
            errand(
                Wish(
                    prompt=prompt,
                    steps=steps,
                    shared=shared,
                    seed=SEED,
                    out=str((out / f"{prompt.replace(' ', '-')}.png").absolute()),
                    group_name="scene",
                    group_size=len(asked),
                ),
                self.cluster[node],
            )
            for node, prompt in asked
        ]
        finish_all(self.cluster, errands)
        return errands

    def tell(self, errands: Sequence[Errand]) -> None:
        """Print who ran what for whom, and what it saved."""
        for band in bands(errands, self.names):
            if band.shared_steps:
                print(f"{band.executor} ran {band.shared_steps} steps once for: {', '.join(band.prompts)}")
            else:
                print(f"nobody shared with: {', '.join(band.prompts)}")
        for one in errands:
            print(f"{one.node.name} asked for {one.wish.prompt!r}: {finished(one).path}")
        calls = calls_so_far(errands, self.names)
        for name, (shared, own) in sorted(calls.items()):
            print(f"{name}: {shared} shared and {own} own denoiser calls")
        used = sum(self.cluster.denoiser_calls().values()) - self.before
        alone = sum(one.tale.total for one in errands)
        print(f"{used} denoiser calls, alone it would have been {alone}: {alone - used} saved")


@contextmanager
def gathered(*names: str, each: Mapping[str, Mapping[str, str]] | None = None) -> Iterator[Scene]:
    """Daemons of these names, paired and in agreement; all have ended when the block is left.

    `each` holds environment variables for one of them. Their homes go with them; the pictures stay.
    """
    with tempfile.TemporaryDirectory(prefix="peerd-") as folder, Cluster(Path(folder), names, each=each) as cluster:
        cluster.start()
        cluster.pair_all()
        agreement, by_mdns = meet(cluster)
        found = "by mDNS" if by_mdns else "by address"
        print(f"{len(names)} nodes met {found}; {agreement.leader_name} leads in term {agreement.term}")
        yield Scene(cluster, agreement, sum(view.denoiser_calls for view in agreement.views))
