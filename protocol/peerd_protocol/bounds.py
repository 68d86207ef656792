"""How large, long and many the parts of a message may be, and the check that a message keeps to it.

Types are checked before this, by the codec. Here live the limits with their reasons; both sides apply them, the
sender before it sends, the receiver before it believes. Never here: whether a message makes sense in this node's
state, which the machines judge.
"""

from typing import assert_never

from peerd_protocol.errors import FrameError
from peerd_protocol.ids import Attempt, Term
from peerd_protocol.limits import blob, many, rate, real, sentence, text, texts, whole
from peerd_protocol.messages import (
    Answer,
    AnyFrame,
    BeginningFailed,
    Bereft,
    BranchBereft,
    CacheTold,
    Chunk,
    Countersignature,
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
    Receipt,
    Receiver,
    RequestFailed,
    Resign,
    RosterShare,
    RosterWant,
    Standby,
    StandDown,
    StandsBy,
    Submit,
    Withdraw,
)
from peerd_protocol.plan import (
    AVOIDED_MAX,
    EMBEDDING_BYTES_MAX,
    ENTRIES_TOLD_MAX,
    GROUP_MEMBERS_MAX,
    PROMPT_CHARS_MAX,
    SIDE_PIXELS_MAX,
    STEPS_MAX,
    CacheEntry,
    Call,
    Forecast,
    GroupPlan,
    Request,
    Share,
)
from peerd_protocol.profile import MODELS_MAX, Pace, Profile

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
HEX_DIGEST_CHARS_MAX = 128
"""Twice `DIGEST_BYTES_MAX`."""
SOURCES_MAX = 32
"""Candidates for a group's shared steps; no more than the members of a cluster."""
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
PACE_MAX = 1e5
"""Seconds of one call, one preparation or one way: a day is longer than anybody waits."""
HOST_CHARS_MAX = 32
"""A word that tells hosts apart."""
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
STATEMENT_BYTES_MAX = 2_048
"""A receipt takes about 700 bytes, its countersignature 250."""
SIGNATURE_BYTES_MAX = 64


def check(message: AnyFrame) -> None:
    """Raise FrameError, with one sentence that names the field, if any part of `message` is out of bounds."""
    match message:
        case Hello():
            whole("version", message.version, 0, VERSION_MAX)
            sentence("name", message.name, NAME_CHARS_MAX)
            text("boot", message.boot, BOOT_CHARS_MAX, least=1)
            whole("control_port", message.control_port, 1, PORT_MAX)
            whole("bulk_port", message.bulk_port, 1, PORT_MAX)
        case Heartbeat():
            text("boot", message.boot, BOOT_CHARS_MAX, least=1)
            whole("sequence", message.sequence, 0, COUNTER_MAX)
            whole("interval_ms", message.interval_ms, INTERVAL_MS_MIN, INTERVAL_MS_MAX)
            _optional_term(message.term)
            whole("highest", message.highest, 0, COUNTER_MAX)
            whole("followers", message.followers, 0, FOLLOWERS_MAX)
            _profile(message.profile)
            blob("roster_digest", message.roster_digest, DIGEST_BYTES_MAX)
        case Goodbye():
            pass
        case Preclaim() | PreclaimAnswer():
            whole("counter", message.counter, 0, COUNTER_MAX)
        case Resign():
            _term(message.term)
            text("successor", message.successor, NODE_ID_CHARS_MAX, least=1)
        case Fenced():
            _optional_term(message.term)
            whole("highest", message.highest, 0, COUNTER_MAX)
        case RosterWant():
            blob("digest", message.digest, DIGEST_BYTES_MAX)
        case RosterShare():
            _proofs("certificates", message.certificates)
            _proofs("revocations", message.revocations)
        case Submit():
            _request(message.request)
        case Withdraw():
            text("request", message.request, ID_CHARS_MAX, least=1)
        case Offer():
            _offer(message)
        case Answer() | GroupEnded() | BeginningFailed():
            _group(message.group, message.attempt)
            sentence("reason", message.reason, REASON_CHARS_MAX)
        case PlanTold():
            _plan(message.plan)
        case Standby():
            _offer(message.offer)
            text("executor", message.executor, NODE_ID_CHARS_MAX, least=1)
        case StandsBy():
            _offer(message.offer)
            whole("step", message.step, 0, SCHEDULER_CALLS_MAX)
        case StandDown() | BranchBereft():
            _group(message.group, message.attempt)
        case Bereft():
            _plan(message.plan)
            sentence("reason", message.reason, REASON_CHARS_MAX)
        case CacheTold():
            many("entries", len(message.entries), ENTRIES_TOLD_MAX)
            for entry in message.entries:
                _entry(entry)
        case Progress():
            _group(message.group, message.attempt)
            _progress(message.step, message.total, message.preview, message.preview_side)
        case LocalProgress():
            text("request", message.request, ID_CHARS_MAX, least=1)
            _progress(message.step, message.total, message.preview, message.preview_side)
        case RequestFailed():
            text("request", message.request, ID_CHARS_MAX, least=1)
            sentence("reason", message.reason, REASON_CHARS_MAX)
        case HandoffBegin():
            text("handoff", message.handoff, ID_CHARS_MAX, least=1)
            text("request", message.request, ID_CHARS_MAX)
            _group(message.group, message.attempt)
            whole("step", message.step, 0, SCHEDULER_CALLS_MAX)
            whole("size", message.size, 0, HANDOFF_BYTES_MAX)
            blob("digest", message.digest, DIGEST_BYTES_MAX)
        case Chunk():
            text("handoff", message.handoff, ID_CHARS_MAX, least=1)
            whole("offset", message.offset, 0, HANDOFF_BYTES_MAX)
            blob("data", message.data, CHUNK_BYTES_MAX)
        case HandoffGot():
            text("handoff", message.handoff, ID_CHARS_MAX, least=1)
            whole("offset", message.offset, 0, HANDOFF_BYTES_MAX)
        case HandoffDone():
            text("handoff", message.handoff, ID_CHARS_MAX, least=1)
            sentence("reason", message.reason, REASON_CHARS_MAX)
        case Receipt() | Countersignature():
            blob("body", message.body, STATEMENT_BYTES_MAX)
            blob("signature", message.signature, SIGNATURE_BYTES_MAX)
        case _:
            assert_never(message)


# ---- the values that messages are built from -------------------------------------------------------------------


def _term(term: Term) -> None:
    whole("term.counter", term.counter, 0, COUNTER_MAX)
    text("term.leader", term.leader, NODE_ID_CHARS_MAX)
    text("term.boot", term.boot, BOOT_CHARS_MAX)


def _optional_term(term: Term | None) -> None:
    if term is not None:
        _term(term)


def _group(group: str, attempt: Attempt) -> None:
    text("group", group, ID_CHARS_MAX)
    _term(attempt.term)
    whole("attempt.number", attempt.number, 0, COUNTER_MAX)


def _call(call: Call) -> None:
    text("call.model", call.model, MODEL_CHARS_MAX)
    text("call.prompt", call.prompt, PROMPT_CHARS_MAX)
    text("call.negative", call.negative, PROMPT_CHARS_MAX)
    whole("call.steps", call.steps, 1, STEPS_MAX)
    whole("call.seed", call.seed, 0, SEED_MAX)
    real("call.guidance", call.guidance, -GUIDANCE_MAX, GUIDANCE_MAX)
    text("call.scheduler", call.scheduler, NAME_CHARS_MAX)
    whole("call.width", call.width, 1, SIDE_PIXELS_MAX)
    whole("call.height", call.height, 1, SIDE_PIXELS_MAX)


def _request(request: Request) -> None:
    text("request.id", request.id, ID_CHARS_MAX, least=1)
    text("request.origin", request.origin, NODE_ID_CHARS_MAX, least=1)
    _call(request.call)
    if request.shared is not None:
        whole("request.shared", request.shared, 0, SCHEDULER_CALLS_MAX)
    text("request.group_name", request.group_name, NAME_CHARS_MAX)
    whole("request.group_size", request.group_size, 1, GROUP_MEMBERS_MAX)
    whole("request.wait_ms", request.wait_ms, 0, WAIT_MS_MAX)
    blob("request.embedding", request.embedding, EMBEDDING_BYTES_MAX)
    text("request.concepts", request.concepts, 0)
    whole("request.begun", request.begun, 0, SCHEDULER_CALLS_MAX)
    texts("request.avoid", request.avoid, AVOIDED_MAX, NODE_ID_CHARS_MAX, least=1)
    _shared("request.share", request.share)
    if request.share == "concepts" and (request.call.negative or request.embedding):
        raise FrameError("A request that shares its concepts alone tells more than those.")


def _shared(field: str, share: Share) -> None:
    if share == "nothing":
        raise FrameError(f"{field} is nothing; such a request stays at its origin.")


def _offer(offer: Offer) -> None:
    _group(offer.group, offer.attempt)
    _call(offer.call)
    many("receivers", len(offer.receivers), GROUP_MEMBERS_MAX)
    for receiver in offer.receivers:
        _receiver(receiver)
    _forecast(offer.forecast)
    texts("blend", offer.blend, GROUP_MEMBERS_MAX, PROMPT_CHARS_MAX)
    _shared("share", offer.share)
    text("standby", offer.standby, NODE_ID_CHARS_MAX)
    if offer.beginning is not None:
        whole("beginning.step", offer.beginning.step, 1, SCHEDULER_CALLS_MAX)
        texts("beginning.sources", offer.beginning.sources, SOURCES_MAX, NODE_ID_CHARS_MAX, least=1)
        real("beginning.step_seconds", offer.beginning.step_seconds, 0, FORECAST_MAX)
        text("beginning.cached", offer.beginning.cached, HEX_DIGEST_CHARS_MAX)


def _receiver(receiver: Receiver) -> None:
    text("receiver.request", receiver.request, ID_CHARS_MAX, least=1)
    text("receiver.node", receiver.node, NODE_ID_CHARS_MAX, least=1)
    whole("receiver.step", receiver.step, 1, SCHEDULER_CALLS_MAX)
    _group(receiver.group, receiver.attempt)
    text("receiver.prompt", receiver.prompt, PROMPT_CHARS_MAX)
    text("receiver.standby", receiver.standby, NODE_ID_CHARS_MAX)


def _entry(entry: CacheEntry) -> None:
    text("entry.digest", entry.digest, HEX_DIGEST_CHARS_MAX, least=1)
    _call(entry.call)
    whole("entry.step", entry.step, 1, SCHEDULER_CALLS_MAX)
    whole("entry.size", entry.size, 1, HANDOFF_BYTES_MAX)
    _shared("entry.share", entry.share)
    texts("entry.blend", entry.blend, GROUP_MEMBERS_MAX, PROMPT_CHARS_MAX)


def _plan(plan: GroupPlan) -> None:
    _group(plan.group, plan.attempt)
    text("plan.lead", plan.lead, ID_CHARS_MAX)
    text("plan.executor", plan.executor, NODE_ID_CHARS_MAX)
    whole("plan.shared_steps", plan.shared_steps, 0, SCHEDULER_CALLS_MAX)
    texts("plan.requests", plan.requests, GROUP_MEMBERS_MAX, ID_CHARS_MAX, least=1)
    many("plan.assignments", len(plan.assignments), GROUP_MEMBERS_MAX)
    for assignment in plan.assignments:
        text("assignment.request", assignment.request, ID_CHARS_MAX, least=1)
        text("assignment.origin", assignment.origin, NODE_ID_CHARS_MAX, least=1)
        text("assignment.runner", assignment.runner, NODE_ID_CHARS_MAX)
        _call(assignment.call)
    _forecast(plan.forecast)
    sentence("plan.reason", plan.reason, REASON_CHARS_MAX)
    text("plan.parent", plan.parent, ID_CHARS_MAX)
    text("plan.standby", plan.standby, NODE_ID_CHARS_MAX)
    whole("plan.begun", plan.begun, 0, SCHEDULER_CALLS_MAX)


def _forecast(forecast: Forecast) -> None:
    real("forecast.seconds", forecast.seconds, 0, FORECAST_MAX)
    real("forecast.seconds_alone", forecast.seconds_alone, 0, FORECAST_MAX)
    real("forecast.denoiser_calls", forecast.denoiser_calls, 0, FORECAST_MAX)
    real("forecast.denoiser_calls_alone", forecast.denoiser_calls_alone, 0, FORECAST_MAX)
    real("forecast.joules", forecast.joules, 0, FORECAST_MAX)
    real("forecast.joules_alone", forecast.joules_alone, 0, FORECAST_MAX)
    real("forecast.handoff_bytes", forecast.handoff_bytes, 0, FORECAST_MAX)
    real("forecast.step_seconds", forecast.step_seconds, 0, FORECAST_MAX)
    many("forecast.each", len(forecast.each), GROUP_MEMBERS_MAX)
    for expected in forecast.each:
        text("forecast.each.request", expected.request, ID_CHARS_MAX, least=1)
        real("forecast.each.seconds", expected.seconds, 0, FORECAST_MAX)
        real("forecast.each.seconds_alone", expected.seconds_alone, 0, FORECAST_MAX)


def _profile(profile: Profile) -> None:
    text("profile.model", profile.model, MODEL_CHARS_MAX)
    rate("profile.steps_per_second", profile.steps_per_second, RATE_MAX)
    real("profile.joules_per_step", profile.joules_per_step, 0, RATE_MAX)
    whole("profile.memory_free_mib", profile.memory_free_mib, 0, MEMORY_MIB_MAX)
    if profile.battery_percent is not None:
        whole("profile.battery_percent", profile.battery_percent, 0, 100)
    if profile.temperature_c is not None:
        real("profile.temperature_c", profile.temperature_c, -TEMPERATURE_C_MAX, TEMPERATURE_C_MAX)
    real("profile.load", profile.load, 0, RATE_MAX)
    whole("profile.queued_steps", profile.queued_steps, 0, QUEUED_STEPS_MAX)
    _pace("profile.pace", profile.pace)
    many("profile.more_models", len(profile.more_models), MODELS_MAX - 1)
    for other in profile.more_models:
        text("profile.more_models.model", other.model, MODEL_CHARS_MAX)
        _pace("profile.more_models.pace", other.pace)
    real("profile.watts", profile.watts, 0, RATE_MAX)
    real("profile.joules_lately", profile.joules_lately, 0, FORECAST_MAX)
    text("profile.loaded", profile.loaded, MODEL_CHARS_MAX)
    real("profile.queued_s", profile.queued_s, 0, FORECAST_MAX)
    text("profile.host", profile.host, HOST_CHARS_MAX)
    rate("profile.cores", profile.cores, RATE_MAX)
    real("profile.others", profile.others, 0, RATE_MAX)
    real("profile.latency_s", profile.latency_s, 0, PACE_MAX)
    rate("profile.bytes_per_second", profile.bytes_per_second, FORECAST_MAX)


def _pace(field: str, pace: Pace) -> None:
    real(f"{field}.step_s", pace.step_s, 0, PACE_MAX)
    real(f"{field}.step_s_per_mpixel", pace.step_s_per_mpixel, 0, PACE_MAX)
    real(f"{field}.prepare_s", pace.prepare_s, 0, PACE_MAX)
    real(f"{field}.decode_s_per_mpixel", pace.decode_s_per_mpixel, 0, PACE_MAX)
    real(f"{field}.start_s", pace.start_s, 0, PACE_MAX)


def _progress(step: int, total: int, preview: bytes, side: int) -> None:
    whole("total", total, 0, SCHEDULER_CALLS_MAX)
    whole("step", step, 0, total)
    whole("preview_side", side, 0, PREVIEW_SIDE_MAX)
    if len(preview) not in (0, 3 * side * side):
        raise FrameError(f"The preview has {len(preview)} bytes; {side} pixels squared take {3 * side * side}.")


def _proofs(field: str, proofs: tuple[bytes, ...]) -> None:
    many(field, len(proofs), CERTIFICATES_MAX)
    for proof in proofs:
        blob(field, proof, CERTIFICATE_BYTES_MAX)
