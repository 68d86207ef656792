"""What does not fit is refused before any work, in one sentence; what is only close says so."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch

from peerd.engine.tensors import to_wire
from peerd_protocol.checkpoint import Checkpoint, Random, Tensor, Value, pack, unpack
from tests.engine.stories import Model, picture_of, refusal_of, saved_in
from tests.engine.zygote import Zygote

SPLIT = 3


@pytest.fixture(scope="module")
def shared(fresh: Zygote, small_model: Model) -> bytes:
    """Three steps of an apple with a multistep solver."""
    answers = fresh.engine(small_model.run(small_model.call(scheduler="dpmpp_2m"), stop=SPLIT))
    return saved_in(answers)[SPLIT]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"model": "n" * 64}, "another model"),
        ({"scheduler": "dpmpp_2m_karras"}, "another scheduler, or the same with other settings"),
        ({"scheduler": "euler"}, "another scheduler"),
        ({"steps": 7}, "counts 6 scheduler steps in all, this call takes 7"),
        ({"seed": 42}, "another seed"),
        ({"guidance": 5.0}, "another seed, guidance"),
        ({"width": 64}, "picture, the call wants 64x"),
    ],
)
def test_a_checkpoint_of_another_call_is_refused(
    fresh: Zygote, small_model: Model, shared: bytes, other: dict[str, Any], sentence: str
) -> None:
    call = small_model.call(**{"scheduler": "dpmpp_2m", **other})
    refusal = refusal_of(fresh.engine(small_model.run(call, start=shared)))
    assert sentence in refusal.text
    assert refusal.checkpoint


def altered(shared: bytes, **fields: Any) -> bytes:
    """The checkpoint with something else in it, and a digest that is right."""
    return pack(msgspec.structs.replace(unpack(shared), **fields))


def with_solver(shared: bytes, **values: Any) -> bytes:
    state: dict[str, Value] = dict(unpack(shared).solver)
    return altered(shared, solver=tuple({**state, **values}.items()))


def without_solver(shared: bytes, name: str) -> bytes:
    return altered(shared, solver=tuple(pair for pair in unpack(shared).solver if pair[0] != name))


def broken(tensor: Tensor, number: float) -> Tensor:
    numbers = torch.frombuffer(bytearray(tensor.data), dtype=torch.float32).clone()
    numbers[7] = number
    return Tensor(shape=tensor.shape, data=numbers.numpy().tobytes())


def wide(checkpoint: Checkpoint) -> Tensor:
    sizes = checkpoint.latent.shape.sizes
    return to_wire(torch.zeros((*sizes[:-1], sizes[-1] * 2)))


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "an attribute that is a method": (lambda c: with_solver(c, step=1), "sets 'step', which"),
    "an attribute of Python": (lambda c: with_solver(c, __class__=1), "sets '__class__', which"),
    "the settings": (lambda c: with_solver(c, _internal_dict=1), "sets '_internal_dict', which"),
    "an attribute missing": (lambda c: without_solver(c, "model_outputs"), "lacks 'model_outputs'"),
    "another step's state": (lambda c: with_solver(c, _step_index=2), "is of step 3, but its solver counts 2"),
    "a number for a list": (lambda c: with_solver(c, model_outputs=1), "is not what this scheduler keeps"),
    "a list for a number": (lambda c: with_solver(c, lower_order_nums=(1,)), "is not what this scheduler keeps"),
    "a list that is too short": (lambda c: with_solver(c, model_outputs=(None,)), "holds 1 outputs"),
    "an order beyond all runs": (lambda c: with_solver(c, lower_order_nums=2**40), "which no run reaches"),
    "a negative order": (lambda c: with_solver(c, lower_order_nums=-1), "which no run reaches"),
    "a wide history": (lambda c: with_solver(c, model_outputs=(None, wide(unpack(c)))), "unlike its latent"),
    "a history that is not finite": (
        lambda c: with_solver(c, model_outputs=(None, broken(unpack(c).latent, float("nan")))),
        "holds numbers that are not finite",
    ),
    "a latent that is not finite": (
        lambda c: altered(c, outputs=(broken(unpack(c).latent, float("inf")),)),
        "latent holds numbers that are not finite",
    ),
    "a wide latent": (lambda c: altered(c, outputs=(wide(unpack(c)),)), "latent has the shape"),
    "a denoiser of millions of numbers": (
        lambda c: altered(
            c,
            template=msgspec.structs.replace(
                unpack(c).template,
                shapes=(msgspec.structs.replace(unpack(c).latent.shape, sizes=(2**12, 2**12), strides=(2**12, 1)),),
            ),
        ),
        "returns more numbers than this model's",
    ),
    "a random state that is none": (
        lambda c: altered(c, generator=Random(start=b"1", at_step=b"2")),
        "random state is not one",
    ),
    "noise": (lambda c: bytes(1000), "not a peerd checkpoint"),
    "a flipped bit": (lambda c: c[:-1] + bytes([c[-1] ^ 1]), "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_checkpoint_is_refused(fresh: Zygote, small_model: Model, shared: bytes, name: str) -> None:
    alter, sentence = HOSTILE[name]
    call = small_model.call(scheduler="dpmpp_2m")
    refusal = refusal_of(fresh.engine(small_model.run(call, start=alter(shared))))
    assert sentence in refusal.text
    assert refusal.checkpoint


@pytest.mark.parametrize(
    "elsewhere",
    [{"device": "cuda"}, {"software": "torch 1.0"}, {"threads": 4}, {"dtype": "float16"}, {"noise": "mine"}],
)
def test_a_checkpoint_from_elsewhere_is_close(
    fresh: Zygote, small_model: Model, shared: bytes, elsewhere: dict[str, Any]
) -> None:
    facts = msgspec.structs.replace(unpack(shared).facts, **elsewhere)
    call = small_model.call(scheduler="dpmpp_2m")
    assert not picture_of(fresh.engine(small_model.run(call, start=altered(shared, facts=facts)))).exact


def test_another_number_of_threads_is_close(fresh: Zygote, small_model: Model, shared: bytes) -> None:
    call = small_model.call(scheduler="dpmpp_2m")
    assert not picture_of(fresh.engine(small_model.run(call, start=shared), threads=2)).exact


def test_a_latent_in_half_precision_is_taken_and_is_close(fresh: Zygote, small_model: Model, shared: bytes) -> None:
    checkpoint = unpack(shared)
    numbers = torch.frombuffer(bytearray(checkpoint.latent.data), dtype=torch.float32)
    half = to_wire(numbers.reshape(checkpoint.latent.shape.sizes).half())
    facts = msgspec.structs.replace(checkpoint.facts, dtype="float16")
    call = small_model.call(scheduler="dpmpp_2m")
    picture = picture_of(fresh.engine(small_model.run(call, start=altered(shared, outputs=(half,), facts=facts))))
    assert not picture.exact


@pytest.mark.parametrize(
    ("wishes", "order", "sentence"),
    [
        ({"scheduler": "foo"}, {}, "There is no scheduler 'foo'; choose one of ddim"),
        ({"scheduler": "lcm", "steps": 51}, {}, "The scheduler lcm takes 1 to 50 steps, not 51."),
        ({}, {"stop": 7}, "The call takes 6 scheduler steps; it can not stop at step 7."),
        ({}, {"stop": 0}, "it can not stop at step 0."),
        ({"width": 12}, {}, "The model does not take this call: `height` and `width` have to be divisible by 8"),
        ({"scheduler": "flow_euler"}, {}, "choose another"),
    ],
)
def test_a_call_that_can_not_be_made_is_refused(
    fresh: Zygote, small_model: Model, wishes: dict[str, Any], order: dict[str, Any], sentence: str
) -> None:
    command = small_model.run(small_model.call(**wishes), **order)
    refusal = refusal_of(fresh.engine(command))
    assert sentence in refusal.text
    assert not refusal.checkpoint


def test_words_can_be_kept_out_of_a_checkpoint(fresh: Zygote, small_model: Model, shared: bytes) -> None:
    call = small_model.call(scheduler="dpmpp_2m")
    command = msgspec.structs.replace(small_model.run(call, stop=SPLIT), hide_prompt=True)
    hidden = unpack(saved_in(fresh.engine(command))[SPLIT])
    assert hidden.facts == msgspec.structs.replace(unpack(shared).facts, prompt="")
    assert hidden.solver == unpack(shared).solver


def test_a_checkpoint_beyond_the_stop_is_refused(fresh: Zygote, small_model: Model, shared: bytes) -> None:
    command = small_model.run(small_model.call(scheduler="dpmpp_2m"), start=shared, stop=SPLIT)
    assert "is at step 3 already" in refusal_of(fresh.engine(command)).text
