"""Stories of the loop: what it does when a hand fails as nobody foresaw, and when more happens than it can take.

A lone node that is real, and hands that do nothing but what a story tells them. Never here: what a hand does.
"""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field

import pytest

from peerd.inbox import WAITING_MAX_EACH
from peerd.runtime import BUG, Runtime, Write, boot_time_s, looked_after
from peerd_protocol.actions import (
    Action,
    Consider,
    Deliver,
    Denoise,
    Keep,
    MakePlan,
    MergeRoster,
    Recall,
    Send,
    ShareRoster,
    Tell,
)
from peerd_protocol.events import Asked, Considered, Delivered, Event, PicturePainted, Planned, Received
from peerd_protocol.ids import BootNonce, NodeId, RequestId
from peerd_protocol.messages import Goodbye
from peerd_protocol.node import Node
from peerd_protocol.notices import AnyNotice, Failed, Finished
from peerd_protocol.plan import Request
from peerd_protocol.profile import Profile
from tests.peerd.planning.people import MODEL, ask

ME = NodeId("me")
SOON_S = 20.0


@dataclass
class Hands:
    """Hands of a node that is alone. Each kind of action in `faults` goes wrong so many times first."""

    runtime: Runtime
    faults: Counter[type[Action]] = field(default_factory=Counter)
    notices: list[AnyNotice] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def stumble(self, action: Action) -> None:
        if self.faults[type(action)]:
            self.faults[type(action)] -= 1
            raise KeyError("nobody foresaw this")

    def write(self, batch: list[Write]) -> None:
        pass

    def send(self, action: Send) -> None:
        self.stumble(action)

    def tell(self, action: Tell) -> None:
        self.notices.append(action.notice)
        if isinstance(action.notice, Finished | Failed):
            self.ended.set()
        self.stumble(action)

    def share_roster(self, action: ShareRoster) -> None:
        self.stumble(action)

    def merge_roster(self, action: MergeRoster) -> Event | None:
        self.stumble(action)
        return None

    def consider(self, action: Consider) -> Event:
        self.stumble(action)
        return Considered(action.offer.group, action.offer.attempt, True, "")

    async def make_plan(self, action: MakePlan) -> None:
        self.stumble(action)
        self.runtime.post(
            Planned(action.batch, (), tuple((one.id, "this story has no plan") for one in action.requests))
        )

    async def denoise(self, action: Denoise) -> None:
        self.stumble(action)
        self.runtime.post(PicturePainted(action.work, b"a picture", action.call.steps))

    async def keep(self, action: Keep) -> None:
        self.stumble(action)

    async def recall(self, action: Recall) -> None:
        self.stumble(action)

    async def deliver(self, action: Deliver) -> None:
        self.stumble(action)
        self.runtime.post(Delivered(action.request.id, "apple.png", "", 11, True))


def loop() -> Runtime:
    profile = Profile(model=MODEL, engine=True, steps_per_second=10.0)
    return Runtime(Node(ME, BootNonce("boot"), {}, profile, 0.1, boot_time_s()))


def apple() -> Request:
    return ask("apple", "apple on table", ME)


async def the_end(*faults: type[Action], times: int = 1) -> list[AnyNotice]:
    """What the asker of one picture hears, when these actions go wrong so many times."""
    runtime = loop()
    hands = Hands(runtime, Counter(dict.fromkeys(faults, times)))
    runtime.post(Asked(apple()))
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(runtime.run(hands))
        ended = tasks.create_task(hands.ended.wait())
        await asyncio.wait([running, ended], return_when=asyncio.FIRST_COMPLETED)
        assert not running.done(), "the daemon ended before the request"
        runtime.stop()
    return hands.notices


def bugs(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The actions whose failure was told as a bug, with a traceback."""
    told = [record for record in caplog.records if BUG in record.getMessage()]
    assert all(record.levelno == logging.ERROR and record.exc_info for record in told)
    return [record.getMessage().split()[0] for record in told]


async def test_a_plan_that_breaks_leaves_its_requests_alone(caplog: pytest.LogCaptureFixture) -> None:
    notices = await the_end(MakePlan)
    assert isinstance(notices[-1], Finished)
    assert bugs(caplog) == ["MakePlan"]


async def test_work_that_breaks_once_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    notices = await the_end(Denoise)
    assert isinstance(notices[-1], Finished)
    assert bugs(caplog) == ["Denoise"]


async def test_work_that_always_breaks_ends_the_request_and_says_whose_fault_it_is() -> None:
    (*_, failed) = await the_end(Denoise, times=100)
    assert isinstance(failed, Failed)
    assert BUG in failed.reason
    assert "nobody foresaw" not in failed.reason, "an error's text may hold somebody's words"


async def test_a_picture_whose_delivery_breaks_is_told_as_failed(caplog: pytest.LogCaptureFixture) -> None:
    (*_, failed) = await the_end(Deliver)
    assert isinstance(failed, Failed)
    assert BUG in failed.reason
    assert bugs(caplog) == ["Deliver"]


async def test_a_short_action_that_breaks_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    notices = await the_end(Tell, times=100)
    assert isinstance(notices[-1], Finished)
    assert set(bugs(caplog)) == {"Tell"}


async def test_a_task_beside_the_loop_that_breaks_is_told_and_one_that_is_ended_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaks() -> None:
        raise ZeroDivisionError

    broken = looked_after(asyncio.create_task(breaks(), name="measuring the device"))
    ended = looked_after(asyncio.create_task(asyncio.sleep(SOON_S), name="looking at the device"))
    ended.cancel()
    await asyncio.wait({broken, ended}, timeout=SOON_S)
    (told,) = [record.getMessage() for record in caplog.records]
    assert "measuring the device" in told and BUG in told


async def test_a_flood_of_one_peer_drops_its_messages_and_nothing_of_ones_own() -> None:
    runtime = loop()
    flood = WAITING_MAX_EACH + 7
    for _ in range(flood):
        runtime.post(Received(NodeId("noisy"), Goodbye()))
    runtime.post(Received(NodeId("quiet"), Goodbye()))
    wanted = [RequestId(f"r{number}") for number in range(flood)]
    for name in wanted:
        runtime.post(Asked(ask(name, "apple on table", ME)))
    runtime.stop()
    heard: Counter[NodeId] = Counter()
    asked: list[RequestId] = []
    step = runtime.node.step

    def overheard(event: Event) -> list[Action]:
        match event:
            case Received(sender, _):
                heard[sender] += 1
            case Asked(request):
                asked.append(request.id)
            case _:
                return step(event)
        return []

    runtime.node.step = overheard  # type: ignore[method-assign]
    await runtime.run(Hands(runtime))
    assert heard == {"noisy": WAITING_MAX_EACH, "quiet": 1}
    assert asked == wanted
    assert runtime.dropped_messages == 7


async def test_a_peer_is_heard_again_once_its_messages_were_taken() -> None:
    runtime = loop()
    for _ in range(2):
        for _ in range(WAITING_MAX_EACH):
            runtime.post(Received(NodeId("noisy"), Goodbye()))
        runtime.stop()
        await runtime.run(Hands(runtime))
    assert runtime.dropped_messages == 0
