"""Which pictures were planned lately, so that a late request with a free seed is not given one of them again.

Two requests of one prompt that start from one kept checkpoint would end in one picture, as they would under one seed.
It remembers digests, not words. Never here: which checkpoint a request starts from (`cached`), or a disk.
"""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from peerd_protocol.events import Draft
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import Call, Request

CALLS_KEPT_MAX = 2_048
"""32 KiB, written down after each plan."""
DIGEST_BYTES = 16


class Drawn:
    """A bounded set of calls, spelt alike or not; the oldest go first. `packed` brings it back."""

    def __init__(self, packed: bytes = b"") -> None:
        pieces = (packed[at : at + DIGEST_BYTES] for at in range(0, len(packed), DIGEST_BYTES))
        self._digests = dict.fromkeys(piece for piece in pieces if len(piece) == DIGEST_BYTES)

    def __contains__(self, call: object) -> bool:
        return isinstance(call, Call) and _digest(call) in self._digests

    @property
    def packed(self) -> bytes:
        return b"".join(self._digests)

    def planned(self, drafts: Iterable[Draft], requests: Mapping[RequestId, Request]) -> None:
        """Remember what these drafts will draw, each member under the seed of its draft."""
        for draft in drafts:
            for name in draft.requests:
                self._digests[_digest(msgspec.structs.replace(requests[name].call, seed=draft.seed))] = None
        while len(self._digests) > CALLS_KEPT_MAX:
            del self._digests[next(iter(self._digests))]


def _digest(call: Call) -> bytes:
    one_spelling = msgspec.structs.replace(call, prompt=" ".join(call.prompt.casefold().split()))
    return hashlib.sha256(msgspec.json.encode(one_spelling)).digest()[:DIGEST_BYTES]
