"""Each step tells a digest of the latent that it left, so that a later replay of one step can be held against it.

Never here: what a receipt makes of them.
"""

import pytest
import torch

from peerd.engine import dialogue
from peerd.engine.tensors import from_wire, rows_of
from peerd_protocol.checkpoint import unpack
from peerd_protocol.commitment import step_digest
from tests.engine.stories import Model, saved_in
from tests.engine.zygote import Zygote

# diffusers turns tensors into arrays in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def digests_in(answers: list[dialogue.Answer]) -> dict[int, bytes]:
    return {answer.step: answer.digest for answer in answers if isinstance(answer, dialogue.Step)}


@pytest.mark.parametrize("scheduler", ["ddim", "heun"])
def test_a_replay_of_any_step_gives_its_digest_again(fresh: Zygote, small_model: Model, scheduler: str) -> None:
    call = small_model.call(scheduler=scheduler)
    answers = fresh.engine(small_model.run(call, stop=5, every=1))
    told, checkpoints = digests_in(answers), saved_in(answers)
    assert len(set(told.values())) == 5
    for step, checkpoint in checkpoints.items():
        latent = from_wire(unpack(checkpoint).outputs[0])
        assert told[step] == step_digest(step, rows_of(latent)), "what is handed over is what was committed to"
    replayed = digests_in(fresh.engine(small_model.run(call, start=checkpoints[3], stop=4)))
    assert replayed == {4: told[4]}


def test_a_digest_is_of_the_numbers_and_not_of_their_order_in_memory() -> None:
    rows = torch.arange(2 * 4 * 8 * 8, dtype=torch.float32).reshape(2, 4, 8, 8)
    other = rows.to(memory_format=torch.channels_last)
    assert other.stride() != rows.stride()
    assert step_digest(1, rows_of(other)) == step_digest(1, rows_of(rows))
    assert step_digest(1, rows_of(rows.bfloat16())) != step_digest(1, rows_of(rows))
