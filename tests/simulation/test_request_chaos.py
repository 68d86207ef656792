"""Requests in rough weather: seeded worlds of whole nodes that lose, repeat and reorder messages, die and come back.

After each storm the sky clears, and every request whose origin lives must have ended in exactly one picture of one
attempt. Plans are as odd as the weather: leaves at any steps, probes, trees, beginnings that somebody kept. A failing
seed is replayed by its number. Never here: the election's own invariants (`test_election_world`).
"""

import os
import random

import pytest

from peerd_protocol.actions import MakePlan
from peerd_protocol.events import Draft
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import AnyMessage
from peerd_protocol.notices import Failed, Finished
from tests.protocol.little_world import LittleWorld, draft, picture_request

SEEDS = range(int(os.environ.get("PEERD_FIRST_SEED", "0")), int(os.environ.get("PEERD_LAST_SEED", "60")))
"""What `make test` runs; a longer campaign names its own."""
STORM_S = 25.0
CLEAR_S_MAX = 150.0
"""A plan's wait, an engine's lease and a repeat of each; longer is a request that hangs."""
TOTAL = 11


class Weather:
    """One seed's storm over a little world."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        names = ["ann", "bob", "eve", "kim", "max"][: self.rng.choice([2, 3, 5])]
        engineless = (names[-1],) if len(names) > 2 and self.rng.random() < 0.3 else ()
        self.world = LittleWorld(*names, engineless=engineless)
        self.world.step_s = self.rng.choice([0.1, 1.0, 2.5])
        self.loss = self.rng.uniform(0.0, 0.3)
        self.echo = self.rng.uniform(0.0, 0.2)
        self.asked: dict[RequestId, NodeId] = {}
        self.storm = True
        self.world.loses = self._loses
        self.world.drafts = self._plan
        self.world.probe = lambda leave, step: self.rng.random() < 0.2

    def _loses(self, sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        return self.storm and sender != to and self.rng.random() < self.loss

    def _plan(self, order: MakePlan) -> tuple[Draft, ...]:
        """A few groups, each a bush of branches or a late start from what somebody keeps; or alone."""
        rng, names = self.rng, [request.id for request in order.requests]
        drafts: list[Draft] = []
        while names:
            members = [names.pop(rng.randrange(len(names))) for _ in range(min(len(names), rng.choice([1, 2, 3, 5])))]
            if order.cached and rng.random() < 0.3:
                holder, entry = rng.choice(order.cached)
                leaves = {name: rng.randint(entry.step, TOTAL - 1) for name in members}
                drafts.append(draft(order, leaves, holder, cached=entry.digest, start=entry.step))
            elif len(members) == 1 or rng.random() < 0.1:
                drafts += [draft(order, {name: 0}) for name in members]
            else:
                self._grow(order, members, drafts, None, 0)
        return tuple(drafts)

    def _grow(
        self, order: MakePlan, members: list[RequestId], drafts: list[Draft], parent: int | None, start: int
    ) -> None:
        """Some of the members leave here, the others share on in branches."""
        rng = self.rng
        own, rest = members[: (cut := rng.randint(1, len(members)))], members[cut:]
        leaves = {name: rng.randint(start + 1, TOTAL - 1) for name in own}
        able = [node for node, profile in order.devices if profile.engine]
        candidates = rng.sample(able, rng.randint(1, len(able)))
        probed = frozenset(name for name in members if rng.random() < 0.3)
        drafts.append(draft(order, leaves, *candidates, probed=probed, parent=parent, start=start))
        number = len(drafts) - 1
        while rest:
            branch, rest = rest[: (cut := rng.randint(1, len(rest)))], rest[cut:]
            if start + 1 < TOTAL - 1:
                self._grow(order, branch, drafts, number, rng.randint(start + 1, TOTAL - 2))
            else:
                drafts += [draft(order, {name: 0}) for name in branch]

    def blow(self) -> None:
        """One tick of the storm: perhaps a question, a death, a return, an engine's failure, a shuffle."""
        world, rng = self.world, self.rng
        living = [name for name, place in world.places.items() if place.alive]
        dead = [name for name, place in world.places.items() if not place.alive]
        if rng.random() < 0.06 and len(self.asked) < 20:
            self._ask(rng.choice(living))
        if rng.random() < 0.01 and len(living) > 1:
            world.kill(rng.choice(living))
        if rng.random() < 0.03 and dead:
            world.boot(rng.choice(dead))
        if rng.random() < 0.02:
            world.places[rng.choice(living)].breaks_at_step = rng.randint(1, 11)
        if rng.random() < 0.02:
            world.places[rng.choice(living)].declines = rng.choice(["", "hot"])
        if rng.random() < self.echo:
            world.echo_mail(rng)
        world.run(0.1)

    def _ask(self, name: NodeId) -> None:
        request = RequestId(f"r{len(self.asked):02d}")
        named = self.rng.random() < 0.6
        wishes: dict[str, object] = {"group_name": "g", "group_size": self.rng.choice([2, 3, 6]), "wait_ms": 2_000}
        if not named:
            wishes = {"shared": None}
        if self.rng.random() < 0.2:
            wishes |= {"share": "concepts", "concepts": f"like {request}"}
        self.world.ask(name, picture_request(request, name, **wishes))
        self.asked[request] = name

    def clear(self) -> None:
        self.storm = False
        for name, place in list(self.world.places.items()):
            place.breaks_at_step, place.declines = None, ""
            if not place.alive:
                self.world.boot(name)
        self.world.run_until(self._all_ended, CLEAR_S_MAX)

    def _all_ended(self) -> bool:
        return all(self._has_ended(request, name) for request, name in self.asked.items())

    def _has_ended(self, request: RequestId, name: NodeId) -> bool:
        """Told its last notice; a request whose origin died before it took it in was never made."""
        notices = self.world.places[name].notices.get(request, [])
        return not notices or any(isinstance(notice, Finished | Failed) for notice in notices)


def check_one_result_of_one_attempt(weather: Weather) -> None:
    for request, name in weather.asked.items():
        place = weather.world.places[name]
        pictures = place.pictures.get(request, [])
        assert len(set(pictures)) <= 1, f"{request} became visible twice: {pictures}"
        endings = [notice for notice in place.notices.get(request, []) if isinstance(notice, Finished | Failed)]
        assert len(endings) <= 1, f"{request} ended {len(endings)} times: {endings}"
        for picture in pictures:
            begun, _, finished = picture.decode().partition("->")
            assert finished == f"{request}#41", picture
            check_one_trajectory(begun)


def check_one_trajectory(begun: str) -> None:
    """From noise, or through the runs of one tree, each of which went further than the one before."""
    if begun == "noise":
        return
    steps = [int(run.rpartition("@")[2]) for run in begun.split("+")]
    assert steps == sorted(set(steps)) and steps[0] > 0 and steps[-1] < TOTAL, begun


@pytest.mark.parametrize("seed", SEEDS)
def test_every_request_ends_once_when_the_sky_clears(seed: int) -> None:
    weather = Weather(seed)
    while weather.world.now_s < 100.0 + STORM_S:
        weather.blow()
    weather.clear()
    check_one_result_of_one_attempt(weather)
    weather.world.run_until_nothing_is_open(CLEAR_S_MAX)
    check_one_result_of_one_attempt(weather)
