"""A finished picture: packed to travel, and written as a PNG that tells how it was made.

Here live the bytes of both. Never here: which folder it goes to, or that it is delivered once (see
`outbox`).
"""

import hashlib
import io
import json
import os
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec

from peerd.paths import must_be_ordinary
from peerd_protocol.errors import UNREADABLE, FrameError, LocalError
from peerd_protocol.plan import SIDE_PIXELS_MAX, Call

MAGIC = b"PEERDPX1"
CHANNELS = 3
HEADER_BYTES_MAX = 1_024
PICTURE_BYTES_MAX = 20 + HEADER_BYTES_MAX + CHANNELS * SIDE_PIXELS_MAX**2
"""No packed picture is longer: where zlib would make it longer, the rows travel as they are."""
NAMES_TRIED_MAX = 10_000
_HALF_WRITTEN = re.compile(r"\..*\.[0-9]+\.[0-9a-f]{8}\.part", re.DOTALL)
"""As `_write_beside` calls a file until it is whole."""

SAMPLERS = {
    "ddim": "DDIM", "ddpm": "DDPM", "pndm": "PLMS", "lms": "LMS", "lms_karras": "LMS Karras", "euler": "Euler",
    "euler_karras": "Euler Karras", "euler_a": "Euler a", "heun": "Heun", "kdpm2": "DPM2", "kdpm2_a": "DPM2 a",
    "dpmpp_2m": "DPM++ 2M", "dpmpp_2m_karras": "DPM++ 2M Karras", "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_karras": "DPM++ 2M SDE Karras", "dpmpp_2s": "DPM++ 2S", "unipc": "UniPC", "deis": "DEIS",
    "lcm": "LCM", "tcd": "TCD", "flow_euler": "Euler", "flow_heun": "Heun",
}  # fmt: skip
"""Our schedulers by the names that Automatic1111's `parameters` text gives them."""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Raw RGB rows and how they came to be. `shared_steps` is where the run began that made them; 0: from noise."""

    width: int
    height: int
    rgb: bytes
    seed: int
    denoiser_calls: int
    exact: bool
    shared_steps: int = 0
    checkpoint_digest: str = ""
    joules: float = 0.0
    """What the engine that painted it drew for these calls; 0.0: its device could not tell."""


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    picture: Picture
    """Without its rows, which follow."""
    deflated: bool


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What our own text chunk tells: who made which part, and from which checkpoint. Never another's prompt."""

    request: str
    origin: str
    executor: str = ""
    shared_steps: int = 0
    shared_with: int = 0
    """How many other requests began as this one did."""
    checkpoint_digest: str = ""
    exact: bool = True


def pixels_sha256(rgb: bytes) -> str:
    """The digest of the decoded RGB bytes: equal for equal pictures, whatever their files say besides."""
    return hashlib.sha256(rgb).hexdigest()


# ---- travelling ----------------------------------------------------------------------------------------------


def pack(picture: Picture) -> bytes:
    """MAGIC, the header's length, the header as JSON, the rows (deflated where that is shorter)."""
    deflated = zlib.compress(picture.rgb, 6)
    shorter = len(deflated) < len(picture.rgb)
    header = msgspec.json.encode(_Header(picture=msgspec.structs.replace(picture, rgb=b""), deflated=shorter))
    return MAGIC + struct.pack("<H", len(header)) + header + (deflated if shorter else picture.rgb)


def unpack(data: bytes) -> Picture:
    """The picture in `data`. FrameError if it is none; never more memory than the sides it names."""
    start = len(MAGIC) + 2
    if not start <= len(data) <= PICTURE_BYTES_MAX or not data.startswith(MAGIC):
        raise FrameError("What came is not a packed picture; the sender may run another version of peerd.")
    (length,) = struct.unpack_from("<H", data, len(MAGIC))
    if length > HEADER_BYTES_MAX:
        raise FrameError(f"The picture's header says it has {length} bytes; {HEADER_BYTES_MAX} are allowed.")
    try:
        header = msgspec.json.decode(data[start : start + length], type=_Header)
    except UNREADABLE as error:
        raise FrameError(f"The picture's header can not be read: {error}.") from error
    picture = header.picture
    if not (1 <= picture.width <= SIDE_PIXELS_MAX and 1 <= picture.height <= SIDE_PIXELS_MAX):
        raise FrameError(f"A picture of {picture.width} x {picture.height} pixels is not accepted.")
    size = picture.width * picture.height * CHANNELS
    rows = data[start + length :]
    if header.deflated:
        try:
            rows = zlib.decompressobj().decompress(rows, size + 1)
        except zlib.error as error:
            raise FrameError("The picture's rows are damaged.") from error
    if len(rows) != size:
        raise FrameError("The picture's rows do not have the size that its header names.")
    return msgspec.structs.replace(picture, rgb=rows)


# ---- files ---------------------------------------------------------------------------------------------------


def with_seed(call: Call, seed: int) -> Call:
    """The call as it was run: a group's seed may have taken the place of a free one."""
    return msgspec.structs.replace(call, seed=seed)


def parameters(call: Call, model: str) -> str:
    """Automatic1111's `parameters` text, which other programs read back to make the picture again."""
    settings = {
        "Steps": call.steps,
        "Sampler": SAMPLERS.get(call.scheduler, call.scheduler),
        "CFG scale": f"{call.guidance:g}",
        "Seed": call.seed,
        "Size": f"{call.width}x{call.height}",
        "Model hash": call.model[:10],
        "Model": model.replace(",", " "),
    }
    lines = [call.prompt]
    if call.negative:
        lines.append(f"Negative prompt: {call.negative}")
    return "\n".join([*lines, ", ".join(f"{name}: {value}" for name, value in settings.items())])


def png_bytes(picture: Picture, call: Call, provenance: Provenance, model: str) -> bytes:
    """The picture as a PNG with its settings and its provenance. The same input gives the same bytes."""
    from PIL import Image, PngImagePlugin  # 8 MiB resident that a daemon without a picture yet does without

    told = {
        **msgspec.to_builtins(provenance),
        "result": "exact" if provenance.exact else "close",
        "model": call.model,
        "scheduler": call.scheduler,
        "steps": call.steps,
        "guidance": call.guidance,
        "seed": call.seed,
        "denoiser_calls": picture.denoiser_calls,
        "pixels_sha256": pixels_sha256(picture.rgb),
    }
    texts = PngImagePlugin.PngInfo()
    for name, text in (("parameters", parameters(call, model)), ("peerd", json.dumps(told))):
        # PNG's plain text chunk is Latin-1; everything else goes into the international one.
        if text.isascii():
            texts.add_text(name, text)
        else:
            texts.add_itxt(name, text, lang="", tkey="")
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=texts)
    return out.getvalue()


def write_png(
    path: Path, picture: Picture, call: Call, provenance: Provenance, *, model: str, overwrite: bool = False
) -> Path:
    """Write the picture whole or not at all; where it went. LocalError if the disk refuses.

    Only `overwrite`, for a file that a person named, replaces what is there; else a free name beside it is taken.
    """
    return write_file(path, png_bytes(picture, call, provenance, model), overwrite=overwrite)


def request_in(path: Path) -> str | None:
    """The request whose picture this file says it is; None of any other file, or where there is none."""
    from PIL import Image

    try:
        if not path.is_file():  # a pipe would be waited for
            return None
        with Image.open(path, formats=["PNG"]) as image:
            told = json.loads(str(image.info.get("peerd", "null")))
    except (OSError, SyntaxError, ValueError, RecursionError, Image.DecompressionBombError):
        return None  # whatever is wrong with it, it is not ours
    request = told.get("request") if isinstance(told, dict) else None
    return request if isinstance(request, str) else None


def write_file(path: Path, data: bytes, *, overwrite: bool) -> Path:
    """A PNG's bytes to disk, as `write_png` does it."""
    if overwrite:
        must_be_ordinary(path)
    beside = _write_beside(data, path)
    try:
        if overwrite:
            return beside.replace(path)
        return _put_free(beside, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Clear away what a crash left half written. Only for a folder into which nobody writes a picture now."""
    with suppress(OSError):
        for path in folder.iterdir():
            if _HALF_WRITTEN.fullmatch(path.name):
                path.unlink()


def _put_free(beside: Path, path: Path) -> Path:
    """Give the file the first free of STEM, STEM-2, STEM-3, ...; a name is taken in one step, or not at all."""
    for number in range(1, NAMES_TRIED_MAX):
        free = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            free.hardlink_to(beside)
        except FileExistsError:
            continue
        except OSError:
            if free.exists():
                continue
            return beside.rename(free)  # a file system without hard links: a stick, a share
        return free
    raise LocalError(f"There are {NAMES_TRIED_MAX} files called {path.stem} in {path.parent}; clear some away.")


def _write_beside(data: bytes, path: Path) -> Path:
    """The data on disk under a hidden name in the same folder."""
    beside = path.with_name(f".{path.name[:40]}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    return beside


def _unwritable(path: Path, error: OSError) -> LocalError:
    return LocalError(f"The picture can not be written to {path}: {error.strerror}; free some space or choose --out.")
