"""A request that shares nothing: no word of it leaves its device, whatever happens there."""

from peerd_protocol.events import Cancelled
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import AnyMessage, LocalProgress, PlanTold, Submit, Withdraw
from peerd_protocol.notices import Failed, Finished
from tests.protocol.little_world import LittleWorld, picture_request

DIARY = RequestId("diary")
ABOUT_REQUESTS = Submit | Withdraw | PlanTold | LocalProgress


class Overheard(list[AnyMessage]):
    """Every message about a request that crosses from one node to another."""

    def __init__(self, world: LittleWorld) -> None:
        world.loses = self._listen

    def _listen(self, sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, ABOUT_REQUESTS):
            self.append(message)
        return False


def test_it_is_drawn_at_home() -> None:
    world = LittleWorld("ann", "bob")
    world.elect()
    overheard = Overheard(world)
    for name in ("ann", "bob"):
        world.ask(name, picture_request("diary", name, share="nothing", shared=None))
        world.run_until(lambda asker=name: bool(world[asker].pictures))
    assert overheard == []


def test_a_device_without_an_engine_says_so_at_once() -> None:
    world = LittleWorld("ann", "bob", engineless=("bob",))
    world.elect()
    overheard = Overheard(world)
    world.ask("bob", picture_request("diary", "bob", share="nothing", shared=None))
    world.run(5.0)
    (*_, failed) = world["bob"].notices[DIARY]
    assert isinstance(failed, Failed)
    assert "no engine" in failed.reason
    assert overheard == []


def test_after_a_restart_it_still_stays_at_home() -> None:
    world = LittleWorld("ann", "bob")
    world.elect()
    world.ask("bob", picture_request("diary", "bob", share="nothing", shared=None))
    world.run_until(lambda: bool(world["bob"].works))
    world.kill("bob")
    world.elect()
    overheard = Overheard(world)
    world.boot("bob")
    world.run_until(lambda: DIARY in world["bob"].pictures)
    assert isinstance(world["bob"].notices[DIARY][-1], Finished)
    assert overheard == []


def test_after_a_restart_its_new_bind_is_remembered() -> None:
    world = LittleWorld("ann")
    world.ask("ann", picture_request("diary", "ann", share="nothing", shared=None))
    world.run_until(lambda: bool(world["ann"].works))
    world.kill("ann")
    world.boot("ann")
    world.run_until(lambda: bool(world["ann"].works))
    assert world["ann"].disk["bound/diary"] == b"alone"
    world.run_until(lambda: DIARY in world["ann"].pictures)
    world.run(1.0)
    assert "bound/diary" not in world["ann"].disk


def test_taking_it_back_is_nobody_elses_business() -> None:
    world = LittleWorld("ann", "bob")
    asker = "bob" if world.elect() == "ann" else "ann"
    overheard = Overheard(world)
    world.ask(asker, picture_request("diary", asker, share="nothing", shared=None))
    world.run_until(lambda: bool(world[asker].works))
    world.tell(asker, Cancelled(DIARY))
    world.run(2.0)
    assert isinstance(world[asker].notices[DIARY][-1], Failed)
    assert not world[asker].works
    assert overheard == []
