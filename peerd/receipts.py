"""Receipts beside the node: this device signs for the shared steps that it handed over, and counter-signs for others'.

    executor                                      receiver
      | the receiver has verified the checkpoint    | this node has verified the checkpoint
      | append "gave"                               |
      | -- Receipt -------------------------------> | signature, and everything in it, as the handoff was
      |    (again, if no answer comes)              | append "got"
      | <--------------------- Countersignature --- |
      | append "answered"                           |

Nothing waits for a receipt, and no picture depends on one. An entry is on disk before the message that tells of it. All
that a peer can cause here is bounded, and what does not fit costs a line of the log. Never here: what a receipt says
(`peerd_protocol.receipts`), which checkpoints changed hands (`handovers`), or how the log is kept (`receipt_log`).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, assert_never

from peerd.handovers import Handover, Handovers
from peerd.network.identity import Identity, signed_by
from peerd.receipt_log import ReceiptLog
from peerd.runs import Ran
from peerd_protocol.actions import Action
from peerd_protocol.certificates import pack
from peerd_protocol.commitment import split, tree_hash
from peerd_protocol.errors import FrameError, LocalError, RemoteError
from peerd_protocol.events import Event
from peerd_protocol.hash_chain import Entry
from peerd_protocol.ids import HandoffId, NodeId
from peerd_protocol.messages import Countersignature, HandoffBegin, Receipt
from peerd_protocol.receipts import (
    Acceptance,
    Work,
    countersignature_bytes,
    read_acceptance,
    read_work,
    receipt_bytes,
    statement_digest,
)

log = logging.getLogger("peerd.receipts")

QUEUE_MAX = 256
"""What waits to be signed or checked; of more the rest is dropped. Each takes a millisecond and a write."""
WAITING_MAX_EACH = 32
"""Of what waits, one peer's: as many as a cluster has members, so that one that floods keeps no other's out."""
RUNS_KEPT_MAX = 128
"""What shared runs took, until their checkpoints are handed over."""
AWAITED_MAX = 256
"""Checkpoints that came, and whose receipts did not yet; and receipts that went, without their answer."""
TRIES_MAX = 3
RETRY_S = 2.0
"""A receipt without an answer is said so often, this far apart. Then the log shows it as unanswered."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_Heard = tuple[NodeId, Receipt | Countersignature]
_Job = Handover | _Heard


@dataclass(slots=True)
class _Open:
    """A receipt that went, and was not answered yet."""

    to: NodeId
    receipt: Receipt
    tries: int
    due_s: float


class Receipts:
    """`saw`, `ran` and `heard` return at once; `run` does the work, one piece after the other."""

    def __init__(
        self, identity: Identity, kept: ReceiptLog, send: Callable[[NodeId, Receipt | Countersignature], bool]
    ) -> None:
        self._identity, self._log, self._send = identity, kept, send
        self._handovers = Handovers()
        self._runs: dict[bytes, Ran] = {}
        self._got: dict[tuple[NodeId, HandoffId], HandoffBegin] = {}
        """Checkpoints that came, and whose receipts are awaited."""
        self._answers: dict[tuple[NodeId, bytes], Countersignature] = {}
        """What was said to a receipt, by its digest: it may have been lost."""
        self._open: dict[bytes, _Open] = {}
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(QUEUE_MAX)
        self._waiting: Counter[NodeId] = Counter()
        self.counts: Counter[str] = Counter()

    # ---- what others tell ----------------------------------------------------------------------------------

    def ran(self, ran: Ran) -> None:
        """Shared steps left this checkpoint behind."""
        _keep(self._runs, ran.digest, ran, RUNS_KEPT_MAX)

    def saw(self, event: Event, actions: Sequence[Action]) -> None:
        """What the node has heard, and what it says and does about it."""
        for handover in self._handovers.saw(event, actions):
            if handover.given:
                self._enqueue(handover)
            else:
                _keep(self._got, (handover.peer, handover.begin.handoff), handover.begin, AWAITED_MAX)

    def heard(self, sender: NodeId, message: Receipt | Countersignature) -> None:
        if self._waiting[sender] >= WAITING_MAX_EACH:
            self._count("too many at once", f"{sender} has {WAITING_MAX_EACH} waiting here")
        elif self._enqueue((sender, message)):
            self._waiting[sender] += 1

    def _enqueue(self, job: _Job) -> bool:
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            self._count("too many at once", f"{QUEUE_MAX} wait here")
            return False
        return True

    # ---- the work ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever, one piece after the other, since each entry of the log names the one before."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(RETRY_S / 2 if self._open else None):
                    job = await self._jobs.get()
            except TimeoutError:
                pass
            else:
                await self._do(job, loop.time())
            self._say_again(loop.time())

    async def _do(self, job: _Job, now_s: float) -> None:
        if not isinstance(job, Handover):
            self._waiting[job[0]] -= 1
        try:
            match job:
                case Handover(_, peer, begin):
                    await self._give(peer, begin, now_s)
                case (sender, Receipt() as receipt):
                    await self._accept(sender, receipt)
                case (sender, Countersignature() as answer):
                    await self._close(sender, answer)
                case _:
                    assert_never(job)
        except LocalError as error:
            self._count("not written", str(error))
        except RemoteError as error:
            self._count("not believed", str(error))

    async def _append(self, make: Callable[[int, bytes], Entry]) -> Entry:
        """In a thread, so that no heartbeat waits for a disk."""
        return await asyncio.to_thread(self._log.append, make)

    async def _give(self, to: NodeId, begin: HandoffBegin, now_s: float) -> None:
        ran = self._runs.get(begin.digest)
        if ran is None:
            return  # passed on as it came: another's work, or an earlier life's

        def gave(index: int, previous: bytes) -> Entry:
            body = pack(self._work(to, begin, ran, index, previous))
            signature = self._identity.sign(receipt_bytes(body))
            return Entry(index=index, previous=previous, kind="gave", body=body, signature=signature, steps=ran.steps)

        entry = await self._append(gave)
        receipt = Receipt(body=entry.body, signature=entry.signature)
        _keep(self._open, statement_digest(entry.body), _Open(to, receipt, 1, now_s + RETRY_S), AWAITED_MAX)
        self._send(to, receipt)

    def _work(self, to: NodeId, begin: HandoffBegin, ran: Ran, index: int, previous: bytes) -> Work:
        return Work(
            executor=self._identity.device_key,
            receiver=to,
            request=begin.request,
            group=begin.group,
            attempt=begin.attempt,
            handoff=begin.handoff,
            run=ran.run,
            model=ran.model,
            first=ran.first,
            step=ran.step,
            digest=begin.digest,
            latents=tree_hash(split(ran.steps)),
            joules=round(ran.joules, 4),
            seconds=round(ran.seconds, 4),
            index=index,
            previous=previous,
        )

    async def _accept(self, sender: NodeId, receipt: Receipt) -> None:
        """Counter-sign what this node got, once. The cheap questions come first: a flood costs little."""
        digest = statement_digest(receipt.body)
        if (said := self._answers.get((sender, digest))) is not None:
            self._send(sender, said)  # the answer was lost; it does not change
            return
        work = read_work(receipt.body)
        begin = self._got.pop((sender, HandoffId(work.handoff)), None)
        if begin is None:
            raise FrameError(f"A receipt of {sender} for a checkpoint that did not come, or that has one already.")
        _must_fit(work, begin, sender, self._identity.node)
        if not signed_by(work.executor, receipt.signature, receipt_bytes(receipt.body)):
            raise FrameError(f"A receipt of {sender} that it did not sign.")

        def got(index: int, previous: bytes) -> Entry:
            answer = Acceptance(
                receiver=self._identity.device_key, executor=sender, receipt=digest, index=index, previous=previous
            )
            body = pack(answer)
            return Entry(
                index=index,
                previous=previous,
                kind="got",
                body=receipt.body,
                signature=receipt.signature,
                answer=body,
                answer_signature=self._identity.sign(countersignature_bytes(body)),
            )

        try:
            entry = await self._append(got)
        except LocalError:
            _keep(self._got, (sender, begin.handoff), begin, AWAITED_MAX)  # it is said again: then perhaps
            raise
        answer = Countersignature(body=entry.answer, signature=entry.answer_signature)
        _keep(self._answers, (sender, digest), answer, AWAITED_MAX)
        self._send(sender, answer)

    async def _close(self, sender: NodeId, answer: Countersignature) -> None:
        said = read_acceptance(answer.body)
        given = self._open.get(said.receipt)
        if given is None or given.to != sender:
            raise FrameError(f"{sender} counter-signed a receipt that it was not given, or has answered.")
        if (said.signer, said.executor) != (sender, self._identity.node):
            raise FrameError(f"{sender} sent the countersignature of another.")
        if not signed_by(said.receiver, answer.signature, countersignature_bytes(answer.body)):
            raise FrameError(f"A countersignature of {sender} that it did not make.")
        del self._open[said.receipt]
        await self._append(
            lambda index, previous: Entry(
                index=index, previous=previous, kind="answered", body=answer.body, signature=answer.signature
            )
        )

    def _say_again(self, now_s: float) -> None:
        for digest, given in list(self._open.items()):
            if now_s < given.due_s:
                continue
            if given.tries >= TRIES_MAX:
                del self._open[digest]
                continue
            given.tries, given.due_s = given.tries + 1, now_s + RETRY_S
            self._send(given.to, given.receipt)

    def _count(self, what: str, detail: str) -> None:
        self.counts[what] += 1
        if self.counts[what].bit_count() == 1:  # 1, 2, 4, 8, ...: a flood does not fill the log
            log.warning("a receipt came to nothing, %s (%d so far): %s", what, self.counts[what], detail)


def _must_fit(work: Work, begin: HandoffBegin, sender: NodeId, me: NodeId) -> None:
    """FrameError unless the receipt says of its handoff what this node saw of it."""
    told = (work.signer, work.receiver, work.request, work.group, work.attempt, work.step, work.digest)
    seen = (sender, me, begin.request, begin.group, begin.attempt, begin.step, begin.digest)
    if told != seen:
        raise FrameError(f"A receipt of {sender} that is not for what it handed over.")


def _keep(table: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """The newest so many."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]
