"""One of every message, with every field set: what the golden frames are made of."""

from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.messages import (
    Answer,
    AnyFrame,
    Beginning,
    BeginningFailed,
    Bereft,
    BranchBereft,
    CacheTold,
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
from peerd_protocol.plan import Assignment, CacheEntry, Call, Forecast, GroupPlan, Request
from peerd_protocol.profile import OtherModel, Pace, PowerClass, Profile
from tests.protocol.keepers import Keeper

ADA, BOB = NodeId("ADA"), NodeId("BOB")
BOOT = BootNonce("00112233445566778899aabbccddeeff")
TERM = Term(7, ADA, BOOT)
ATTEMPT = Attempt(TERM, 2)
GROUP, REQUEST, HANDOFF = GroupId("7.00112233.1.0"), RequestId("0199aabbccddeeff"), HandoffId("checkpoint/7/2/0199")
PARENT, BRANCH = GroupId("7.00112233.1.1"), GroupId("7.00112233.1.2")
DIGEST = bytes(range(32))

CALL = Call(
    model="c0ffee",
    prompt="apple on table, Äpfel 🍎",
    negative="blurry",
    steps=11,
    seed=41,
    guidance=7.5,
    scheduler="ddim",
    width=512,
    height=512,
)
PROFILE = Profile(
    model="c0ffee",
    engine=True,
    steps_per_second=2.5,
    joules_per_step=3.25,
    memory_free_mib=2048,
    power=PowerClass.BATTERY,
    battery_percent=77,
    temperature_c=41.5,
    hot=False,
    load=0.5,
    queued_steps=12,
    offers=True,
    pace=Pace(step_s=0.25, step_s_per_mpixel=1.5, prepare_s=0.5, decode_s_per_mpixel=3.0, start_s=7.5),
    more_models=(OtherModel("decaf", Pace(step_s=0.125)), OtherModel("bead")),
    loaded="decaf",
)
REQUESTED = Request(
    id=REQUEST,
    origin=BOB,
    call=CALL,
    shared=5,
    share="prompt",
    quality="strict",
    seed_free=True,
    group_name="fruit",
    group_size=4,
    wait_ms=2_000,
    embedding=b"\x00\x3c\x00\xbc",
    keep=False,
    begun=7,
    avoid=(NodeId("CLEO"),),
)
FORECAST = Forecast(
    seconds=4.5,
    seconds_alone=6.0,
    denoiser_calls=29,
    denoiser_calls_alone=44,
    joules=87.0,
    joules_alone=132.0,
    handoff_bytes=66_000,
    step_seconds=0.25,
)
PLAN = GroupPlan(
    group=GROUP,
    attempt=ATTEMPT,
    lead=REQUEST,
    executor=ADA,
    shared_steps=5,
    requests=(REQUEST,),
    assignments=(Assignment(request=REQUEST, origin=BOB, runner=BOB, call=CALL),),
    forecast=FORECAST,
    reason="same scene",
    parent=PARENT,
    standby=BOB,
    begun=7,
)
ENTRY = CacheEntry(digest=DIGEST.hex(), call=CALL, step=5, size=65_536, share="concepts")

OFFER = Offer(
    group=GROUP,
    attempt=ATTEMPT,
    call=CALL,
    receivers=(
        Receiver(request=REQUEST, node=BOB, step=5, group=GROUP, attempt=ATTEMPT, prompt="lemon on table"),
        Receiver(request=RequestId("0200"), node=ADA, step=4, group=BRANCH, attempt=Attempt(TERM, 3), standby=BOB),
    ),
    forecast=FORECAST,
    beginning=Beginning(step=2, sources=(ADA, BOB), step_seconds=0.5, cached=DIGEST.hex(), resumes=True),
    share="concepts",
    quality="fast",
    keep=False,
    standby=BOB,
)

GIVER, TAKER = Keeper("ada"), Keeper("bob")
"""With real keys, so that whoever reads the golden frames can check their signatures."""
RECEIPT = GIVER.gives(TAKER)
COUNTERSIGNATURE = TAKER.gets(GIVER, RECEIPT)
GIVER.is_answered(COUNTERSIGNATURE)

SAMPLES: tuple[AnyFrame, ...] = (
    Hello(version=1, name="ada's laptop", boot=BOOT, control_port=7777, bulk_port=7778),
    Heartbeat(
        boot=BOOT,
        sequence=3,
        interval_ms=1_000,
        term=TERM,
        leading=True,
        following=False,
        highest=7,
        followers=1,
        profile=PROFILE,
        roster_digest=DIGEST,
    ),
    Goodbye(),
    Preclaim(counter=8),
    PreclaimAnswer(counter=8, granted=True),
    Resign(term=TERM, successor=BOB),
    Fenced(term=None, highest=7),
    RosterWant(digest=DIGEST),
    RosterShare(certificates=(b"certificate",), revocations=(b"revocation",)),
    Submit(request=REQUESTED),
    Withdraw(request=REQUEST),
    OFFER,
    Answer(group=GROUP, attempt=ATTEMPT, accepted=False, reason="on battery"),
    PlanTold(plan=PLAN),
    Progress(group=GROUP, attempt=ATTEMPT, step=2, total=11, branch=True, preview=bytes(12), preview_side=2),
    LocalProgress(request=REQUEST, step=6, total=11, preview=bytes(3), preview_side=1),
    Standby(offer=OFFER, executor=ADA),
    StandsBy(offer=OFFER, step=4),
    StandDown(group=GROUP, attempt=ATTEMPT),
    Bereft(plan=PLAN, reason="the executor is gone"),
    BranchBereft(group=BRANCH, attempt=ATTEMPT),
    BeginningFailed(group=BRANCH, attempt=ATTEMPT, reason="the engine died"),
    CacheTold(entries=(ENTRY,)),
    GroupEnded(group=GROUP, attempt=ATTEMPT, reason=""),
    RequestFailed(request=REQUEST, reason="out of memory"),
    HandoffBegin(
        handoff=HANDOFF,
        what="checkpoint",
        request=REQUEST,
        group=GROUP,
        attempt=ATTEMPT,
        step=5,
        size=65_536,
        digest=DIGEST,
    ),
    Chunk(handoff=HANDOFF, offset=0, data=b"\x00\x01\x02\xff"),
    HandoffGot(handoff=HANDOFF, offset=4),
    HandoffDone(handoff=HANDOFF, accepted=True, reason=""),
    RECEIPT,
    COUNTERSIGNATURE,
)
