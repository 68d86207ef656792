"""A desk that answers from a script, behind the real API on a real socket. Never here: assertions."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

from peerd.api.desk import CacheView, KeptView, MemberView, NodeView, Wish
from peerd.pairing_news import Approve, Joined, Knocked, PairingFailed, PairingNews, TokenMade, WrongTry
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.notices import (
    AnyNotice,
    Failed,
    Finished,
    HandedOff,
    LocalStep,
    PlanMade,
    Queued,
    SharedStep,
)
from peerd_protocol.plan import Forecast

ADA, BOB = NodeId("ADA-ID"), NodeId("BOB-ID")
FORECAST = Forecast(
    seconds=3.0,
    seconds_alone=4.0,
    denoiser_calls=17,
    denoiser_calls_alone=22,
    joules=17.0,
    joules_alone=22.0,
    handoff_bytes=70_000,
)
KEPT = KeptView(
    digest="cd" * 32,
    prompt="apple on table",
    share="prompt",
    scheduler="ddim",
    step=5,
    total=11,
    size=70_000,
    age_s=7_300.0,
    hits=3,
    calls_saved=15,
)
WORDS = "amber boat crane"
PREVIEW_SIDE = 8
ACCEPT_S_MAX = 20.0
PNG = b"\x89PNG\r\n\x1a\n as good as a picture"
PREVIEW = bytes(range(192)) * (PREVIEW_SIDE * PREVIEW_SIDE * 3 // 192)


def story(shared: int = 2, total: int = 4) -> list[AnyNotice]:
    """What one request of a pair hears: BOB runs the shared steps, ADA its own."""
    plan = PlanMade(
        executor=BOB,
        runner=ADA,
        leads=False,
        shared_steps=shared,
        shared_with=(RequestId("other"),),
        seed=41,
        forecast=FORECAST,
        reason="same place: table",
    )
    steps: list[AnyNotice] = [
        SharedStep(executor=BOB, step=s, total=total, preview=PREVIEW, preview_side=PREVIEW_SIDE)
        for s in range(1, shared + 1)
    ]
    steps.append(HandedOff(sender=BOB, size=70_000, step=shared))
    steps += [
        LocalStep(runner=ADA, step=s, total=total, preview=PREVIEW, preview_side=PREVIEW_SIDE)
        for s in range(shared + 1, total + 1)
    ]
    end = Finished(path="/pictures/one.png", pixels_sha256="ab" * 32, denoiser_calls=2, exact=True, seconds=1.5)
    return [Queued(leader=BOB), plan, *steps, end]


class ScriptedDesk:
    """Tells `script` of every request; a request whose prompt is "forever" never ends unless it is cancelled.

    Submitting waits while `accepts` is not set.
    """

    def __init__(self, script: Sequence[AnyNotice] | None = None) -> None:
        self.script = story() if script is None else list(script)
        self.wishes: dict[RequestId, Wish] = {}
        self.cancelled: dict[RequestId, asyncio.Event] = {}
        self.followers = 0
        self.follower_left = asyncio.Event()
        self.window_closed = asyncio.Event()
        self.answers: list[bool] = []
        self.guests: list[bool] = []
        self.left = False
        self.discarded: list[RequestId] = []
        self.discards = True
        self.kept: tuple[KeptView, ...] = (KEPT,)
        self.accepts, self.asked = threading.Event(), threading.Event()
        self.accepts.set()

    async def submit(self, wish: Wish) -> RequestId:
        self.asked.set()
        await asyncio.to_thread(self.accepts.wait, ACCEPT_S_MAX)
        if not wish.prompt.strip():
            raise LocalError("The prompt is empty; say what to draw.")
        request = RequestId(f"r{len(self.wishes) + 1}")
        self.wishes[request] = wish
        self.cancelled[request] = asyncio.Event()
        return request

    async def follow(self, request: RequestId) -> AsyncIterator[AnyNotice]:
        if request not in self.wishes:
            raise LocalError(f"There is no request {request}.")
        self.followers += 1
        try:
            if self.wishes[request].prompt == "forever":
                yield self.script[0]
                await self.cancelled[request].wait()
                yield Failed(reason="You cancelled this request.")
                return
            if self.wishes[request].prompt == "broken":
                yield self.script[0]
                raise RuntimeError("a fault of ours")
            for notice in self.script:
                yield notice
        finally:
            self.followers -= 1
            self.follower_left.set()

    async def picture(self, request: RequestId) -> bytes:
        if request not in self.wishes or request in self.discarded:
            raise LocalError(f"There is no picture of {request}.")
        return PNG

    async def discard(self, request: RequestId) -> None:
        if request not in self.wishes or not self.discards:
            raise LocalError(f"There is no picture of {request} to remove.")
        self.discarded.append(request)

    async def cancel(self, request: RequestId) -> None:
        if request not in self.wishes:
            raise LocalError(f"There is no request {request}.")
        self.cancelled[request].set()

    async def plan(self, wishes: Sequence[Wish]) -> dict[str, Any]:
        if any(wish.prompt == "broken" for wish in wishes):
            raise RuntimeError("a fault of ours")
        return {
            "groups": [
                {
                    "prompts": [wish.prompt for wish in wishes],
                    "steps": [5] * len(wishes),
                    "shared_steps": 5,
                    "begins_at": 0,
                    "branch_of": None,
                    "cached": False,
                    "executor": BOB,
                    "reason": "similar prompts",
                }
            ],
            "seconds": 9.0,
            "seconds_alone": 11.5,
            "denoiser_calls": 29,
            "denoiser_calls_alone": 44,
            "watt_hours": 0.0121,
            "watt_hours_alone": 0.0184,
            "handoff_bytes": 210_000,
            "privacy": "The leader sees every prompt.",
            "track_record": {"requests": 12, "seconds": 0.08, "denoiser_calls": 0.0, "joules": None},
        }

    def view(self) -> NodeView:
        def member(node: NodeId, name: str) -> MemberView:
            return MemberView(
                id=node,
                name=name,
                status="alive",
                path="127.0.0.1:4711",
                steps_per_second=4.5,
                memory_free_mib=2_000,
                power="mains",
                battery_percent=None,
                temperature_c=51.5,
                hot=False,
                load=0.4,
                engine=True,
                leader=node == BOB,
                me=node == ADA,
            )

        return NodeView(
            id=ADA,
            name="ada",
            cluster="c1",
            admin=True,
            endpoints=("tcp://127.0.0.1:4711", "tcp://127.0.0.1:4712"),
            leader=BOB,
            leader_name="bob",
            term=3,
            role="follower",
            engine_warm=False,
            members=(member(ADA, "ada"), member(BOB, "bob")),
        )

    def cache(self) -> CacheView:
        return CacheView(bytes_used=sum(one.size for one in self.kept), bytes_max=1 << 20, entries=self.kept)

    async def clear_cache(self) -> int:
        count, self.kept = len(self.kept), ()
        return count

    async def revoke(self, device: str) -> tuple[NodeId, str, int]:
        if device != "bob":
            raise LocalError(f"No member is called {device!r}.")
        return BOB, "bob", 2

    async def leave(self, abandon: bool) -> None:
        if not abandon:
            raise LocalError("This node keeps the cluster's root key; say so with --abandon if that is meant.")
        self.left = True

    async def invite(self, minutes: float, approve: Approve, guest: bool = False) -> AsyncIterator[PairingNews]:
        self.guests.append(guest)
        try:
            yield TokenMade(token="TOKEN-1", minutes=minutes)
            yield WrongTry(number=1, allowed=3)
            knock = Knocked(name="bob", words=WORDS)
            yield knock
            yes = await approve(knock)
            self.answers.append(yes)
            yield Joined(name="bob", id=BOB) if yes else PairingFailed(reason="You said no.")
        finally:
            self.window_closed.set()

    async def join(self, token: str, approve: Approve) -> AsyncIterator[PairingNews]:
        if token != "TOKEN-1":
            raise LocalError("This token is not valid any more; ask for a new invitation.")
        yes = await approve(Knocked(name="ada", words=WORDS))
        self.answers.append(yes)
        yield Joined(name="ada", id=ADA) if yes else PairingFailed(reason="You said no.")
