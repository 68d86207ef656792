"""Writes the golden frames: `python protocol/vectors/make.py`, from the repository's root, after a change of the wire.

One file a message: the frame in hex, and its value as JSON (bytes as {"hex": ...}). A peer in another language that
reads and writes these speaks the protocol. The tests fail when a frame changes by accident. `receipts/` holds the two
logs that the golden receipt and its countersignature belong to: statements, hashes, and the digests of steps.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgpack

ROOT = Path(__file__).parents[2]


def plain(value: Any) -> Any:
    """JSON has no bytes; show them as hex."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def log_of(keeper: Any) -> dict[str, Any]:
    """A log, each entry with its hash and with its statements opened."""
    entries = []
    for entry in keeper.entries:
        value = {"hash": entry.hash, **{name: getattr(entry, name) for name in entry.__struct_fields__}}
        opened = {f"{name}_opened": msgpack.unpackb(value[name]) for name in ("body", "answer") if value[name]}
        entries.append(plain(value | opened))
    return {"device": keeper.node, "key": plain(keeper.key), "entries": entries}


def main() -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "protocol")]
    from peerd_protocol import codec
    from tests.protocol.samples import GIVER, SAMPLES, TAKER

    (Path(__file__).parent / "receipts").mkdir(exist_ok=True)
    for keeper in (GIVER, TAKER):
        text = json.dumps(log_of(keeper), indent=2, ensure_ascii=False) + "\n"
        (Path(__file__).parent / "receipts" / f"log_of_{keeper.name}.json").write_text(text, encoding="utf-8")
    for message in SAMPLES:
        frame = codec.encode(message)
        value = msgpack.unpackb(frame)
        vector = {"frame_hex": frame.hex(), "value": plain(value)}
        text = json.dumps(vector, indent=2, ensure_ascii=False) + "\n"
        (Path(__file__).parent / f"{value['is']}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
