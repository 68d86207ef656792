"""What else runs on a host, what its engine bore, and how fast its peers are reached."""

from pathlib import Path

import pytest

from peerd.device.burden import HALF_LIFE_S, Burden
from peerd.device.host import Host
from peerd.device.links import Links
from peerd_protocol.actions import Send
from peerd_protocol.events import Received
from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.messages import Goodbye, HandoffBegin, HandoffDone, HandoffGot

BOB, EVE = NodeId("BOB"), NodeId("EVE")
NAME = HandoffId("h")


def proc(folder: Path, running: int) -> Path:
    (folder / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
    (folder / "sys/kernel/random/boot_id").write_text("one boot\n")
    (folder / "stat").write_text(f"cpu 1 2 3\nprocs_running {running}\nprocs_blocked 0\n")
    return folder


def test_others_are_those_who_run_beside_this_process_and_its_engine(tmp_path: Path) -> None:
    host = Host(1, proc(tmp_path, running=4))
    for _ in range(20):
        host.look(working=True)
    assert host.others == pytest.approx(2.0, abs=0.01)
    assert host.crowd() == pytest.approx(max(1.0, 3.0 / host.cores), abs=0.01)
    proc(tmp_path, running=1)
    for _ in range(20):
        host.look(working=False)
    assert host.others == pytest.approx(0.0, abs=0.01)
    assert host.crowd() == 1.0


def test_an_engine_of_two_threads_counts_in_pairs(tmp_path: Path) -> None:
    host = Host(2, proc(tmp_path, running=7))
    for _ in range(20):
        host.look(working=True)
    assert host.others == pytest.approx(2.0, abs=0.01)
    assert host.cores == max(1.0, Host(1, tmp_path).cores / 2)


def test_a_system_that_hides_all_this_is_taken_as_quiet(tmp_path: Path) -> None:
    host = Host(1, tmp_path / "nothing")
    host.look(working=True)
    assert (host.others, host.crowd(), host.name) == (0.0, 1.0, "")
    (tmp_path / "stat").write_text("procs_running many\n")
    odd = Host(1, tmp_path)
    odd.look(working=False)
    assert odd.others == 0.0


def test_daemons_of_one_boot_say_the_same_word_which_is_not_the_boots_own(tmp_path: Path) -> None:
    one, other = Host(1, proc(tmp_path, 1)), Host(4, tmp_path)
    assert one.name == other.name
    assert len(one.name) == 12
    assert "one boot" not in one.name


def test_work_fades() -> None:
    burden = Burden()
    burden.add(100.0, 0.0)
    burden.add(50.0, HALF_LIFE_S)
    assert burden.joules(HALF_LIFE_S) == pytest.approx(100.0)
    assert burden.joules(3 * HALF_LIFE_S) == pytest.approx(25.0)


# ---- links -----------------------------------------------------------------------------------------------------


def begin(size: int, name: HandoffId = NAME) -> Send:
    attempt = Attempt(Term(1, BOB, BootNonce("b")), 1)
    return Send(
        BOB,
        HandoffBegin(
            handoff=name, what="checkpoint", request=RequestId("r"), group=GroupId("g"), attempt=attempt, step=1,
            size=size, digest=b"",
        ),
    )  # fmt: skip


def hand_over(links: Links, size: int, latency_s: float, bytes_per_second: float, sender: NodeId = BOB) -> None:
    links.sent(begin(size), 0.0)
    links.received(Received(sender, HandoffGot(handoff=NAME, offset=0)), 2 * latency_s)
    end_s = 4 * latency_s + size / bytes_per_second
    links.received(Received(sender, HandoffDone(handoff=NAME, accepted=True)), end_s)


def test_a_handoff_tells_latency_and_bandwidth_apart() -> None:
    links = Links()
    assert (links.latency_s, links.bytes_per_second) == (0.0, 0.0)
    hand_over(links, 100_000, 0.5, 50_000.0)
    assert (links.latency_s, links.bytes_per_second) == pytest.approx((0.5, 50_000.0))


def test_the_middle_counts_not_the_one_that_met_a_reconnect() -> None:
    links = Links()
    for latency_s in (0.01, 30.0, 0.01):
        hand_over(links, 100_000, latency_s, 1e6)
    assert links.latency_s == pytest.approx(0.01)


def test_what_was_announced_twice_or_answered_by_another_or_tiny_tells_nothing() -> None:
    links = Links()
    links.sent(begin(100_000), 0.0)
    links.sent(begin(100_000), 1.0)
    links.received(Received(BOB, HandoffGot(handoff=NAME, offset=0)), 1.1)
    hand_over(links, 100_000, 0.5, 1e6, sender=EVE)
    assert links.latency_s == 0.0
    links = Links()
    hand_over(links, 100, 0.5, 1e6)
    assert (links.latency_s, links.bytes_per_second) == (0.5, 0.0)
    links.sent(Send(BOB, Goodbye()), 0.0)
    links.received(Received(BOB, HandoffDone(handoff=HandoffId("unknown"), accepted=True)), 0.0)
    assert links.bytes_per_second == 0.0
