"""Reading what `recorder` wrote: who sent what to whom, and whose words are in it.

Never here: what may be sent (`test_privacy.py`).
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from peerd.demo.nodes import NodeProcess
from peerd.network.identity import Identity
from peerd_protocol import codec
from peerd_protocol.checkpoint import prompt_digest_of
from peerd_protocol.errors import FrameError
from peerd_protocol.messages import AnyMessage
from peerd_protocol.plan import Call
from peerd_protocol.sequence import HEADER_BYTES

PIECE_BYTES = 32
"""An embedding is looked for in pieces of so many bytes: sixteen of its numbers, which no other bytes are by chance."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One piece as a daemon handed it to a socket. `receiver` is a node's name, an address, or empty: not known."""

    sender: str
    receiver: str
    data: bytes


def read(nodes: Sequence[NodeProcess]) -> list[Sent]:
    """All that these nodes have sent so far."""
    names = {Identity.load_or_make(node.home).curve_key.hex(): node.name for node in nodes}
    return [
        Sent(node.name, names.get(receiver, receiver), data)
        for node in nodes
        for receiver, data in _entries(node.home.with_suffix(".sent").read_bytes())
    ]


def _entries(record: bytes) -> Iterator[tuple[str, bytes]]:
    """The last entry may still be in the making."""
    at = 0
    while True:
        fields: list[bytes] = []
        for _ in range(2):
            if len(record) < at + 4:
                return
            (size,) = struct.unpack_from("<I", record, at)
            fields.append(record[at + 4 : at + 4 + size])
            if len(fields[-1]) < size:
                return
            at += 4 + size
        yield fields[0].decode(), fields[1]


def messages(sent: Sequence[Sent]) -> Iterator[tuple[Sent, AnyMessage]]:
    """Those that are messages of the protocol, opened."""
    for each in sent:
        try:
            yield each, codec.decode(each.data[HEADER_BYTES:])
        except FrameError:
            continue  # a chunk, mDNS, or pairing


def traces(
    sent: Sequence[Sent], prompt: str, words: Sequence[str], negatives: Sequence[str] = (), embedding: bytes = b""
) -> list[str]:
    """What of a prompt can be found in what was sent: its words, a digest of it, its embedding or a piece of that."""
    data = b"\n".join(each.data for each in sent)
    lower = data.lower()
    found = [word for word in words if word.casefold().encode() in lower]
    digests = [hashlib.sha256(prompt.encode()).hexdigest()]
    digests += [prompt_digest_of(_call(prompt, negative)) for negative in ("", *negatives)]
    found += ["its digest" for digest in digests if digest.encode() in data or bytes.fromhex(digest) in data]
    pieces = [embedding[at : at + PIECE_BYTES] for at in range(0, len(embedding), PIECE_BYTES)]
    if any(piece in data for piece in pieces if any(piece)):
        found.append("its embedding")
    return found


def _call(prompt: str, negative: str) -> Call:
    """A call with these words; nothing else of it enters their digest."""
    return Call(
        model="", prompt=prompt, negative=negative, steps=1, seed=0, guidance=1.0, scheduler="ddim", width=8, height=8
    )
