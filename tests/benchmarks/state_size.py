"""What a node keeps after a million events, and how soon a newcomer knows what the cluster knows.

One of three simulated devices has a real home: whatever its node remembers, predicts and delivers goes through the
daemon's own store to this machine's disk, in transactions as the daemon makes them. All three are asked for pictures
all the while, mostly in groups, and now and then one dies and starts again from what its disk recalls. A million events
later every file of the home is weighed, and the store is opened again as a start would.

Then a real daemon wakes in that very home, and others that were just set up join it, one after the other. Each is
watched from the moment that it is told it has joined until it names all members, the leader and its term. Exit code 1
says that a goal was missed; it takes some ten minutes.
"""

import argparse
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from random import Random

import msgspec

from peerd.demo.cluster import Cluster, alive, pair
from peerd.demo.nodes import NodeProcess
from peerd.hands import DRAWN_KEY
from peerd.network.identity import Identity
from peerd.outbox import PREFIX as OUT
from peerd.planning.drawn import CALLS_KEPT_MAX, DIGEST_BYTES
from peerd.store import Outcome, Result, Store
from peerd_protocol.actions import Action, Deliver, Forget, MakePlan, Predict, Remember
from peerd_protocol.errors import PeerdError
from peerd_protocol.events import Asked, Event
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call, Expected, Request
from tests.goals import Goals
from tests.simulation.device import equal_device
from tests.simulation.process import Process, Write
from tests.simulation.world import World
from tests.world.asking import TOY, all_files

EVENTS = 1_000_000
STATE_GOAL_MB, START_GOAL_S, NEWCOMER_GOAL_S = 50.0, 1.0, 1.0
NEWCOMERS = 3
"""A fourth and a fifth would be too many invitations in a minute."""
STEP_S = 0.02
"""A small model on a quick device: the more pictures a second, the more is kept of a million events."""
ASK_EVERY_S, STEPS = 0.35, 20
CRASH_EVERY_S, BACK_S = 120.0, 3.0
SETTLES_S = 300.0
OTHERS = (NodeId("0" * 56), NodeId("1" * 56))
PROMPT = "a wooden table by the window with a bowl of ripe fruit, in the style of an old oil painting"
MB = 1e6


class KeptWorld(World):
    """A world of which one device keeps its state on a real disk too."""

    def __init__(self, home: Path, store: Store) -> None:
        me = Identity.load_or_make(home).node
        devices = [equal_device(name, "state") for name in (*OTHERS, me)]
        for device in devices:
            device.temper.step_s = STEP_S
        super().__init__("state", devices)
        self.me, self.home, self.store = self.devices[me], home, store
        self.events: Counter[str] = Counter()
        """Of the one, ticks left out."""
        self.written, self.requests_asked = 0, 0
        self._chance = Random(1)

    def turned(self, process: Process, event: Event | None) -> None:
        super().turned(process, event)
        if event is not None and process.device is self.me:
            self.events[type(event).__name__] += 1

    def wrote(self, process: Process, batch: Collection[Write]) -> None:
        if process.device is self.me:
            self._write([_as_planned(write) if isinstance(write, Predict) else write for write in batch])
        super().wrote(process, batch)

    def do(self, process: Process, action: Action) -> None:
        if process.device is self.me:
            if isinstance(action, Deliver):
                self._deliver(action)
            elif isinstance(action, MakePlan):
                self._write([Remember(DRAWN_KEY, secrets.token_bytes(CALLS_KEPT_MAX * DIGEST_BYTES))])
        super().do(process, action)

    def ask(self) -> None:
        """One picture or a group of them, somewhere, and so on for ever."""
        size = self._chance.choice((1, 2, 2, 3))
        group = f"g{self.requests_asked}" if size > 1 else ""
        for device in self._chance.sample(list(self.devices.values()), size):
            process = self.processes.get(device.name)
            if process is None:
                continue
            self.requests_asked += 1
            request = _request(f"{self.requests_asked:011x}{secrets.token_hex(5)}", device.name, group, size)
            self.requests.asked(request)
            if device is self.me:
                self._write([Remember(OUT + request.id, b"")])
            process.post(Asked(request))

    def _write(self, batch: list[Write]) -> None:
        self.written += 1
        self.store.write(batch)

    def _deliver(self, action: Deliver) -> None:
        """As the daemon's outbox does, but for the picture itself, which is the person's."""
        request = action.request
        path = self.home / "pictures" / f"{request.call.prompt[:40].replace(' ', '-')}-{request.id[-6:]}.png"
        digest = secrets.token_hex(32)
        self.store.commit(
            Result(
                request=request.id,
                path=str(path),
                pixels_sha256=digest,
                denoiser_calls=STEPS,
                exact=True,
                seconds=action.seconds,
            )
        )
        if action.plan is not None:
            self.store.turned_out(
                Outcome(
                    request=request.id,
                    group=action.plan.group,
                    seconds=action.seconds,
                    denoiser_calls=STEPS,
                    planned_s=action.planned_s,
                    promised_s=action.seconds * 1.1,
                    promised_alone_s=action.seconds * 1.3,
                    promised_plan_s=action.seconds * 0.1,
                    joules=action.seconds * 7.7,
                    promised_calls=STEPS,
                    promised_joules=action.seconds * 8.8,
                    waits_for_others=bool(request.group_name),
                    steps=STEPS,
                    shared_steps=action.plan.shared_steps,
                    scheduler=request.call.scheduler,
                    width=512,
                    height=512,
                )
            )
        self._write([Forget(OUT + request.id)])


def _as_planned(write: Predict) -> Predict:
    """The simulation's planner promises nothing to each; the daemon's does."""
    each = tuple(
        Expected(
            request=name,
            seconds=12.3456789,
            seconds_alone=23.456789,
            told_s=0.123456,
            denoiser_calls=17,
            joules=98.7654,
        )
        for name in write.plan.requests
    )
    return Predict(
        msgspec.structs.replace(write.plan, forecast=msgspec.structs.replace(write.plan.forecast, each=each))
    )


def _request(name: str, origin: NodeId, group: str, size: int) -> Request:
    call = Call(
        model="0123456789abcdef" * 4,
        prompt=PROMPT,
        steps=STEPS,
        seed=41,
        guidance=7.5,
        scheduler="dpmpp_2m_karras",
        width=512,
        height=512,
    )
    wait_ms = 2_000 if group else 0
    return Request(
        id=RequestId(name), origin=origin, call=call, group_name=group, group_size=size, wait_ms=wait_ms, keep=False
    )


def live(world: KeptWorld, events: int) -> None:
    """Until the one has seen so many, and all requests have ended."""
    chance, now_s = Random(2), 0.0
    for device in world.devices.values():
        world.boot(device)
    crash_s, told = CRASH_EVERY_S, 0
    while (seen := world.events.total()) < events:
        now_s += ASK_EVERY_S
        world.ask()
        if now_s > crash_s:
            crash_s += CRASH_EVERY_S
            device = chance.choice(list(world.devices.values()))
            world.crash(device, refuses=True)
            world.clockwork.after(BACK_S, world.boot, device)
        world.clockwork.run(now_s)
        if seen >= told:
            told += events // 10
            print(f"{seen} events, {world.written} transactions, {_files_mb(world.home):.1f} MB", flush=True)
    world.clockwork.run(now_s + SETTLES_S)


def _files_mb(home: Path) -> float:
    return sum(path.stat().st_size for path in all_files(home)) / MB


def keep(home: Path, events: int, goals: Goals) -> None:
    """A home after so many events, weighed."""
    home.mkdir(mode=0o700)
    store = Store(home)
    world = KeptWorld(home, store)
    live(world, events)
    kinds = ", ".join(f"{count} {kind}" for kind, count in world.events.most_common())
    print(f"{world.events.total()} events: {kinds}")
    print(f"{world.written} transactions, {world.requests_asked} requests asked, {len(world.terms.claims)} terms")
    left = [key for key in store.recall() if not key.startswith("term/")]
    print(f"memory at the end, beside the term: {left}")
    for path in sorted(all_files(home)):
        print(f"  {path.relative_to(home)}: {path.stat().st_size / MB:.2f} MB")
    goals.judge(f"on disk after {world.events.total()} events", _files_mb(home), STATE_GOAL_MB, "MB")
    store.close()
    began_s = time.perf_counter()
    Store(home).close()
    goals.judge("opened again", time.perf_counter() - began_s, START_GOAL_S, "s")


def _newcomer_s(cluster: Cluster, newcomer: NodeProcess) -> float:
    """From the word that it has joined until it knows all members, their leader and the term."""
    first = cluster.nodes[0]
    newcomer.start("--port", "0")
    newcomer.wait_until_up()
    expected = first.client.view()
    everyone = {member.id for member in expected.members} | {newcomer.client.view().id}
    known_s = threading.Event()
    at_s: list[float] = []

    def look() -> None:
        while not known_s.is_set():
            try:
                view = newcomer.client.view()
            except PeerdError:
                continue
            if (view.leader, view.term) == (expected.leader, expected.term) and everyone <= alive(view):
                at_s.append(time.monotonic())
                known_s.set()
            time.sleep(0.005)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    pair(first, newcomer)
    joined_s = time.monotonic()
    if not known_s.wait(30.0):
        known_s.set()
        return float("inf")
    looking.join()
    return max(0.0, at_s[0] - joined_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    options = parser.parse_args()
    goals = Goals()
    with tempfile.TemporaryDirectory(prefix="peerd-state-") as name:
        folder = Path(name)
        keep(folder / "ada", options.events, goals)
        with Cluster(folder, ["ada", "bob"], environment=TOY) as cluster:
            cluster.start()
            cluster.pair_all()
            cluster.wait_for_leader()
            took_s: list[float] = []
            for number in range(NEWCOMERS):
                newcomer = NodeProcess(f"new{number}", folder / f"new{number}", TOY)
                cluster.nodes.append(newcomer)
                took_s.append(_newcomer_s(cluster, newcomer))
                cluster.wait_for_leader()
            print("newcomers: " + ", ".join(f"{seconds:.2f}" for seconds in took_s))
            goals.judge(f"newcomer current, the slowest of {NEWCOMERS}", max(took_s), NEWCOMER_GOAL_S, "s")
    goals.end()


if __name__ == "__main__":
    main()
