"""Receipts: what an executor says it ran and handed over, and what the receiver of that counter-signs, as exact bytes.

Each of the two statements also says where it stands in its signer's own log (`hash_chain`): its index, and the hash of
the entry before. So every statement that a device signs binds it to one history up to there, and two that do not fit
one history prove that it has two (`audit`). A statement carries its signer's public key, of which a device id is the
hash: it can be checked by anyone, for ever, without a roster.

Never here: making a signature or checking one (that is the host's), prompts, latents, or when a receipt is due.
"""

import hashlib
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from peerd_protocol.bounds import FORECAST_MAX, SCHEDULER_CALLS_MAX, STATEMENT_BYTES_MAX
from peerd_protocol.certificates import Key, device_id, read
from peerd_protocol.errors import FrameError
from peerd_protocol.hash_chain import Hash, Index, entry_hash, first_hash
from peerd_protocol.ids import Attempt, NodeId
from peerd_protocol.limits import real

RECEIPT_DOMAIN: Final = b"peerd receipt 1\0"
COUNTERSIGNATURE_DOMAIN: Final = b"peerd countersignature 1\0"

Id = Annotated[str, Meta(max_length=256)]
Step = Annotated[int, Meta(ge=0, le=SCHEDULER_CALLS_MAX)]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The executor's word: "I ran the steps from `first` to `step`, and handed the checkpoint with `digest` over".

    `request`, `group`, `attempt` and `handoff` are those of the handoff. `run` is the executor's own name for the run:
    receipts with the same one speak of the same steps, which count once. `latents` is the tree hash over the digest of
    the latent after each step (`commitment`). `seconds` is what its engine took for them, `joules` those seconds at
    the watts that it draws, as it measures or estimates them. `index` and `previous` place it in the executor's log.
    """

    executor: Key
    receiver: Id
    request: Id
    group: Id
    attempt: Attempt
    handoff: Id
    run: Id
    model: Id
    first: Step
    step: Step
    digest: Hash
    latents: Hash
    joules: float
    seconds: float
    index: Index
    previous: Hash

    @property
    def signer(self) -> NodeId:
        return device_id(self.executor)


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver's word: "I got what this receipt names"; `receipt` is the SHA-256 of the receipt's body."""

    receiver: Key
    executor: Id
    receipt: Hash
    index: Index
    previous: Hash

    @property
    def signer(self) -> NodeId:
        return device_id(self.receiver)


# ---- what is signed ----------------------------------------------------------------------------------------------


def receipt_bytes(body: bytes) -> bytes:
    return RECEIPT_DOMAIN + body


def countersignature_bytes(body: bytes) -> bytes:
    return COUNTERSIGNATURE_DOMAIN + body


def statement_digest(body: bytes) -> bytes:
    """Names a statement, in logs and in its countersignature."""
    return hashlib.sha256(body).digest()


# ---- bytes and back ----------------------------------------------------------------------------------------------


def read_work(body: bytes) -> Work:
    """Raises FrameError."""
    work = read(body, Work, STATEMENT_BYTES_MAX)
    real("joules", work.joules, 0, FORECAST_MAX)
    real("seconds", work.seconds, 0, FORECAST_MAX)
    if work.first >= work.step:
        raise FrameError(f"A receipt for the steps from {work.first} to {work.step}, which are none.")
    _refuse_other_beginning(work)
    return work


def read_acceptance(body: bytes) -> Acceptance:
    """Raises FrameError."""
    acceptance = read(body, Acceptance, STATEMENT_BYTES_MAX)
    _refuse_other_beginning(acceptance)
    return acceptance


def _refuse_other_beginning(statement: Work | Acceptance) -> None:
    if statement.index == 0 and statement.previous != first_hash(statement.signer):
        raise FrameError("A statement at the beginning of a log that does not begin as its signer's must.")


# ---- what a statement says of its signer's log ------------------------------------------------------------------


def work_entry_hash(body: bytes, work: Work) -> bytes:
    """Of the entry in which the executor's log holds this receipt."""
    return entry_hash(work.index, work.previous, "gave", statement_digest(body))


def acceptance_entry_hash(acceptance: Acceptance) -> bytes:
    """Of the entry in which the receiver's log holds the receipt that it accepts."""
    return entry_hash(acceptance.index, acceptance.previous, "got", acceptance.receipt)
