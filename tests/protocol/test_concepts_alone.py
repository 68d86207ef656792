"""A request that shares its concepts alone: every byte that its origin says to anyone, on good days and bad ones."""

import hashlib
from collections.abc import Callable

import pytest

from peerd_protocol import codec
from peerd_protocol.actions import MakePlan
from peerd_protocol.checkpoint import prompt_digest_of
from peerd_protocol.errors import LocalError
from peerd_protocol.events import Cancelled, Draft
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import AnyMessage, Submit
from peerd_protocol.notices import Failed, PlanMade, WentAlone
from peerd_protocol.plan import Call, Request, announced
from tests.protocol.little_world import LittleWorld, draft, picture_request

WORDS, NEGATIVE, EMBEDDING = "a crimson apple for Winifred", "blurry mustard", b"\x11\x3c\x22\xbc\x33\x3c"
PHRASE = "edible fruit"
GIFT = RequestId("gift")
CALL = Call(
    model="m",
    prompt=WORDS,
    negative=NEGATIVE,
    steps=11,
    seed=41,
    guidance=3.0,
    scheduler="ddim",
    width=128,
    height=128,
)
WISHES = {"call": CALL, "share": "concepts", "concepts": PHRASE, "embedding": EMBEDDING, "seed_free": True}
TOGETHER = {"group_name": "fruit", "group_size": 2, "wait_ms": 4_000}


def gift(origin: str, **wishes: object) -> Request:
    return picture_request("gift", origin, **{**WISHES, **wishes})


def secrets() -> list[bytes]:
    """All that must not be in what is said: words, digests of them, the fine embedding, a preview of an own step."""
    digest = prompt_digest_of(CALL)
    previews = [hashlib.sha256(WORDS.encode()).digest()[:3]]
    texts = [WORDS, NEGATIVE, *WORDS.split()[1:3], "Winifred", "mustard", digest]
    return [*(text.encode() for text in texts), bytes.fromhex(digest), EMBEDDING, *previews]


class Tapped:
    """A world of three that writes down what `ann` says, and fails at the first secret."""

    def __init__(self, *names: str, engineless: tuple[str, ...] = ()) -> None:
        self.world = LittleWorld(*(names or ("ann", "bob", "eve")), engineless=engineless)
        self.said: list[AnyMessage] = []
        self.loses: Callable[[NodeId, AnyMessage], bool] = lambda to, message: False
        self.world.loses = self._listen
        self.world.elect()

    def _listen(self, sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if sender == "ann":
            self.said.append(message)
            frame = codec.encode(message)
            assert not [secret for secret in secrets() if secret in frame], message
        return self.loses(to, message)

    def ends(self) -> bytes:
        """The picture, once nothing is open."""
        self.world.run(0.2)
        self.world.run_until_nothing_is_open(100.0)
        self.world.run(5.0)
        assert any(isinstance(message, Submit) for message in self.said)
        (picture,) = self.world["ann"].pictures[GIFT]
        return picture


@pytest.fixture
def tapped() -> Tapped:
    return Tapped()


def apple_leads(order: MakePlan) -> tuple[Draft, ...]:
    return (draft(order, {"lemon": 6, "gift": 5}),)


def gift_leads(order: MakePlan) -> tuple[Draft, ...]:
    return (draft(order, {"gift": 6, "lemon": 5}),)


def both_ask(tapped: Tapped) -> None:
    tapped.world.ask("ann", gift("ann", **TOGETHER))
    tapped.world.ask("bob", picture_request("lemon", "bob", **TOGETHER))


def test_it_shares_anothers_beginning_and_ends_in_its_own_words(tapped: Tapped) -> None:
    tapped.world.drafts = apple_leads
    both_ask(tapped)
    assert tapped.ends() == f"lemon@5->{WORDS}#41".encode()


def test_its_phrase_may_lead(tapped: Tapped) -> None:
    tapped.world.drafts = gift_leads
    both_ask(tapped)
    assert tapped.ends() == f"{PHRASE}@6->{WORDS}#41".encode()
    assert tapped.world["bob"].pictures[RequestId("lemon")] == [f"{PHRASE}@5->lemon#41".encode()]
    runs = [order for place in tapped.world.places.values() for order in place.denoised if order.leaves]
    assert runs and all(order.hide_prompt for order in runs)
    kept = [entry for place in tapped.world.places.values() for entry, _ in place.kept.values()]
    assert kept and all((entry.call.prompt, entry.share) == (PHRASE, "concepts") for entry in kept)


def test_a_probe_does_not_get_it(tapped: Tapped) -> None:
    tapped.world.drafts = lambda order: (
        draft(order, {"lemon": 6, "gift": 5}, probed=frozenset(map(RequestId, ("lemon", "gift")))),
    )
    tapped.world.probe = lambda leave, step: True
    both_ask(tapped)
    assert tapped.ends() == f"lemon@5->{WORDS}#41".encode()


def test_it_may_start_from_what_a_peer_keeps(tapped: Tapped) -> None:
    tapped.world.ask("bob", picture_request("lemon", "bob", **TOGETHER))
    tapped.world.ask("eve", picture_request("fig", "eve", **TOGETHER))
    tapped.world.run_until(lambda: any(place.kept for place in tapped.world.places.values()))
    tapped.world.run(3.0)

    def late(order: MakePlan) -> tuple[Draft, ...]:
        ((holder, entry),) = order.cached
        return (draft(order, {"gift": entry.step}, holder, cached=entry.digest, start=entry.step),)

    tapped.world.drafts = late
    tapped.world.ask("ann", gift("ann"))
    assert tapped.ends() == f"fig@5->{WORDS}#41".encode()


def test_alone_when_no_plan_comes(tapped: Tapped) -> None:
    tapped.loses = lambda to, message: isinstance(message, Submit)
    tapped.world.ask("ann", gift("ann"))
    assert tapped.ends() == f"noise->{WORDS}#41".encode()
    assert any(isinstance(notice, WentAlone) for notice in tapped.world["ann"].notices[GIFT])


def test_alone_when_the_executor_dies(tapped: Tapped) -> None:
    tapped.world.drafts = lambda order: (draft(order, {"lemon": 6, "gift": 5}, "eve"),)
    both_ask(tapped)
    tapped.world.run_until(lambda: bool(tapped.world["eve"].works))
    tapped.world.kill("eve")
    assert tapped.ends() == f"noise->{WORDS}#41".encode()


def test_an_engine_that_breaks_in_its_own_steps(tapped: Tapped) -> None:
    tapped.world.drafts = apple_leads
    both_ask(tapped)
    tapped.world.run_until(lambda: any(work == "local/gift" for work in tapped.world["ann"].works))
    tapped.world["ann"].breaks_at_step = 7
    assert tapped.ends() == f"lemon@5->{WORDS}#41".encode()


def test_taken_back(tapped: Tapped) -> None:
    tapped.world.drafts = apple_leads
    both_ask(tapped)
    tapped.world.run_until(lambda: any(work == "local/gift" for work in tapped.world["ann"].works))
    tapped.world.tell("ann", Cancelled(GIFT))
    tapped.world.run(0.1)
    tapped.world.run_until_nothing_is_open(60.0)
    assert tapped.world["ann"].notices[GIFT][-1] == Failed(reason="cancelled")


def test_after_a_restart(tapped: Tapped) -> None:
    tapped.world.drafts = lambda order: (draft(order, {request.id: 0 for request in order.requests[:1]}),)
    tapped.world.ask("ann", gift("ann", **TOGETHER))
    tapped.world.run_until(lambda: "request/gift" in tapped.world["ann"].disk)
    tapped.world.kill("ann")
    tapped.world.elect()
    tapped.world.boot("ann")
    tapped.world.run(1.0)
    assert tapped.ends() == f"noise->{WORDS}#41".encode()


def test_without_an_engine_it_is_refused_in_a_sentence() -> None:
    tapped = Tapped("ann", "bob", engineless=("ann",))
    tapped.world.ask("ann", gift("ann"))
    tapped.world.run(2.0)
    (*_, failed) = tapped.world["ann"].notices[GIFT]
    assert isinstance(failed, Failed)
    assert "no engine" in failed.reason and "--share prompt" in failed.reason
    assert not [message for message in tapped.said if isinstance(message, Submit)]


def test_words_that_name_no_concept_stay_at_home(tapped: Tapped) -> None:
    tapped.world.ask("ann", gift("ann", concepts=""))
    tapped.world.run(5.0)
    assert tapped.world["ann"].pictures[GIFT] == [f"noise->{WORDS}#41".encode()]
    assert not [message for message in tapped.said if isinstance(message, Submit)]


def test_a_plan_that_would_run_it_elsewhere_is_not_followed(tapped: Tapped) -> None:
    elsewhere = ((GIFT, NodeId("eve")), (RequestId("lemon"), NodeId("bob")))

    def odd(order: MakePlan) -> tuple[Draft, ...]:
        return (draft(order, {request.id: 5 for request in order.requests}, runners=elsewhere),)

    tapped.world.drafts = odd
    both_ask(tapped)
    assert tapped.ends() == f"noise->{WORDS}#41".encode()
    assert not [notice for notice in tapped.world["ann"].notices[GIFT] if isinstance(notice, PlanMade)]


@pytest.mark.parametrize(
    "request_",
    [gift("ann"), gift("ann", concepts=""), picture_request("gift", "ann", share="nothing")],
)
def test_what_was_not_made_fit_to_travel_is_not_sent(request_: Request) -> None:
    with pytest.raises(LocalError, match="can not be sent"):
        codec.encode(Submit(request=request_))


def test_what_travels_is_the_phrase() -> None:
    told = announced(gift("ann"))
    assert (told.call.prompt, told.call.negative, told.embedding, told.concepts) == (PHRASE, "", b"", "")
    assert codec.decode(codec.encode(Submit(request=told))) == Submit(request=told)
    mine = picture_request("apple", "ann")
    assert announced(mine) is mine


def test_the_tap_hears_what_it_should(tapped: Tapped) -> None:
    tapped.world.ask("ann", gift("ann", share="prompt", concepts=""))
    with pytest.raises(AssertionError, match="crimson"):
        tapped.world.run(5.0)
