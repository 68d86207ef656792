"""How large, long and many the parts of a message may be, and the check that a message keeps to it.

Types are checked before this, by the codec. Here live the limits with their reasons; both sides apply them, the
sender before it sends, the receiver before it believes. Never here: whether a message makes sense in this node's
state, which the machines judge.
"""

from math import isfinite
from typing import assert_never

from peerd_protocol.errors import FrameError
from peerd_protocol.ids import Attempt, Term
from peerd_protocol.messages import (
    Answer,
    AnyMessage,
    Chunk,
    Fenced,
    Goodbye,
    GroupEnded,
    HandoffBegin,
    HandoffDone,
    HandoffGot,
    Heartbeat,
    Hello,
    LocalProgress,
    Offer,
    PlanTold,
    Preclaim,
    PreclaimAnswer,
    Progress,
    RequestFailed,
    Resign,
    RosterShare,
    RosterWant,
    Submit,
    Withdraw,
)
from peerd_protocol.plan import (
    EMBEDDING_BYTES_MAX,
    GROUP_MEMBERS_MAX,
    PROMPT_CHARS_MAX,
    SIDE_PIXELS_MAX,
    STEPS_MAX,
    Call,
    Forecast,
    GroupPlan,
    Request,
)
from peerd_protocol.profile import Profile

NODE_ID_CHARS_MAX = 64
"""A device id is 63 characters with its dashes."""
ID_CHARS_MAX = 256
"""Ids of handoffs are made of ids of groups, attempts and requests; together they stay below this."""
BOOT_CHARS_MAX = 64
"""A boot nonce is 32 hex digits today; a longer one may come."""
NAME_CHARS_MAX = 64
"""Names of devices, models, schedulers and groups are for people to read on one line."""
DIGEST_BYTES_MAX = 64
"""SHA-256 takes 32; a longer digest may come. Empty means: none yet."""
MODEL_CHARS_MAX = 128
"""A digest in hex, with room for the name of its kind."""
REASON_CHARS_MAX = 500
"""A reason is a sentence or two for a person. Our own longer ones are clipped, a peer's are refused."""
PORT_MAX = 65_535
VERSION_MAX = 1_000
"""No protocol lives to see a thousand versions; a larger number is noise."""
COUNTER_MAX = 2**62
"""Counters are stored as signed 64-bit numbers and raised by 2^16 at most at a time; this leaves room for both."""
INTERVAL_MS_MIN, INTERVAL_MS_MAX = 10, 120_000
"""Every timeout about a peer is a multiple of its own interval: beyond two minutes its death would go unseen."""
FOLLOWERS_MAX = 1_024
"""Far above the 32 members of a cluster."""
RATE_MAX = 1e6
"""Steps a second and joules a step: no denoiser comes near."""
MEMORY_MIB_MAX = 2**30
"""A pebibyte."""
TEMPERATURE_C_MAX = 1_000.0
QUEUED_STEPS_MAX = 10**9
SEED_MAX = 2**63 - 1
"""What torch's generator and a signed 64-bit column both take."""
GUIDANCE_MAX = 1_000.0
SCHEDULER_CALLS_MAX = 4 * STEPS_MAX
"""Progress counts `scheduler.step` calls; two-stage solvers make twice as many as steps, and room is left."""
WAIT_MS_MAX = 24 * 3_600 * 1_000
"""Nobody waits longer than a day for a group to fill."""
FORECAST_MAX = 1e12
"""Seconds, joules, calls and bytes of one group: larger promises are noise."""
PREVIEW_SIDE_MAX = 128
"""A preview is drawn in a terminal or as a thumbnail; 128 pixels squared are 48 KiB."""
HANDOFF_BYTES_MAX = 256 * 1024 * 1024
"""No checkpoint may be larger, whatever a node is willing to take."""
CHUNK_BYTES_MAX = 256 * 1024
"""Larger pieces hold up a slow link: 8 MiB were cut by timeouts at 8 Mbit/s, 256 KiB were not even at 2 Mbit/s."""
CERTIFICATES_MAX = 256
"""A cluster has at most 32 living members; the rest is room for re-issued and revoked ones, which never go away."""
CERTIFICATE_BYTES_MAX = 1_024
"""A certificate takes about 350 bytes, a revocation about 180."""


def check(message: AnyMessage) -> None:
    """Raise FrameError, with one sentence that names the field, if any part of `message` is out of bounds."""
    match message:
        case Hello():
            _whole("version", message.version, 0, VERSION_MAX)
            _text("name", message.name, NAME_CHARS_MAX)
            _text("boot", message.boot, BOOT_CHARS_MAX, least=1)
            _whole("control_port", message.control_port, 1, PORT_MAX)
            _whole("bulk_port", message.bulk_port, 1, PORT_MAX)
        case Heartbeat():
            _text("boot", message.boot, BOOT_CHARS_MAX, least=1)
            _whole("sequence", message.sequence, 0, COUNTER_MAX)
            _whole("interval_ms", message.interval_ms, INTERVAL_MS_MIN, INTERVAL_MS_MAX)
            _optional_term(message.term)
            _whole("highest", message.highest, 0, COUNTER_MAX)
            _whole("followers", message.followers, 0, FOLLOWERS_MAX)
            _profile(message.profile)
            _blob("roster_digest", message.roster_digest, DIGEST_BYTES_MAX)
        case Goodbye():
            pass
        case Preclaim() | PreclaimAnswer():
            _whole("counter", message.counter, 0, COUNTER_MAX)
        case Resign():
            _term(message.term)
            _text("successor", message.successor, NODE_ID_CHARS_MAX, least=1)
        case Fenced():
            _optional_term(message.term)
            _whole("highest", message.highest, 0, COUNTER_MAX)
        case RosterWant():
            _blob("digest", message.digest, DIGEST_BYTES_MAX)
        case RosterShare():
            _proofs("certificates", message.certificates)
            _proofs("revocations", message.revocations)
        case Submit():
            _request(message.request)
        case Withdraw():
            _text("request", message.request, ID_CHARS_MAX, least=1)
        case Offer():
            _group(message.group, message.attempt)
            _call(message.call)
            _whole("shared_steps", message.shared_steps, 0, SCHEDULER_CALLS_MAX)
            _many("receivers", len(message.receivers), GROUP_MEMBERS_MAX)
            for request, receiver in message.receivers:
                _text("receivers", request, ID_CHARS_MAX, least=1)
                _text("receivers", receiver, NODE_ID_CHARS_MAX, least=1)
        case Answer() | GroupEnded():
            _group(message.group, message.attempt)
            _text("reason", message.reason, REASON_CHARS_MAX)
        case PlanTold():
            _plan(message.plan)
        case Progress():
            _group(message.group, message.attempt)
            _progress(message.step, message.total, message.preview, message.preview_side)
        case LocalProgress():
            _text("request", message.request, ID_CHARS_MAX, least=1)
            _progress(message.step, message.total, message.preview, message.preview_side)
        case RequestFailed():
            _text("request", message.request, ID_CHARS_MAX, least=1)
            _text("reason", message.reason, REASON_CHARS_MAX)
        case HandoffBegin():
            _text("handoff", message.handoff, ID_CHARS_MAX, least=1)
            _text("request", message.request, ID_CHARS_MAX)
            _group(message.group, message.attempt)
            _whole("step", message.step, 0, SCHEDULER_CALLS_MAX)
            _whole("size", message.size, 0, HANDOFF_BYTES_MAX)
            _blob("digest", message.digest, DIGEST_BYTES_MAX)
        case Chunk():
            _text("handoff", message.handoff, ID_CHARS_MAX, least=1)
            _whole("offset", message.offset, 0, HANDOFF_BYTES_MAX)
            _blob("data", message.data, CHUNK_BYTES_MAX)
        case HandoffGot():
            _text("handoff", message.handoff, ID_CHARS_MAX, least=1)
            _whole("offset", message.offset, 0, HANDOFF_BYTES_MAX)
        case HandoffDone():
            _text("handoff", message.handoff, ID_CHARS_MAX, least=1)
            _text("reason", message.reason, REASON_CHARS_MAX)
        case _:
            assert_never(message)


# ---- the values that messages are built from -------------------------------------------------------------------


def _term(term: Term) -> None:
    _whole("term.counter", term.counter, 0, COUNTER_MAX)
    _text("term.leader", term.leader, NODE_ID_CHARS_MAX)
    _text("term.boot", term.boot, BOOT_CHARS_MAX)


def _optional_term(term: Term | None) -> None:
    if term is not None:
        _term(term)


def _group(group: str, attempt: Attempt) -> None:
    _text("group", group, ID_CHARS_MAX)
    _term(attempt.term)
    _whole("attempt.number", attempt.number, 0, COUNTER_MAX)


def _call(call: Call) -> None:
    _text("call.model", call.model, MODEL_CHARS_MAX)
    _text("call.prompt", call.prompt, PROMPT_CHARS_MAX)
    _text("call.negative", call.negative, PROMPT_CHARS_MAX)
    _whole("call.steps", call.steps, 1, STEPS_MAX)
    _whole("call.seed", call.seed, 0, SEED_MAX)
    _real("call.guidance", call.guidance, -GUIDANCE_MAX, GUIDANCE_MAX)
    _text("call.scheduler", call.scheduler, NAME_CHARS_MAX)
    _whole("call.width", call.width, 1, SIDE_PIXELS_MAX)
    _whole("call.height", call.height, 1, SIDE_PIXELS_MAX)


def _request(request: Request) -> None:
    _text("request.id", request.id, ID_CHARS_MAX, least=1)
    _text("request.origin", request.origin, NODE_ID_CHARS_MAX, least=1)
    _call(request.call)
    if request.shared is not None:
        _whole("request.shared", request.shared, 0, SCHEDULER_CALLS_MAX)
    _text("request.group_name", request.group_name, NAME_CHARS_MAX)
    _whole("request.group_size", request.group_size, 1, GROUP_MEMBERS_MAX)
    _whole("request.wait_ms", request.wait_ms, 0, WAIT_MS_MAX)
    _blob("request.embedding", request.embedding, EMBEDDING_BYTES_MAX)


def _plan(plan: GroupPlan) -> None:
    _group(plan.group, plan.attempt)
    _text("plan.lead", plan.lead, ID_CHARS_MAX)
    _text("plan.executor", plan.executor, NODE_ID_CHARS_MAX)
    _whole("plan.shared_steps", plan.shared_steps, 0, SCHEDULER_CALLS_MAX)
    _many("plan.requests", len(plan.requests), GROUP_MEMBERS_MAX)
    for request in plan.requests:
        _text("plan.requests", request, ID_CHARS_MAX, least=1)
    _many("plan.assignments", len(plan.assignments), GROUP_MEMBERS_MAX)
    for assignment in plan.assignments:
        _text("assignment.request", assignment.request, ID_CHARS_MAX, least=1)
        _text("assignment.origin", assignment.origin, NODE_ID_CHARS_MAX, least=1)
        _text("assignment.runner", assignment.runner, NODE_ID_CHARS_MAX)
        _call(assignment.call)
    _forecast(plan.forecast)
    _text("plan.reason", plan.reason, REASON_CHARS_MAX)


def _forecast(forecast: Forecast) -> None:
    _real("forecast.seconds", forecast.seconds, 0, FORECAST_MAX)
    _real("forecast.seconds_alone", forecast.seconds_alone, 0, FORECAST_MAX)
    _real("forecast.denoiser_calls", forecast.denoiser_calls, 0, FORECAST_MAX)
    _real("forecast.denoiser_calls_alone", forecast.denoiser_calls_alone, 0, FORECAST_MAX)
    _real("forecast.joules", forecast.joules, 0, FORECAST_MAX)
    _real("forecast.joules_alone", forecast.joules_alone, 0, FORECAST_MAX)
    _real("forecast.handoff_bytes", forecast.handoff_bytes, 0, FORECAST_MAX)


def _profile(profile: Profile) -> None:
    _text("profile.model", profile.model, MODEL_CHARS_MAX)
    _real("profile.steps_per_second", profile.steps_per_second, 0, RATE_MAX)
    _real("profile.joules_per_step", profile.joules_per_step, 0, RATE_MAX)
    _whole("profile.memory_free_mib", profile.memory_free_mib, 0, MEMORY_MIB_MAX)
    if profile.battery_percent is not None:
        _whole("profile.battery_percent", profile.battery_percent, 0, 100)
    if profile.temperature_c is not None:
        _real("profile.temperature_c", profile.temperature_c, -TEMPERATURE_C_MAX, TEMPERATURE_C_MAX)
    _real("profile.load", profile.load, 0, RATE_MAX)
    _whole("profile.queued_steps", profile.queued_steps, 0, QUEUED_STEPS_MAX)


def _progress(step: int, total: int, preview: bytes, side: int) -> None:
    _whole("total", total, 0, SCHEDULER_CALLS_MAX)
    _whole("step", step, 0, total)
    _whole("preview_side", side, 0, PREVIEW_SIDE_MAX)
    if len(preview) not in (0, 3 * side * side):
        raise FrameError(f"The preview has {len(preview)} bytes; {side} pixels squared take {3 * side * side}.")


# ---- the kinds of bound ------------------------------------------------------------------------------------------


def _text(field: str, value: str, most: int, least: int = 0) -> None:
    if not least <= len(value) <= most:
        raise FrameError(f"{field} has {len(value)} characters; {least} to {most} are allowed.")


def _blob(field: str, value: bytes, most: int) -> None:
    if len(value) > most:
        raise FrameError(f"{field} has {len(value)} bytes; {most} are allowed.")


def _many(field: str, count: int, most: int) -> None:
    if count > most:
        raise FrameError(f"{field} has {count} entries; {most} are allowed.")


def _whole(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise FrameError(f"{field} is {value}; {least} to {most} are allowed.")


def _real(field: str, value: float, least: float, most: float) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise FrameError(f"{field} is {value}; a number from {least:g} to {most:g} is allowed.")


def _proofs(field: str, proofs: tuple[bytes, ...]) -> None:
    _many(field, len(proofs), CERTIFICATES_MAX)
    for proof in proofs:
        _blob(field, proof, CERTIFICATE_BYTES_MAX)
