"""Members leave a shared run with checkpoints of their own; a probe brings that forward and changes nothing else."""

import pytest

from peerd.engine import dialogue
from peerd.engine.port import Look
from peerd.engine.worker import Worker
from peerd_protocol.plan import Leave
from peerd_protocol.schedulers import calls_per_run
from tests.engine.stories import WIDE, Model, leaving, picture_of, saved_in
from tests.engine.zygote import Zygote

# diffusers turns tensors into arrays in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

LEMON, CAR = "lemon on table", "a red car on the beach"


def names_in(answers: list[dialogue.Answer]) -> list[tuple[int, tuple[str, ...]]]:
    return [(answer.step, answer.names) for answer in answers if isinstance(answer, dialogue.Save)]


@pytest.mark.parametrize("scheduler", ["ddim", "euler_a", "heun", "dpmpp_2m"])
def test_each_leaf_gets_the_checkpoint_of_a_run_that_stops_there(
    fresh: Zygote, picture_model: Model, scheduler: str
) -> None:
    call = picture_model.call(scheduler=scheduler)
    total = calls_per_run(scheduler, call.steps)
    leaves = [Leave(name="b", step=4), Leave(name="a", step=2), Leave(name="c", step=2), Leave(name="d", step=total)]
    answers = fresh.engine(leaving(picture_model.run(call), *leaves))
    assert names_in(answers) == [(2, ("a", "c")), (4, ("b",)), (total, ("d",))]
    assert answers[-1] == dialogue.Halt(1, total)
    alone = picture_of(fresh.engine(picture_model.run(call)))
    for step, checkpoint in saved_in(answers).items():
        assert saved_in(fresh.engine(picture_model.run(call, stop=step)))[step] == checkpoint
        assert picture_of(fresh.engine(picture_model.run(call, start=checkpoint))).rgb == alone.rgb


def test_the_run_ends_with_its_last_leaf(fresh: Zygote, small_model: Model) -> None:
    run = small_model.run(small_model.call(), stop=5, every=2)
    answers = fresh.engine(leaving(run, Leave(name="a", step=3)))
    assert names_in(answers) == [(2, ()), (3, ("a",))]
    assert answers[-1] == dialogue.Halt(1, 3)


def test_a_leaf_behind_the_start_gets_the_start(fresh: Zygote, small_model: Model) -> None:
    call = small_model.call()
    start = saved_in(fresh.engine(small_model.run(call, stop=3)))[3]
    both = leaving(small_model.run(call, start=start), Leave(name="early", step=3), Leave(name="a", step=4))
    answers = fresh.engine(both)
    assert names_in(answers) == [(3, ("early",)), (4, ("a",))]
    assert saved_in(answers)[3] == start
    assert answers[-1] == dialogue.Halt(1, 1)
    only = fresh.engine(leaving(small_model.run(call, start=start), Leave(name="early", step=3)))
    assert [type(answer) for answer in only] == [dialogue.Save, dialogue.Halt]


def test_a_leaf_outside_the_run_is_refused(fresh: Zygote, small_model: Model) -> None:
    answers = fresh.engine(leaving(small_model.run(small_model.call()), Leave(name="lost", step=7)))
    assert isinstance(answers[0], dialogue.Refused)
    assert "takes 6 scheduler steps; nobody can leave it after step 7" in answers[0].text


@pytest.mark.parametrize("scheduler", ["ddim", "euler_a", "heun", "dpmpp_2s", "unipc"])
@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_a_probe_leaves_the_run_bit_identical(
    fresh: Zygote, small_model: Model, scheduler: str, guidance: float
) -> None:
    """Latents, solver state and random state of every step, as bytes."""
    call = small_model.call(scheduler=scheduler, guidance=guidance)
    plain = fresh.engine(small_model.run(call, stop=5, every=1))
    leaves = [Leave(name="a", step=5, prompt=LEMON), Leave(name="b", step=5, prompt=CAR), Leave(name="lead", step=5)]
    looks = (Look(1, ((WIDE, 5),)), Look(3, ((WIDE, 5),)))
    probed = fresh.engine(leaving(small_model.run(call, every=1), *leaves, probe=looks))
    assert saved_in(probed) == saved_in(plain)
    # Two looks at two prompts, each half of a call where guidance doubles a call's rows, a whole one where it does not.
    assert probed[-1] == dialogue.Halt(1, 5, 2.0 if guidance > 1 else 4.0)


def test_other_families_are_probed_too(fresh: Zygote, xl_model: Model, flow_model: Model) -> None:
    for model, scheduler in ((xl_model, "euler_a"), (flow_model, "flow_euler")):
        call = model.call(scheduler=scheduler)
        plain = saved_in(fresh.engine(model.run(call, stop=4, every=1)))
        leaves = [Leave(name="a", step=4, prompt=LEMON), Leave(name="lead", step=4)]
        probed = fresh.engine(leaving(model.run(call, every=1), *leaves, probe=(Look(2, ((WIDE, 4),)),)))
        assert saved_in(probed) == plain
        assert probed[-1] == dialogue.Halt(1, 4, 0.5)


def test_near_prompts_leave_later_than_far_ones(fresh: Zygote, picture_model: Model) -> None:
    looks = (Look(1, tuple((bound / 10, 6 - place) for place, bound in enumerate((2, 4, 6, 8, 10)))),)
    leaves = [Leave(name="near", step=6, prompt="an apple on the table"), Leave(name="far", step=6, prompt=CAR)]
    answers = fresh.engine(leaving(picture_model.run(picture_model.call()), *leaves, probe=looks))
    steps = {name: step for step, names in names_in(answers) for name in names}
    assert 1 <= steps["far"] < steps["near"] <= 6
    assert answers[-1] == dialogue.Halt(1, steps["near"], 1.0)


def test_who_is_far_leaves_after_the_step_of_the_look(fresh: Zygote, small_model: Model) -> None:
    leaves = [Leave(name="far", step=5, prompt=CAR), Leave(name="lead", step=4, prompt="apple on table")]
    answers = fresh.engine(leaving(small_model.run(small_model.call()), *leaves, probe=(Look(2, ((0.0, 5),)),)))
    assert names_in(answers) == [(2, ("far",)), (4, ("lead",))]


def test_a_run_is_given_up_between_two_prompts_of_a_look(small_model: Model) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    said: list[dialogue.Answer] = []
    leaves = [Leave(name=str(number), step=5, prompt=f"a prompt with the number {number}") for number in range(8)]
    command = leaving(small_model.run(small_model.call()), *leaves, probe=(Look(1, ((WIDE, 5),)),))
    Worker(said.append, threads=1).obey(command, cancelled)
    assert [type(answer) for answer in said] == [dialogue.Loaded, dialogue.Gone]
    assert asked == 3, "the run's own first call, one prompt, and no more"
