"""One cycle with real daemons: ask, let the fault happen, and have all run again.

Never here: what a cycle consists of (`cycle.py`), or whether what came of it is right (`judging.py`).
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.errors import PeerdError
from peerd_protocol.notices import PlanMade
from tests.soak import pictures
from tests.soak.cycle import NAMES, PROMPTS, Cycle, Role
from tests.soak.every_step import Pictures, lose_executor
from tests.soak.faults import FOR_A_WHILE, MOVING, SILENCING, block
from tests.soak.healing import Healed
from tests.soak.house import House, now_s
from tests.soak.judging import judge
from tests.soak.record import Outcome
from tests.soak.watching import GIVEN_UP_S, replaced_s
from tests.world.asking import TOY, Asked, ask, ask_together, open_requests_of, until

STEP_SLOWDOWN = 10.0
"""A toy step takes 0.2 s then, so that a run has a middle."""
INTERVAL_S, BATTERY_INTERVAL_S = 1.0, 2.0
"""H, and of a device on battery."""
NOTICED_S = 10.0
"""Connections to an address that is nobody's any more end after six and a half; others begin meanwhile."""
PLAN_S, COMPANY_S, SETTLED_S_MAX = 2.0, 4.0, 90.0


def trio(folder: Path, environment: Mapping[str, str]) -> Cluster:
    return Cluster(folder, NAMES, environment={**TOY, "PEERD_ENGINE_SLOWDOWN": str(STEP_SLOWDOWN), **environment})


def warm(house: House) -> None:
    """Everybody draws once: what a daemon imports for its first picture holds up its loop, on a crowded machine for
    seconds."""
    wishes = {**pictures.WISHES, "shared": pictures.SHARED}
    for one in ask_together(house.cluster.nodes, PROMPTS, "warm", **wishes):
        one.finished()
    house.calm()


def play(house: House, cycle: Cycle) -> Outcome:
    """Whatever does not come to an end in time, or is not as promised, is a violation."""
    began_s, bugs = time.monotonic(), house.bugs()
    asked: list[Asked] = []
    violations: list[str] = []
    took_s = None
    healed = Healed(None, None, ())
    try:
        violations += house.calm()
        asked += _ask(house.cluster, cycle)
        took_s = _disturb(house, cycle, asked)
        healed_s = now_s()
        _settle(house.cluster)
        healed, broken = house.healed(healed_s, BATTERY_INTERVAL_S if cycle.fault == "unplugged" else INTERVAL_S)
        violations += [*healed.violations, *broken]
        if cycle.fault == "unplugged" and house.healing.leaderless:
            violations.append(f"{sorted(house.healing.leaderless)} had no leader, though the last one could hand over")
    except (AssertionError, PeerdError) as error:
        violations.append(str(error))
    judgement = judge(house.cluster, cycle, asked)
    return Outcome(
        seed=cycle.seed,
        what=cycle.what,
        accepted=len(asked),
        delivered=judgement.delivered,
        refused=judgement.refused,
        replaced_s=took_s,
        connected_s=healed.connected_s,
        one_leader_s=healed.one_leader_s,
        stalled_s=healed.stalled_s,
        seconds=time.monotonic() - began_s,
        violations=(*violations, *judgement.violations, *_traces(house, bugs)),
    )


def play_loss(house: House, step: int, expected: Pictures, step_s: float) -> Outcome:
    """The executor of a shared run is lost after this step."""
    began_s, bugs = time.monotonic(), house.bugs()
    delivered = again = 0
    try:
        loss = lose_executor(house.cluster, step, expected, step_s)
        delivered, again, violations = len(loss.others), loss.again, loss.violations()
    except (AssertionError, PeerdError) as error:
        violations = [str(error)]
    return Outcome(
        step=step,
        what=f"executor lost after step {step}",
        accepted=len(expected) - 1,
        delivered=delivered,
        again=again,
        seconds=time.monotonic() - began_s,
        violations=(*violations, *_traces(house, bugs)),
    )


def _traces(house: House, bugs_before: int) -> list[str]:
    return [*(["a daemon has logged a bug"] if house.bugs() > bugs_before else []), *house.strays()]


def _ask(cluster: Cluster, cycle: Cycle) -> list[Asked]:
    size = sum(each.grouped for each in cycle.asks)
    company = {"group_name": f"seed {cycle.seed}", "group_size": size, "wait_s": COMPANY_S, "shared": pictures.SHARED}
    return [
        ask(cluster[each.node], each.prompt, **pictures.WISHES, **(company if each.grouped else {"shared": 0}))
        for each in cycle.asks
    ]


def _disturb(house: House, cycle: Cycle, asked: Sequence[Asked]) -> float | None:
    """The fault, while the requests run; how long a lost leader was missed, if one was lost and replaced meanwhile."""
    cluster = house.cluster
    leader = cluster.wait_for_leader(within_s=GIVEN_UP_S).leader_name
    time.sleep(cycle.delay_s)
    met = {node.name: node for node in (_who(cluster, role, asked, leader) for role in cycle.roles)}
    others = [node for node in cluster.nodes if node.name not in met]
    silenced_s, took_s = time.monotonic(), None
    with ExitStack() as faults:
        for node in met.values():
            faults.enter_context(block(house, cycle, node))
        if leader in met and cycle.fault in SILENCING and len(others) > 1:
            within_s = cycle.hold_s if cycle.fault in FOR_A_WHILE else GIVEN_UP_S
            took_s = replaced_s(leader, others, silenced_s, within_s)
            assert took_s is not None or cycle.fault in FOR_A_WHILE, f"nobody has replaced {leader}"
        hold_s = max(cycle.hold_s, NOTICED_S) if cycle.fault in MOVING else cycle.hold_s
        time.sleep(max(0.0, silenced_s + hold_s - time.monotonic()))
    return took_s


def _who(cluster: Cluster, role: Role, asked: Sequence[Asked], leader: str) -> NodeProcess:
    if role == "leader":
        return cluster[leader]
    if role == "origin":
        return asked[0].node
    names = {view.id: view.name for view in cluster.views()}
    return cluster[names[asked[0].first(PlanMade, PLAN_S + COMPANY_S).executor]]


def _settle(cluster: Cluster) -> None:
    """One leader for all, and no request is left open."""
    cluster.wait_for_leader(within_s=GIVEN_UP_S)
    for node in cluster.nodes:
        until(partial(_is_through, node), f"{node.name} has nothing left to do", SETTLED_S_MAX)


def _is_through(node: NodeProcess) -> bool:
    return not open_requests_of(node)
