"""The daemon: the one room where all adapters meet, and its life from start to goodbye.

    home and lock -> store -> identity and roster -> engine -> node and runtime -> transport
         -> discovery -> API -> ready

Closed in the opposite order. Never here: what any of them does.
"""

import asyncio
import contextlib
import logging
import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from peerd import config, sd_notify
from peerd.api.address import socket_path
from peerd.api.guard import token_in
from peerd.api.server import serve, serve_tcp
from peerd.calibrated import Calibrated
from peerd.checkpoint_cache import FOLDER_NAME, CheckpointCache
from peerd.config import Config, UpOptions
from peerd.device.compute import physical_cores
from peerd.device.energy import WattMeter
from peerd.device.host import Host
from peerd.device.links import Links
from peerd.device.pace import Paces
from peerd.device.profiler import Profiler
from peerd.engine.port import Engine
from peerd.engine.process import EngineConfig, ProcessEngine
from peerd.engine.toy import ToyEngine
from peerd.hands import DaemonHands
from peerd.log_lines import OneLine
from peerd.models.registry import Model, Registry
from peerd.network import sealing_key
from peerd.network.addresses import AddressBook
from peerd.network.discovery import Discovery
from peerd.network.identity import Identity
from peerd.network.pairing import Pairing
from peerd.network.roster import Roster
from peerd.network.transport import Transport
from peerd.noticeboard import NoticeBoard
from peerd.outbox import Outbox
from peerd.pictures import sweep
from peerd.planning.allowance import Allowance
from peerd.receipt_log import ReceiptLog
from peerd.receipts import Receipts
from peerd.reception import Reception
from peerd.runtime import BUG, Runtime, boot_time_s, looked_after
from peerd.sealing import Seal
from peerd.store import Store
from peerd.works import Works
from peerd_protocol.actions import Remember
from peerd_protocol.coordination import origin
from peerd_protocol.errors import LocalError, PeerdError
from peerd_protocol.events import CacheChanged, PeerClosed, PeerConnected, Profiled, Received, RosterChanged
from peerd_protocol.ids import BootNonce, NodeId
from peerd_protocol.limits import readable
from peerd_protocol.messages import PROTOCOL_VERSION, AnyFrame, Countersignature, Hello, Receipt
from peerd_protocol.node import Node
from peerd_protocol.plan import Call
from peerd_protocol.profile import PowerClass, Profile

log = logging.getLogger("peerd.daemon")

PROFILE_S = 1.0
"""How often the device looks at itself: as often as it tells its peers."""
LARGER_FROM_STEPS_PER_SECOND = 4.0
"""From this speed on, two steps at four times the pixels take about two seconds at most."""
DESCRIPTORS_WANTED = 4_096
"""A thousand for ZeroMQ's sockets, and room for strangers' connections until they are cut."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LISTEN_HOST = "0.0.0.0"
RECEIPT_HEAD = "receipts/head/"
"""Before the device's id, where the end of its log is remembered."""
TOY_STEP_S = 0.02
"""The toy engine's step where nothing else is asked for: slow enough to be watched."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A daemon that can be asked. `endpoints` are `tcp://HOST:PORT`, the control endpoint first."""

    name: str
    id: NodeId
    endpoints: tuple[str, ...]
    home: Path
    api: Path
    """The API's socket."""


def main(options: UpOptions, on_ready: Callable[[Ready], None]) -> None:
    """`peerd up`: run until SIGTERM or SIGINT. Raises PeerdError."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    level = os.environ.get("PEERD_LOG", "INFO").upper()
    if level not in LOG_LEVELS:
        raise LocalError(f"PEERD_LOG is one of {', '.join(LOG_LEVELS)}; {level[:40]!r} is not.")
    logging.basicConfig(handlers=[handler], level=level)
    _allow_descriptors()
    try:
        asyncio.run(_run(options, on_ready))
    except BaseExceptionGroup as errors:
        ours, others = errors.split(PeerdError)
        if ours is None or others is not None:
            raise
        raise PeerdError(" ".join(str(leaf) for leaf in _leaves(ours))) from errors


def _allow_descriptors() -> None:
    """As many as the system lets us take: connections that nobody finishes hold one each for two seconds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(options: UpOptions, on_ready: Callable[[Ready], None]) -> None:
    home = config.make_home(config.home())
    lock = config.lock_home(home)
    try:
        async with _composed(home, config.read_config(home), options, on_ready) as (runtime, hands):
            await runtime.run(hands)
            sd_notify.stopping()
    finally:
        lock.release()


@contextlib.asynccontextmanager
async def _composed(
    home: Path, settings: Config, options: UpOptions, on_ready: Callable[[Ready], None]
) -> AsyncIterator[tuple[Runtime, DaemonHands]]:
    """Everything plugged together and running; closed in the opposite order."""
    async with contextlib.AsyncExitStack() as closing:
        name = readable(options.name or settings.node.name or config.host_name())
        seal = Seal(sealing_key.load_or_make(home))
        store = Store(home, seal)
        closing.callback(store.close)
        identity = Identity.load_or_make(home)
        roster = Roster.load_or_found(home, identity, name)
        registry = Registry(home, usual=settings.node.model, shelf=store)
        closing.callback(registry.stop)
        model = await asyncio.to_thread(registry.find, registry.usual)
        calibrated = Calibrated(home, registry)
        allowance = Allowance(calibrated)
        engine = _engine(home, settings, registry, model.digest)
        closing.push_async_callback(engine.close)
        usual = _usual_call(model)
        paces, hardware, links = Paces(store), Host(settings.engine.threads or physical_cores()), Links()
        profiler = Profiler(
            power=settings.power,
            meter=WattMeter(settings.power),
            engine_allowed=settings.engine.kind != "none",
            offers=settings.node.offers,
            memory_engine_mib=settings.engine.memory_mib if settings.engine.kind == "process" else 0,
            paces=paces,
            host=hardware,
            links=links,
        )

        receipt_log = _receipt_log(home, identity, store)
        closing.callback(receipt_log.close)
        receipts = Receipts(identity, receipt_log, lambda to, message: transport.send(to, message))
        works = Works(
            engine, paces, hardware, lambda: profiler.meter.watts, calibration_of=calibrated, ran=receipts.ran
        )

        def profile() -> Profile:
            return profiler.profile(
                usual,
                queued_steps=works.queued_steps,
                queued_s=works.queued_s,
                joules_lately=works.joules_lately,
                models=registry.digests(),
                loaded=engine.loaded,
            )

        boot = BootNonce(secrets.token_hex(16))
        recalled = store.recall()
        node = Node(identity.node, boot, recalled, profile(), settings.network.heartbeat_s, boot_time_s())
        runtime = Runtime(node, receipts.saw)
        for number in (signal.SIGTERM, signal.SIGINT):  # before anyone is told that this node is ready
            asyncio.get_running_loop().add_signal_handler(number, runtime.stop)
        board = NoticeBoard()
        for request in origin.requests_in(recalled):  # of an earlier life, and as good as any to follow or cancel
            board.open_page(request)
        pictures = home / "pictures"
        await asyncio.to_thread(sweep, pictures)  # this daemon alone writes there, and not yet
        outbox = Outbox(store, registry, pictures)
        outbox.forget_ended(recalled)
        cache = await asyncio.to_thread(CheckpointCache, home / FOLDER_NAME, settings.cache.bytes_max, seal=seal)
        runtime.post(CacheChanged(cache.entries()))

        def hear(sender: NodeId, message: AnyFrame) -> None:
            if isinstance(message, Receipt | Countersignature):
                receipts.heard(sender, message)
                return
            links.received(Received(sender, message), time.monotonic())
            runtime.post(Received(sender, message))

        transport = Transport(
            identity,
            roster,
            hello=lambda control_port, bulk_port: Hello(
                version=PROTOCOL_VERSION, name=name, boot=boot, control_port=control_port, bulk_port=bulk_port
            ),
            on_message=hear,
            on_connected=lambda peer: runtime.post(PeerConnected(peer)),
            on_closed=lambda peer, refused: runtime.post(PeerClosed(peer, refused)),
            addresses=AddressBook(home),
        )
        port = options.port if options.port is not None else settings.network.port
        await transport.start(LISTEN_HOST, port)
        closing.push_async_callback(transport.close)
        for peer in (*settings.network.peers, *options.peers):
            transport.dial(*config.address_of(peer), None)
        discovery = Discovery(
            identity.node, roster, on_found=lambda node, host, found_port: transport.dial(host, found_port, node)
        )

        def roster_changed() -> RosterChanged:
            transport.roster_changed()
            discovery.roster_changed()
            return RosterChanged(roster.digest, roster.roles)

        runtime.post(roster_changed())
        if options.mdns and settings.network.mdns:
            await discovery.start(transport.control_port)
            closing.push_async_callback(discovery.close)
        hands = DaemonHands(
            post=runtime.post,
            profile=profile,
            transport=transport,
            roster=roster,
            store=store,
            works=works,
            board=board,
            outbox=outbox,
            links=links,
            cache=cache,
            settings=settings.planning,
            allowance=allowance,
            roster_changed=roster_changed,
        )
        pairing = Pairing(identity, roster, name, transport)
        closing.push_async_callback(pairing.close)
        reception = Reception(
            name=name,
            runtime=runtime,
            transport=transport,
            roster=roster,
            pairing=pairing,
            registry=registry,
            engine=engine,
            works=works,
            board=board,
            outbox=outbox,
            pictures=pictures,
            cached=cache,
            settings=settings.planning,
            allowance=allowance,
            roster_changed=roster_changed,
        )
        closing.push_async_callback(reception.close)
        api = await serve(reception, socket_path(home))
        closing.push_async_callback(api.close)
        if settings.api.group:
            for_group = await serve(reception, Path(settings.api.socket), config.group_number(settings.api.group))
            closing.push_async_callback(for_group.close)
        if settings.api.port is not None:
            over_tcp = await serve_tcp(
                reception, settings.api.host, settings.api.port, token_in(home), settings.api.hosts
            )
            closing.push_async_callback(over_tcp.close)
        recalling = asyncio.to_thread(registry.recall)
        beside = {
            "looking at the device": _pulse(runtime.post, profile),
            "looking at model folders": _look_around(registry),
            "measuring the device": _measure_once(engine, paces, usual, profile),
            "recalling model folders": recalling,
            "writing receipts": receipts.run(),
        }
        for name_of, task in beside.items():
            closing.push_async_callback(_end, looked_after(asyncio.create_task(task, name=name_of)))
        closing.callback(registry.stop)  # here too, to be the first to hear: what is closed next waits for who reads
        on_ready(Ready(name, identity.node, tuple(transport.endpoints), home, socket_path(home)))
        sd_notify.ready(f"{name}, {transport.endpoints[0]}")
        yield runtime, hands


def _engine(home: Path, settings: Config, registry: Registry, model: str) -> Engine:
    if settings.engine.kind == "toy":
        return ToyEngine(TOY_STEP_S * settings.engine.slowdown)
    return ProcessEngine(
        EngineConfig(
            folder_of=registry.folder_of,
            model=model,
            threads=settings.engine.threads or physical_cores(),
            keep_alive_s=settings.engine.keep_alive_s or None,
            log_path=home / "engine.log",
            slowdown=settings.engine.slowdown,
        )
    )


def _receipt_log(home: Path, identity: Identity, store: Store) -> ReceiptLog:
    key = RECEIPT_HEAD + identity.node

    def remember(head: bytes) -> None:
        store.write([Remember(key, head)])

    return ReceiptLog(home, identity.device_key, head=store.recall().get(key, b""), remember=remember)


async def _pulse(post: Callable[[Profiled], None], profile: Callable[[], Profile]) -> None:
    """Look at the device once a second, and tell the service manager that the loop still turns.

    A look that fails is told once for each kind of failure, and the next one may go well again: the loop turns on.
    """
    watchdog_s = sd_notify.watchdog_interval_s()
    told: set[type[Exception]] = set()
    while True:
        try:
            post(Profiled(profile()))
        except Exception as error:
            if type(error) not in told:
                told.add(type(error))
                log.error("looking at the device failed by %s; please report it with what follows", BUG, exc_info=error)
        if watchdog_s is not None:
            sd_notify.alive()
        await asyncio.sleep(min(PROFILE_S, watchdog_s or PROFILE_S))


async def _look_around(registry: Registry) -> None:
    """Once a second too, but beside the pulse: a share that does not answer holds up this look, and no heartbeat."""
    while True:
        await asyncio.to_thread(registry.look_around)
        await asyncio.sleep(PROFILE_S)


async def _measure_once(engine: Engine, paces: Paces, usual: Call, profile: Callable[[], Profile]) -> None:
    """A device that has never run its model times two real steps, so that the first plan already knows it.

    It does so at two sizes, since what a step costs besides its pixels shows only between two. Not on battery: there
    the first request tells.
    """
    now = profile()
    if not now.engine or now.power is not PowerClass.MAINS or paces.knows(usual.model):
        return
    try:
        speed = await engine.measure(usual)
        # A small model goes on to pictures of twice the side; one that takes long steps is not made to take longer.
        side = 2.0 if speed >= LARGER_FROM_STEPS_PER_SECOND else 0.5
        other = msgspec.structs.replace(usual, width=round(usual.width * side), height=round(usual.height * side))
        paces.tried([(usual, 1 / speed), (other, 1 / await engine.measure(other))])
    except PeerdError as error:
        log.warning("this device was not measured: %s", error)


def _usual_call(model: Model) -> Call:
    """A call as this model makes them where nobody asks otherwise."""
    return Call(
        model=model.digest,
        prompt="",
        steps=model.steps,
        seed=0,
        guidance=model.guidance,
        scheduler=model.scheduler,
        width=model.width,
        height=model.height,
    )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _leaves(errors: BaseExceptionGroup[PeerdError]) -> list[PeerdError]:
    leaves: list[PeerdError] = []
    for error in errors.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
