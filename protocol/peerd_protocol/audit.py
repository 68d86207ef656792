"""Holds logs against themselves and against each other: broken chains, false signatures, open receipts, and forks.

A statement that a device signed binds it to one history: *my entry number n has this hash, and n - 1 had that one*.
Statements of one device lie in the logs of all whom it dealt with. Two that give one entry two hashes are a **fork**: a
proof, checkable by anyone, that the device has shown different histories. It does not tell a liar from a device whose
log was lost or put back from a backup.

Never here: reading files, checking a signature (`Verify` is handed in), or running steps again: a replay of a step will
be held against the digests that "gave" entries keep.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from peerd_protocol.certificates import Key, device_id
from peerd_protocol.commitment import HASH_BYTES, split, tree_hash
from peerd_protocol.errors import FrameError
from peerd_protocol.hash_chain import Entry, first_hash
from peerd_protocol.ids import NodeId
from peerd_protocol.receipts import (
    Acceptance,
    Work,
    acceptance_entry_hash,
    countersignature_bytes,
    read_acceptance,
    read_work,
    receipt_bytes,
    statement_digest,
    work_entry_hash,
)

Verify = Callable[[bytes, bytes, bytes], bool]
"""Whether the holder of this public key made this signature over these bytes."""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """One device's log, or as much as is kept of it, the oldest entry first. `device` is its public key.

    `is_copy`: it was written down some time ago, and its device may have signed more since.
    """

    device: Key
    entries: tuple[Entry, ...]
    is_copy: bool = False

    @property
    def node(self) -> NodeId:
        return device_id(self.device)


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt that a log holds. `answered`: the receiver counter-signed it, as far as this log shows."""

    index: int
    gave: bool
    peer: NodeId
    work: Work
    answered: bool


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong at one entry of one log."""

    log: NodeId
    index: int
    text: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One of the hashes that a device gave one entry, and in whose logs its statements lie."""

    hash: bytes
    held_by: tuple[NodeId, ...]


class Fork(msgspec.Struct, frozen=True, kw_only=True):
    """One device signed for two histories: they part at this entry or before it."""

    device: NodeId
    index: int
    shown: tuple[Shown, ...]


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """One log as it was found. `first` is the index of the oldest entry that is kept."""

    node: NodeId
    first: int
    count: int
    head: bytes
    deals: tuple[Deal, ...]

    @property
    def unanswered(self) -> tuple[Deal, ...]:
        return tuple(deal for deal in self.deals if deal.gave and not deal.answered)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the logs show together. `notes` are no faults yet: a copy that ends too soon may only be an old one."""

    logs: tuple[Audited, ...]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]
    forks: tuple[Fork, ...]

    @property
    def is_sound(self) -> bool:
        return not self.faults and not self.forks


def audit(logs: Iterable[Log], verify: Verify) -> Report:
    """All that can be told from these logs."""
    readings = [_Reading(log, verify) for log in logs]
    claims = _Claims()
    for reading in readings:
        for claim in reading.claims:
            claims.add(reading.log.node, claim)
    cut = [(reading.log, fault) for reading in readings if (fault := _cut(reading, claims)) is not None]
    faults = [fault for reading in readings for fault in (*reading.faults, *_differences(reading, claims))]
    return Report(
        logs=tuple(reading.found for reading in readings),
        faults=(*faults, *(fault for log, fault in cut if not log.is_copy)),
        notes=tuple(fault for log, fault in cut if log.is_copy),
        forks=claims.forks(),
    )


# ---- one log --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Claim:
    """A device signed that its entry `index` has this hash."""

    device: NodeId
    index: int
    hash: bytes


class _Reading:
    """One log, entry by entry."""

    def __init__(self, log: Log, verify: Verify) -> None:
        self.log, self._verify = log, verify
        self.faults: list[Fault] = []
        self.claims: list[_Claim] = []
        self.hashes: dict[int, bytes] = {}
        self._deals: dict[tuple[bool, bytes], Deal] = {}
        """By whether it was given, and its digest."""
        self._answered: set[bytes] = set()
        for number, entry in enumerate(log.entries):
            self._link(number, entry)
            try:
                self._statement(entry)
            except FrameError as error:
                self._fault(entry.index, str(error))

    @property
    def found(self) -> Audited:
        entries = self.log.entries
        deals = sorted(self._deals.items(), key=lambda deal: deal[1].index)
        return Audited(
            node=self.log.node,
            first=entries[0].index if entries else 0,
            count=len(entries),
            head=entries[-1].hash if entries else first_hash(self.log.node),
            deals=tuple(
                msgspec.structs.replace(deal, answered=not gave or digest in self._answered)
                for (gave, digest), deal in deals
            ),
        )

    def _link(self, number: int, entry: Entry) -> None:
        before = self.log.entries[number - 1] if number else None
        self.hashes[entry.index] = entry.hash
        if before is not None and entry.index != before.index + 1:
            self._fault(entry.index, f"It follows entry {before.index}; what lies between is missing.")
        elif before is not None and entry.previous != before.hash:
            self._fault(entry.index, "It does not follow from the entry before, which was changed or put there later.")

    def _statement(self, entry: Entry) -> None:
        digest = statement_digest(entry.body)
        match entry.kind:
            case "gave":
                work = self._work(entry, self.log.node)
                self._stands_here(entry, work)
                digests = split(entry.steps)
                if len(entry.steps) != HASH_BYTES * (work.step - work.first) or tree_hash(digests) != work.latents:
                    self._fault(entry.index, "The digests of its steps are not those that its receipt commits to.")
                self._deal(entry, digest, work, NodeId(work.receiver), gave=True)
            case "got":
                work = self._work(entry, None)
                answer = self._acceptance(entry.answer, entry.answer_signature, self.log.node)
                self._stands_here(entry, answer)
                if work.receiver != self.log.node:
                    raise FrameError("A receipt that was made out to another device.")
                if (answer.receipt, answer.executor) != (digest, work.signer):
                    raise FrameError("Its countersignature is of another receipt.")
                self._deal(entry, digest, work, work.signer, gave=False)
            case "answered":
                answer = self._acceptance(entry.body, entry.signature, None)
                given = self._deals.get((True, answer.receipt))
                if given is None and self.log.entries[0].index == 0:
                    raise FrameError("A countersignature of a receipt that this log never gave.")
                if given is not None and (given.peer, self.log.node) != (answer.signer, answer.executor):
                    raise FrameError("A countersignature by another device than the receipt was made out to.")
                self._answered.add(answer.receipt)
            case _:
                assert_never(entry.kind)

    def _work(self, entry: Entry, signer: NodeId | None) -> Work:
        work = read_work(entry.body)
        self._signed(work.executor, entry.signature, receipt_bytes(entry.body), signer or work.signer, work.signer)
        self._claim(work.signer, work.index, work_entry_hash(entry.body, work), work.previous)
        return work

    def _acceptance(self, body: bytes, signature: bytes, signer: NodeId | None) -> Acceptance:
        said = read_acceptance(body)
        self._signed(said.receiver, signature, countersignature_bytes(body), signer or said.signer, said.signer)
        self._claim(said.signer, said.index, acceptance_entry_hash(said), said.previous)
        return said

    def _signed(self, key: bytes, signature: bytes, statement: bytes, wanted: NodeId, signer: NodeId) -> None:
        if wanted != signer:
            raise FrameError("A statement of another device stands where this one's own must be.")
        if not self._verify(key, signature, statement):
            raise FrameError("A statement that its device did not sign.")

    def _claim(self, device: NodeId, index: int, hashed: bytes, previous: bytes) -> None:
        self.claims.append(_Claim(device, index, hashed))
        if index:
            self.claims.append(_Claim(device, index - 1, previous))

    def _stands_here(self, entry: Entry, own: Work | Acceptance) -> None:
        if (own.index, own.previous) != (entry.index, entry.previous):
            self._fault(entry.index, f"Its own statement says that it is entry {own.index} of another history.")

    def _deal(self, entry: Entry, digest: bytes, work: Work, peer: NodeId, *, gave: bool) -> None:
        if (gave, digest) in self._deals:
            raise FrameError("A receipt that this log holds already.")
        deal = Deal(index=entry.index, gave=gave, peer=peer, work=work, answered=not gave)
        self._deals[gave, digest] = deal

    def _fault(self, index: int, text: str) -> None:
        self.faults.append(Fault(log=self.log.node, index=index, text=text))


# ---- many logs ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Claims:
    """By device and index: each hash that was signed for it, and in whose logs."""

    _held: dict[tuple[NodeId, int], dict[bytes, set[NodeId]]] = field(default_factory=dict)

    def add(self, holder: NodeId, claim: _Claim) -> None:
        self._held.setdefault((claim.device, claim.index), {}).setdefault(claim.hash, set()).add(holder)

    def of(self, device: NodeId) -> dict[int, dict[bytes, set[NodeId]]]:
        return {index: hashes for (node, index), hashes in self._held.items() if node == device}

    def forks(self) -> tuple[Fork, ...]:
        """The earliest of each device: from there on nothing fits any more."""
        earliest: dict[NodeId, Fork] = {}
        for (device, index), hashes in sorted(self._held.items()):
            if len(hashes) > 1 and device not in earliest:
                shown = (Shown(hash=each, held_by=tuple(sorted(hashes[each]))) for each in sorted(hashes))
                earliest[device] = Fork(device=device, index=index, shown=tuple(shown))
        return tuple(earliest.values())


def _differences(reading: _Reading, claims: _Claims) -> Sequence[Fault]:
    """Where this log is not what its owner signed towards others: the first place alone, since the rest follows."""
    for index, hashes in sorted(claims.of(reading.log.node).items()):
        if index in reading.hashes and reading.hashes[index] not in hashes:
            text = f"Its owner signed for another entry in this place (held by {_holders(hashes)})."
            return [Fault(log=reading.log.node, index=index, text=text)]
    return []


def _cut(reading: _Reading, claims: _Claims) -> Fault | None:
    """Whether others hold more of its owner's statements than this log has entries for."""
    end = max(reading.hashes, default=-1)
    for index, hashes in sorted(claims.of(reading.log.node).items()):
        if index > end:
            ends = f"The log ends at entry {end}" if end >= 0 else "The log is empty"
            text = f"{ends}, but its owner signed for this one too (held by {_holders(hashes)})"
            rest = "it was cut, or this copy is an older one" if reading.log.is_copy else "it was cut"
            return Fault(log=reading.log.node, index=index, text=f"{text}: {rest}.")
    return None


def _holders(hashes: dict[bytes, set[NodeId]]) -> str:
    return ", ".join(sorted({holder for held in hashes.values() for holder in held}))
