"""Where a node's state lives, what `peerd up` was asked for, and the settings of its owner.

Settings come from PEERD_HOME/config.toml, one table a room, and PEERD_<TABLE>_<KEY> in the environment goes before it.
Never here: reading or writing a node's state (`store.py`), or what the daemon does with all this (`daemon.py`).
"""

import fcntl
import os
import re
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from peerd import paths
from peerd.device.power import PowerSettings
from peerd.planning.settings import PlanSettings
from peerd_protocol.errors import LocalError

HOME_VARIABLE = "PEERD_HOME"
FILE_NAME = "config.toml"
LOCK_NAME = "lock"
FILE_BYTES_MAX = 64 * 1024
NAME_CHARS_MAX = 40
PORT_MAX = 65_535
DEVICE_SOCKET = "/run/peerd/api.sock"
"""Where the one daemon of a whole device listens for a group of its people."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The forms of `peerd up`. None lets the daemon choose; `peers` are HOST:PORT of nodes to dial besides mDNS."""

    name: str | None = None
    port: int | None = None
    peers: tuple[str, ...] = ()
    mdns: bool = True


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file. An unknown key is a slip of the pen, and told."""


class NodeSettings(_Table, frozen=True):
    """`model`: what this node makes pictures with unless asked otherwise. `offers`: whether it runs steps of others."""

    name: Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)] = ""
    model: str = "embedded"
    offers: bool = True


class EngineSettings(_Table, frozen=True):
    """`threads` 0: all physical cores. `keep_alive_s` 0: an idle engine is never stopped."""

    kind: Literal["process", "toy", "none"] = "process"
    threads: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    keep_alive_s: Annotated[float, msgspec.Meta(ge=0.0)] = 300.0
    memory_mib: Annotated[int, msgspec.Meta(ge=0)] = 700
    """A device that has less free has no engine: torch and the embedded model take 600 MiB."""
    slowdown: Annotated[float, msgspec.Meta(ge=1.0)] = 1.0


class NetworkSettings(_Table, frozen=True):
    """`port` 0: any free one. `heartbeat_s` is H; on battery it is twice as long."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    peers: tuple[str, ...] = ()
    mdns: bool = True
    heartbeat_s: Annotated[float, msgspec.Meta(ge=0.1, le=60.0)] = 1.0


class ApiSettings(_Table, frozen=True):
    """A unix socket in the home is always there, for its owner. Another one at `socket` where a `group` is named, for
    the people of this device that are in it. TCP only where `port` is named, on loopback unless `host` says otherwise.

    `hosts`: further names in the Host header that mean this device.
    """

    group: str = ""
    socket: str = DEVICE_SOCKET

    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] | None = None
    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()


class CacheSettings(_Table, frozen=True):
    """`bytes_max` bounds the checkpoints kept for later requests, notes beside them included; 0 keeps none."""

    bytes_max: Annotated[int, msgspec.Meta(ge=0)] = 256 * 1024 * 1024
    """Some three thousand checkpoints of a small picture."""


class Config(_Table, frozen=True):
    """All that an owner may choose."""

    node: NodeSettings = NodeSettings()
    engine: EngineSettings = EngineSettings()
    network: NetworkSettings = NetworkSettings()
    power: PowerSettings = PowerSettings()
    planning: PlanSettings = PlanSettings()
    cache: CacheSettings = CacheSettings()
    api: ApiSettings = ApiSettings()


def home() -> Path:
    """This node's folder: PEERD_HOME, else the platform's place for a user's data. It may not exist yet.

    LocalError if PEERD_HOME means no path.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return paths.whole(chosen)
    import platformdirs  # only here: the demo and the tests always set PEERD_HOME

    return Path(platformdirs.user_data_dir("peerd", appauthor=False))


def device_socket() -> Path:
    """Where people look for the one daemon of their device."""
    return Path(os.environ.get("PEERD_API_SOCKET", DEVICE_SOCKET))


def group_number(name: str) -> int:
    """Of a group of this system. LocalError: there is none of that name."""
    import grp  # only the daemon of a whole device asks

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise LocalError(
            f"This device has no group {name!r}, which [api] in {FILE_NAME} lets ask; make it with `groupadd {name}`."
        ) from error


def address_of(peer: str) -> tuple[str, int]:
    """The host and port that HOST:PORT names. LocalError if it names none."""
    host, colon, port = peer.rpartition(":")
    if not colon or not host or not re.fullmatch(r"0*[1-9]\d{0,4}", port, re.ASCII) or int(port) > PORT_MAX:
        raise LocalError(f"A peer is named by HOST:PORT, for example 192.168.1.20:4711; {peer!r} is not.")
    return host, int(port)


def make_home(folder: Path) -> Path:
    """Make the folder for its owner's eyes alone. LocalError if that can not be, or if others could change it.

    One that others may only look into is closed: every file in it was for its owner alone. Where they may write, keys
    could have been put in place of ours, and closing it now would hide that.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid():
            raise LocalError(f"{folder} belongs to another user (uid {found.st_uid}); run peerd as its owner.")
        if found.st_mode & 0o022:
            raise LocalError(
                f"{folder} can be written by others (mode {stat.S_IMODE(found.st_mode):o}); see that the keys in it "
                f"are yours, and run `chmod 700 {folder}`."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise LocalError(
            f"The folder {folder} can not be used: {error.strerror}; choose another with {HOME_VARIABLE}."
        ) from error
    return folder


class HomeLock:
    """Held by the one daemon of a home. The system lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """LocalError if another daemon holds it."""
        path = folder / LOCK_NAME
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LocalError(f"{path} can not be written: {error.strerror}.") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            who = f" (process {holder})" if holder.isdigit() else ""
            raise LocalError(
                f"Another peerd{who} already runs on {folder}; stop it, or give this one a home of its own with "
                f"{HOME_VARIABLE}."
            ) from error
        with suppress(OSError):  # the lock itself counts; the number only helps a person
            os.truncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> "HomeLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def lock_home(folder: Path) -> HomeLock:
    """Make the home if need be, and hold it. LocalError if another daemon does."""
    return HomeLock(make_home(folder))


def read_config(folder: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The owner's settings. LocalError in one sentence if the file or a variable says something impossible."""
    path = folder / FILE_NAME
    tables = _read(path)
    overridden = _override(tables, os.environ if environment is None else environment)
    _let_floor_follow(tables)
    try:
        return msgspec.convert(tables, Config)
    except msgspec.ValidationError as error:
        where = f"{path} (or {', '.join(overridden)})" if overridden else str(path)
        raise LocalError(f"{where} holds something that peerd can not use: {error}.") from error


def host_name() -> str:
    """What a node is called that nobody named."""
    return socket.gethostname().split(".")[0][:NAME_CHARS_MAX] or "device"


def _read(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes() if path.stat().st_size <= FILE_BYTES_MAX else None
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LocalError(f"{path} can not be read: {error.strerror}.") from error
    if data is None:
        raise LocalError(f"{path} is longer than {FILE_BYTES_MAX} bytes; it is not a settings file.")
    import tomllib  # most homes have no such file

    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LocalError(f"{path} is not valid TOML: {error}. Correct it, or move it away.") from error


def _override(tables: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Put each PEERD_<TABLE>_<KEY> into its place; the names of those that were there. PEERD_ENGINE is the kind."""
    found: list[str] = []
    for table in msgspec.structs.fields(Config):
        for key in msgspec.structs.fields(table.type):
            names = [f"PEERD_{table.name}_{key.name}".upper()]
            if (table.name, key.name) == ("engine", "kind"):
                names.append("PEERD_ENGINE")
            for name in names:
                if name in environment:
                    inner = tables.setdefault(table.name, {})
                    if isinstance(inner, dict):
                        inner[key.name] = _value(environment[name], key.type)
                        found.append(name)
    return found


def _let_floor_follow(tables: dict[str, Any]) -> None:
    """A leader judges other batteries by its owner's own floor, unless planning names another."""
    power, planning = tables.get("power"), tables.setdefault("planning", {})
    if isinstance(power, dict) and isinstance(planning, dict) and "battery_floor_percent" in power:
        planning.setdefault("battery_floor_percent", power["battery_floor_percent"])


def _value(text: str, wanted: Any) -> Any:
    """A variable is text; commas part a list. What does not fit stays text, and the check of types tells it."""
    if wanted == tuple[str, ...]:
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(text, wanted, strict=False)
    except msgspec.ValidationError:
        return text
