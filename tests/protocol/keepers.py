"""Devices that keep logs of receipts, with real keys drawn from their names; a story lets them deal, and lie.

Never here: sockets and disks; what is signed and chained is the protocol's own.
"""

import hashlib
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from peerd_protocol.audit import Log
from peerd_protocol.certificates import device_id, pack
from peerd_protocol.commitment import split, step_digest, tree_hash
from peerd_protocol.hash_chain import Entry, first_hash
from peerd_protocol.ids import Attempt, BootNonce, NodeId, Term
from peerd_protocol.messages import Countersignature, Receipt
from peerd_protocol.receipts import Acceptance, Work, countersignature_bytes, receipt_bytes, statement_digest


@dataclass
class Keeper:
    name: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def secret(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    @property
    def key(self) -> bytes:
        return self.secret.public_key().public_bytes_raw()

    @property
    def node(self) -> NodeId:
        return device_id(self.key)

    @property
    def log(self) -> Log:
        return Log(device=self.key, entries=tuple(self.entries))

    @property
    def place(self) -> tuple[int, bytes]:
        """Where its next entry stands."""
        if not self.entries:
            return 0, first_hash(self.node)
        return self.entries[-1].index + 1, self.entries[-1].hash

    def twin(self) -> "Keeper":
        """The same device with a second history from here on."""
        return replace(self, entries=list(self.entries))

    def work(self, to: "Keeper", first: int = 0, step: int = 3, joules: float = 4.5) -> tuple[Work, bytes]:
        """What it says of some steps, and their digests."""
        index, previous = self.place
        steps = b"".join(step_digest(number, f"latent {number}".encode()) for number in range(first + 1, step + 1))
        work = Work(
            executor=self.key,
            receiver=to.node,
            request="0199aabbccddeeff",
            group="7.00112233.1.0",
            attempt=Attempt(Term(7, self.node, BootNonce("00112233")), 2),
            handoff=f"checkpoint/7.00112233.1.0/2/{index}",
            run="shared/7.00112233.1.0/2",
            model="c0ffee",
            first=first,
            step=step,
            digest=hashlib.sha256(b"a checkpoint").digest(),
            latents=tree_hash(split(steps)),
            joules=joules,
            seconds=1.25,
            index=index,
            previous=previous,
        )
        return work, steps

    def gives(self, to: "Keeper", joules: float = 4.5) -> Receipt:
        work, steps = self.work(to, joules=joules)
        body = pack(work)
        receipt = Receipt(body=body, signature=self.secret.sign(receipt_bytes(body)))
        self._keep("gave", receipt, steps=steps)
        return receipt

    def gets(self, giver: "Keeper", receipt: Receipt) -> Countersignature:
        index, previous = self.place
        digest = statement_digest(receipt.body)
        said = Acceptance(receiver=self.key, executor=giver.node, receipt=digest, index=index, previous=previous)
        body = pack(said)
        answer = Countersignature(body=body, signature=self.secret.sign(countersignature_bytes(body)))
        self._keep("got", receipt, answer=body, answer_signature=answer.signature)
        return answer

    def is_answered(self, answer: Countersignature) -> None:
        self._keep("answered", answer)

    def _keep(self, kind: str, said: Receipt | Countersignature, **more: bytes) -> None:
        index, previous = self.place
        entry = dict(index=index, previous=previous, kind=kind, body=said.body, signature=said.signature, **more)
        self.entries.append(Entry(**entry))  # type: ignore[arg-type]


def deal(giver: Keeper, taker: Keeper, joules: float = 4.5) -> None:
    """Steps run, handed over, signed and counter-signed."""
    giver.is_answered(taker.gets(giver, giver.gives(taker, joules)))
