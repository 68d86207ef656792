"""What can be asked in a story, a sentence each. Never here: what is done (`deeds`), or a rule of the protocol."""

from peerd_protocol.election import Role
from peerd_protocol.notices import Failed, Finished
from tests.scenarios.language import Kind, Names, Sentence, collector
from tests.scenarios.stage import Stage

FACTS: list[Sentence] = []
fact = collector(FACTS, Kind.FACT)

# ---- leaders ---------------------------------------------------------------------------------------------------------


@fact("NAME leads")
def leads(stage: Stage, name: str) -> bool:
    return stage.awake(name).node.role is Role.LEAD


@fact("NAME leads term NUMBER")
def leads_term(stage: Stage, name: str, counter: int) -> bool:
    """Terms are counted from 1; a higher one tells of an election meanwhile."""
    term = stage.awake(name).node.term
    return leads(stage, name) and term is not None and term.counter == counter


@fact("NAME does not lead")
def does_not_lead(stage: Stage, name: str) -> bool:
    return not leads(stage, name)


@fact("nobody leads")
def nobody_leads(stage: Stage) -> bool:
    return not any(leads(stage, name) for name in stage.everyone())


@fact("NAMES obey/obeys NAME")
def obey(stage: Stage, names: Names, leader: str) -> bool:
    return all(stage.awake(name).node.leader == leader for name in names)


@fact("all obey NAME")
def all_obey(stage: Stage, leader: str) -> bool:
    """All that are awake, in one term."""
    return leads(stage, leader) and all_agree(stage)


@fact("all obey one leader")
def all_agree(stage: Stage) -> bool:
    return _agree(stage, tuple(stage.everyone()))


@fact("one of NAMES leads the others")
def one_leads(stage: Stage, names: Names) -> bool:
    """Whatever the rest of the house does."""
    return _agree(stage, names)


def _agree(stage: Stage, names: Names) -> bool:
    nodes = [stage.awake(name).node for name in names]
    leading = [node for node in nodes if node.role is Role.LEAD]
    return len(leading) == 1 and all((node.leader, node.term) == (leading[0].me, leading[0].term) for node in nodes)


@fact("NAMES is/are warned of two devices with the name NAME")
def warned_of_clone(stage: Stage, names: Names, cloned: str) -> bool:
    text = f"Two devices use the identity of {cloned}"
    return all(any(warning.startswith(text) for warning in stage.awake(name).warnings) for name in names)


# ---- work ------------------------------------------------------------------------------------------------------------


@fact("NAME runs shared steps")
def runs_shared_steps(stage: Stage, name: str) -> bool:
    return stage.works(name, "shared/")


@fact("NAME has run NUMBER shared steps")
def has_run_shared_steps(stage: Stage, name: str, count: int) -> bool:
    """Of a group that it is still at work on."""
    return any(order.leaves and step >= count for order, step in stage.awake(name).works.values())


@fact("NAME runs local steps")
def runs_local_steps(stage: Stage, name: str) -> bool:
    return stage.works(name, "local/")


@fact("NAME runs nothing")
def runs_nothing(stage: Stage, name: str) -> bool:
    return not stage.awake(name).works


@fact("NAME is handing over")
def is_handing_over(stage: Stage, name: str) -> bool:
    """A checkpoint or a picture is on its way, and its taker has not said that it is whole."""
    return bool(stage.awake(name).node._handoffs._giving)


# ---- pictures --------------------------------------------------------------------------------------------------------


@fact("every request ends once")
def all_end(stage: Stage) -> bool:
    return all(stage.ending(request) is not None for request in stage.asked)


@fact("WORDS is/are finished")
def are_finished(stage: Stage, words: Names) -> bool:
    return all(isinstance(stage.ending(word), Finished) for word in words)


@fact("WORDS is/are cancelled")
def are_cancelled(stage: Stage, words: Names) -> bool:
    return all(stage.ending(word) == Failed(reason="cancelled") for word in words)


@fact("WORDS has/have not ended")
def have_not_ended(stage: Stage, words: Names) -> bool:
    return all(stage.ending(word) is None for word in words)


@fact("WORDS share a beginning")
def share_a_beginning(stage: Stage, words: Names) -> bool:
    """Their pictures are there, and were all begun from the same checkpoint."""
    begun = {stage.beginning(word) for word in words}
    return len(begun) == 1 and not begun & {b"", b"noise"}


@fact("WORDS begin/begins with NUMBER steps of WORDS")
def begin_with(stage: Stage, words: Names, steps: int, led_by: Names) -> bool:
    """In one go, as if nothing had ever come between."""
    return {stage.beginning(word) for word in words} == {f"{lead}@{steps}".encode() for lead in led_by}


@fact("WORDS was/were made alone")
def were_made_alone(stage: Stage, words: Names) -> bool:
    return all(stage.beginning(word) == b"noise" for word in words)


@fact("nothing is left open")
def nothing_is_open(stage: Stage) -> bool:
    """No node holds anything of any request any more."""
    return not stage.world.left_open()
