"""Two devices' receipts without their daemons: handoffs as their nodes would see them, and a wire that stories touch.

Identities, signatures and logs on disk are real. Never here: sockets.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from peerd.network.identity import Identity, signed_by
from peerd.receipt_log import ReceiptLog, read_log
from peerd.receipts import Receipts
from peerd.runs import Ran
from peerd_protocol.actions import Send
from peerd_protocol.audit import Log, Report, audit
from peerd_protocol.commitment import step_digest
from peerd_protocol.events import Received
from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.messages import Chunk, Countersignature, HandoffBegin, HandoffDone, HandoffGot, Receipt

Message = Receipt | Countersignature

CHECKPOINT = hashlib.sha256(b"a checkpoint").digest()
STEPS = 5


class Dealer:
    """One device: what it `said` lies there until a story carries it over."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home = folder / name
        self.identity = Identity.load_or_make(self.home)
        self.kept = ReceiptLog(self.home, self.identity.device_key)
        self.said: list[tuple[NodeId, Message]] = []
        self.receipts = Receipts(self.identity, self.kept, self._send)

    @property
    def node(self) -> NodeId:
        return self.identity.node

    def _send(self, to: NodeId, message: Message) -> bool:
        self.said.append((to, message))
        return True

    def runs(self, digest: bytes = CHECKPOINT) -> None:
        steps = b"".join(step_digest(step, b"latent") for step in range(1, STEPS + 1))
        self.receipts.ran(Ran(digest, "shared/g/1", "model", 0, STEPS, steps, seconds=1.5, joules=30.0))

    def hands_over(self, to: "Dealer", begin: HandoffBegin) -> None:
        """As both nodes see it."""
        done = HandoffDone(handoff=begin.handoff, accepted=True)
        self.receipts.saw(Received(self.node, done), [Send(to.node, begin)])
        to.takes(self, begin)
        self.receipts.saw(Received(to.node, done), [])

    def takes(self, giver: "Dealer", begin: HandoffBegin) -> None:
        name = begin.handoff
        self.receipts.saw(Received(giver.node, begin), [Send(giver.node, HandoffGot(handoff=name, offset=0))])
        chunk = Chunk(handoff=name, offset=0, data=b"x")
        self.receipts.saw(Received(giver.node, chunk), [Send(giver.node, HandoffDone(handoff=name, accepted=True))])

    async def works(self) -> None:
        """Until nothing waits any more."""
        while not self.receipts._jobs.empty():
            await self.receipts._do(self.receipts._jobs.get_nowait(), asyncio.get_running_loop().time())

    async def hears(self, sender: "Dealer", *messages: Message) -> None:
        for message in messages:
            self.receipts.heard(sender.node, message)
        await self.works()

    def takes_said(self) -> list[Message]:
        said, self.said = [message for _, message in self.said], []
        return said

    @property
    def log(self) -> Log:
        log = read_log(self.home)
        assert log is not None
        return log


def begin_of(number: int = 0, digest: bytes = CHECKPOINT, **changed: object) -> HandoffBegin:
    begin = HandoffBegin(
        handoff=HandoffId(f"checkpoint/g/1/{number}"),
        what="checkpoint",
        request=RequestId(f"r{number}"),
        group=GroupId("g"),
        attempt=Attempt(Term(3, NodeId("leader"), BootNonce("b")), 1),
        step=STEPS,
        size=1,
        digest=digest,
    )
    return msgspec.structs.replace(begin, **changed)


async def deal(giver: Dealer, taker: Dealer, begin: HandoffBegin) -> Receipt:
    """The whole walk, over a wire that loses nothing."""
    giver.runs(begin.digest)
    giver.hands_over(taker, begin)
    await giver.works()
    (receipt,) = giver.takes_said()
    await taker.hears(giver, receipt)
    await giver.hears(taker, *taker.takes_said())
    assert isinstance(receipt, Receipt)
    return receipt


def audited(*dealers: Dealer) -> Report:
    return audit([dealer.log for dealer in dealers], signed_by)


@contextlib.asynccontextmanager
async def dealers(folder: Path, *names: str) -> AsyncIterator[list[Dealer]]:
    all_of_them = [Dealer(folder, name) for name in names]
    try:
        yield all_of_them
    finally:
        for dealer in all_of_them:
            dealer.kept.close()
