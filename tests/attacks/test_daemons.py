"""Two real daemons while somebody attacks: a member that says nonsense, a crowd of connections, an ear on the wire.

Never here: single sockets (`test_raw_zmtp.py`).
"""

import asyncio
import contextlib
import random
import resource
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from peerd.checkpoint_cache import FOLDER_NAME, CheckpointCache
from peerd.demo.cluster import Cluster, pair
from peerd.demo.nodes import NodeProcess
from peerd.network import sealing_key
from peerd.network.identity import Identity
from peerd.network.knock import Knock, knock
from peerd.network.roster import Roster
from peerd.network.sockets import Lane, new_context, sending
from peerd.runtime import BUG
from peerd.sealing import Seal
from peerd_protocol import codec
from peerd_protocol.sequence import pack_header
from tests.protocol.samples import SAMPLES
from tests.world.asking import ask, ask_together, status_at, until, wait_for_agreement

FRAMES = 3_000
CONNECTIONS = 500
SPARE_DESCRIPTORS, IDLE, FREED_S_MAX = 60, 200, 14.0
"""Four rounds of a handshake's two seconds, and a retry."""
PROMPTS = ("a violet plum on the table", "a scarlet pear on the table")
WORDS = (b"violet", b"scarlet", b"plum", b"pear")
PIECE_BYTES = 32
ETH_P_ALL = 3


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environment = {"PEERD_ENGINE": "toy", "PEERD_MDNS_INTERFACES": "127.0.0.1"}
    with Cluster(tmp_path_factory.mktemp("attacked"), ["ada", "bob", "mal"], environment=environment) as three:
        three.start()
        for joiner in three.nodes[1:]:
            pair(three["ada"], joiner)
        wait_for_agreement(*three.nodes)
        yield three


@pytest.fixture
def attacked(cluster: Cluster) -> Iterator[Cluster]:
    """Ada and Bob are well afterwards: alive, agreed, without a bug, and able to work."""
    yield cluster
    ada, bob = cluster["ada"], cluster["bob"]
    until(lambda: status_at(ada, "bob") == status_at(bob, "ada") == "alive", "they see each other", 15.0)
    ask(ada, "a stone", steps=2, shared=0).finished(20.0)
    for node in (ada, bob):
        node.check()
        log = node.log.read_text(errors="replace")
        assert BUG not in log and "Traceback" not in log


def ports_of(node: NodeProcess) -> dict[Lane, int]:
    endpoints = node.client.view().endpoints
    ports = [int(endpoint.rpartition(":")[2]) for endpoint in endpoints]
    return {Lane.CONTROL: ports[0], Lane.BULK: ports[-1]}


class Ear(threading.Thread):
    """Everything that goes over loopback."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.heard = bytearray()
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        except (PermissionError, AttributeError):
            pytest.skip("only root may listen to all packets, and only on Linux")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._ends = False

    def run(self) -> None:
        while not self._ends:
            with contextlib.suppress(TimeoutError):
                self.heard += self._socket.recv(1 << 17)

    def ended(self) -> bytes:
        self._ends = True
        self.join()
        self._socket.close()
        return bytes(self.heard)


def test_an_ear_on_the_wire_hears_no_prompt_no_key_and_no_latent(attacked: Cluster) -> None:
    ada, bob = attacked["ada"], attacked["bob"]
    ear = Ear()
    ear.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        control.sendto(b"the ear is open", ("127.0.0.1", 9))
    for asked in ask_together([ada, bob], PROMPTS, "fruits", steps=8, shared=4, seed=7):
        asked.finished(30.0)
    until(lambda: _kept(ada) or _kept(bob), "an executor keeps what it handed over")
    heard = ear.ended()
    assert b"the ear is open" in heard and len(heard) > 20_000
    secrets_of = [secret for node in attacked.nodes for secret in _secrets(node.home)]
    latents = [data for node in (ada, bob) for data in _kept(node)]
    pieces = [data[at : at + PIECE_BYTES] for data in latents for at in range(0, len(data), PIECE_BYTES)]
    assert len(secrets_of) > 6 and pieces
    lower = heard.lower()
    assert not [word for word in WORDS if word in lower]
    assert not [secret for secret in secrets_of if secret in heard]
    assert not [piece for piece in pieces if len(set(piece)) > PIECE_BYTES // 4 and piece in heard]


def test_a_stolen_disk_without_its_key_shows_no_prompt_and_no_latent(attacked: Cluster) -> None:
    ada, bob = attacked["ada"], attacked["bob"]
    hidden = ask(ada, "a violet plum for Winifred", steps=400, shared=0)
    until(lambda: len(hidden.notices) > 300, "its own steps' checkpoint is written after five seconds")
    latents = [data for node in (ada, bob) for data in _kept(node)]
    for node in (ada, bob):
        files = [path for path in node.home.rglob("*") if path.is_file() and "pictures" not in path.parts]
        disk = b"".join(path.read_bytes() for path in files if path.suffix not in (".key", ".sock"))
        assert len(disk) > 10_000
        assert b"Winifred" not in disk
        assert not [latent for latent in latents if latent[200:232] in disk or latent[-32:] in disk]
    ada.client.cancel(hidden.request)
    hidden.ended(20.0)


def _kept(node: NodeProcess) -> list[bytes]:
    """The checkpoints that a node keeps, opened with its key. Of a copy: looking removes what is half written."""
    seal = Seal(sealing_key.load_or_make(node.home))
    with tempfile.TemporaryDirectory() as copied:
        folder = Path(copied) / FOLDER_NAME
        if not (node.home / FOLDER_NAME).exists():
            return []
        shutil.copytree(node.home / FOLDER_NAME, folder)
        cache = CheckpointCache(folder, 1 << 30, seal=seal)
        return [data for entry in cache.entries() if (data := cache.recall(entry.digest)) is not None]


def _secrets(home: Path) -> list[bytes]:
    identity = Identity.load_or_make(home)
    roster = Roster.load_or_found(home, identity, "")
    found = [identity.curve_secret, identity._device.private_bytes_raw(), roster.keys.discovery_secret]
    return [*found, sealing_key.load_or_make(home), *([roster._kept.root_secret] if roster.is_admin else [])]


def test_five_hundred_connections_cost_a_daemon_no_heartbeat(attacked: Cluster) -> None:
    ada, bob = attacked["ada"], attacked["bob"]
    term = ada.client.view().term
    ports = list(ports_of(ada).values())
    with contextlib.ExitStack() as idle:
        for number in range(CONNECTIONS):
            idle.enter_context(socket.create_connection(("127.0.0.1", ports[number % 2]), timeout=5.0))
        began_s = time.monotonic()
        while time.monotonic() - began_s < 1.5:
            assert status_at(bob, "ada") == status_at(ada, "bob") == "alive"
            time.sleep(0.1)
    assert ada.client.view().term == term, "nobody missed the leader"


def test_idle_connections_that_take_every_descriptor_are_cut_within_seconds(attacked: Cluster) -> None:
    """On a small device: 60 descriptors are left, 200 connections come and say nothing, and then a member knocks."""
    ada, bob = attacked["ada"], attacked["bob"]
    port = ports_of(ada)[Lane.CONTROL]
    me, them = Identity.load_or_make(bob.home), Identity.load_or_make(ada.home)
    assert ada.process is not None
    before = resource.prlimit(ada.process.pid, resource.RLIMIT_NOFILE)
    taken = len(list(Path(f"/proc/{ada.process.pid}/fd").iterdir()))
    with contextlib.ExitStack() as idle:
        resource.prlimit(ada.process.pid, resource.RLIMIT_NOFILE, (taken + SPARE_DESCRIPTORS, before[1]))
        idle.callback(resource.prlimit, ada.process.pid, resource.RLIMIT_NOFILE, before)
        for _ in range(IDLE):
            silent = idle.enter_context(socket.socket())
            silent.setblocking(False)
            silent.connect_ex(("127.0.0.1", port))

        async def knock_until_let_in() -> None:
            context = new_context()
            async with asyncio.timeout(FREED_S_MAX):
                while await _knock_of(context, port, me, them) is not Knock.LET_IN:
                    pass
            context.term()

        asyncio.run(knock_until_let_in())


async def _knock_of(context: "zmq.asyncio.Context", port: int, me: Identity, them: Identity) -> Knock:
    return await knock(context, "127.0.0.1", port, them.curve_key, (me.curve_key, me.curve_secret), seconds=2.0)


def test_a_member_that_says_nonsense_brings_no_daemon_down(attacked: Cluster) -> None:
    """It is a member in good standing: every frame is decrypted and judged. It is the last story, as Mal's is over."""
    ada, mal = attacked["ada"], attacked["mal"]
    me, them = Identity.load_or_make(mal.home), Identity.load_or_make(ada.home)
    mal.ask_to_stop()
    mal.finish(time.monotonic() + 6.0)
    asyncio.run(_fuzz(ada, (me.curve_key, me.curve_secret), them.curve_key))
    until(
        lambda: "lane, malformed (512 so far)" in ada.log.read_text(errors="replace"), "it hears, and drops, nonsense"
    )


async def _fuzz(target: NodeProcess, keys: tuple[bytes, bytes], their_key: bytes) -> None:
    rng = random.Random(1)
    goldens = [codec.encode(sample) for sample in SAMPLES]
    context = new_context()
    for lane, port in ports_of(target).items():
        out = sending(context, lane, keys, their_key)
        out.setsockopt(zmq.SNDTIMEO, 5_000)
        out.connect(f"tcp://127.0.0.1:{port}")
        channel, hello = secrets.token_bytes(16), goldens[0]
        await asyncio.to_thread(out.send, pack_header(channel, 1) + hello)
        for number in range(2, FRAMES // 2):
            frame = bytearray(rng.choice(goldens))
            for _ in range(rng.choice((0, 1, 1, 2, 8))):
                at = rng.randrange(len(frame) + 1)
                frame[at : at + rng.choice((0, 1, 4))] = rng.randbytes(rng.choice((0, 1, 4)))
            await asyncio.to_thread(out.send, pack_header(channel, number) + bytes(frame))
            if number % 100 == 0:
                await asyncio.to_thread(out.send, rng.randbytes(rng.randrange(200)))
        out.close(1_000)
    context.term()
