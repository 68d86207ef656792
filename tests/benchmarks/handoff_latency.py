"""How long it takes to hand a latent to another process: `python tests/benchmarks/handoff_latency.py [--json]`.

65,536 bytes (64 x 64 x 4 in float32) travel with the real messages over the real transport: HandoffBegin, HandoffGot,
Chunk, HandoffDone. The clock runs from the giver's first word until it hears that the taker has verified the digest,
so each figure holds a full round trip more than the taker waits.
"""

import argparse
import asyncio
import hashlib
import json
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "protocol")]

from peerd.network.addresses import AddressBook  # noqa: E402
from peerd.network.identity import Identity  # noqa: E402
from peerd.network.roster import Roster  # noqa: E402
from peerd.network.transport import Transport  # noqa: E402
from peerd_protocol.actions import Action, Send  # noqa: E402
from peerd_protocol.certificates import ALL_ROLES  # noqa: E402
from peerd_protocol.handoff import Handoffs  # noqa: E402
from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term  # noqa: E402
from peerd_protocol.messages import (  # noqa: E402
    PROTOCOL_VERSION,
    AnyMessage,
    Chunk,
    HandoffBegin,
    HandoffDone,
    HandoffGot,
    Hello,
)

LATENT_BYTES = 64 * 64 * 4 * 4
GOAL_MS = 20.0
WARM_UP = 10


class End:
    """One process: a transport, and the handoff machine that hears its messages."""

    def __init__(self, home: Path) -> None:
        self.identity = Identity.load_or_make(home)
        self.roster = Roster.load_or_found(home, self.identity, home.name)
        self.handoffs = Handoffs(NodeId(home.name))
        self.connected, self.given, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.transport = Transport(
            self.identity,
            self.roster,
            lambda control, bulk: Hello(
                version=PROTOCOL_VERSION,
                name=home.name,
                boot=BootNonce(home.name),
                control_port=control,
                bulk_port=bulk,
            ),
            self.heard,
            lambda node: self.connected.set(),
            lambda node, refused: self.left.set(),
            AddressBook(home),
        )

    def heard(self, sender: NodeId, message: AnyMessage) -> None:
        now_s = time.monotonic()
        match message:
            case HandoffBegin():
                self.perform(self.handoffs.begun(sender, message, "", now_s))
            case HandoffGot():
                self.perform(self.handoffs.got(sender, message, now_s))
            case Chunk():
                self.perform(self.handoffs.chunk(sender, message, now_s)[0])
            case HandoffDone():
                assert message.accepted, message.reason
                self.handoffs.done(sender, message)
                self.given.set()
            case _:
                pass

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            assert isinstance(action, Send)
            assert self.transport.send(action.to, action.message)


async def take(home: Path, port: int, giver: NodeId) -> None:
    end = End(home)
    await end.transport.start("127.0.0.1", 0)
    end.transport.dial("127.0.0.1", port, giver)
    await end.connected.wait()
    await end.left.wait()
    await end.transport.close()


async def give(count: int, size: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        giver, taker_home = End(Path(folder) / "giver"), Path(folder) / "taker"
        taker = Identity.load_or_make(taker_home)
        taker_roster = Roster.load_or_found(taker_home, taker, "taker")
        giver.roster.admit(taker.device_key, taker.curve_key, taker.key_bind, "taker", ALL_ROLES)
        taker_roster.adopt(giver.roster.keys, giver.roster.certificates, giver.roster.revocations)
        await giver.transport.start("127.0.0.1", 0)
        words = [str(taker_home), str(giver.transport.control_port), giver.identity.node]
        child = await asyncio.create_subprocess_exec(sys.executable, __file__, "--taker", *words)
        async with asyncio.timeout(60):
            await giver.connected.wait()
            figures = [await one_handoff(giver, taker.node, number, size) for number in range(WARM_UP + count)]
        await giver.transport.close()
        async with asyncio.timeout(20):
            await child.wait()
        return figures[WARM_UP:]


async def one_handoff(giver: End, taker: NodeId, number: int, size: int) -> float:
    data = secrets.token_bytes(size)
    giver.given.clear()
    started = time.perf_counter()
    begin = HandoffBegin(
        handoff=HandoffId(f"latent {number}"),
        what="checkpoint",
        request=RequestId("request"),
        group=GroupId("group"),
        attempt=Attempt(Term(1, giver.identity.node, BootNonce("boot")), number),
        step=5,
        size=size,
        digest=hashlib.sha256(data).digest(),
    )
    giver.perform(giver.handoffs.give(taker, begin, data, time.monotonic()))
    await giver.given.wait()
    return (time.perf_counter() - started) * 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--bytes", type=int, default=LATENT_BYTES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--taker", nargs=3, metavar=("HOME", "PORT", "NODE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.taker:
        home, port, node = options.taker
        asyncio.run(take(Path(home), int(port), NodeId(node)))
        return 0
    figures = sorted(asyncio.run(give(options.count, options.bytes)))
    result = {
        "bytes": options.bytes,
        "count": len(figures),
        "median_ms": round(statistics.median(figures), 2),
        "p95_ms": round(figures[int(len(figures) * 0.95)], 2),
        "max_ms": round(figures[-1], 2),
        "goal_ms": GOAL_MS,
    }
    print(json.dumps(result) if options.json else "  ".join(f"{name} {value}" for name, value in result.items()))
    return 0 if result["median_ms"] <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
