"""A handoff to another prompt: the latent goes on, the solver's memory of the old prompt does not."""

from typing import Any

import pytest
import torch

from peerd.engine import solver_state
from peerd_protocol.checkpoint import unpack
from tests.engine.stories import Model, picture_of, saved_in
from tests.engine.zygote import Zygote

# diffusers turns tensors into arrays in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

STEPS = 8
SPLIT = 4
MULTISTEP = ["pndm", "lms", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2s", "unipc", "deis"]


@pytest.mark.parametrize("scheduler", ["ddim", "euler_a", "heun", "kdpm2", *MULTISTEP])
def test_another_prompt_goes_on_from_the_same_beginning(fresh: Zygote, small_model: Model, scheduler: str) -> None:
    apple = small_model.call("apple on table", scheduler=scheduler, steps=STEPS)
    lemon = small_model.call("lemon on table", scheduler=scheduler, steps=STEPS)
    shared = saved_in(fresh.engine(small_model.run(apple, stop=SPLIT)))[SPLIT]

    finished = picture_of(fresh.engine(small_model.run(lemon, start=shared)))
    assert finished.rgb != picture_of(fresh.engine(small_model.run(apple, start=shared))).rgb
    assert finished.rgb != picture_of(fresh.engine(small_model.run(lemon))).rgb
    # It is a run like any other: the same again from the same bytes.
    assert finished.exact
    assert finished.rgb == picture_of(fresh.engine(small_model.run(lemon, start=shared))).rgb


def test_a_negative_prompt_is_a_part_of_the_words(fresh: Zygote, small_model: Model) -> None:
    apple = small_model.call(scheduler="dpmpp_2m")
    shared = saved_in(fresh.engine(small_model.run(apple, stop=3)))[3]
    unlike = small_model.call(scheduler="dpmpp_2m", negative="red")
    assert picture_of(fresh.engine(small_model.run(unlike, start=shared))).denoiser_calls == 3


@pytest.mark.parametrize("scheduler", MULTISTEP)
def test_the_history_of_the_old_prompt_is_dropped(fresh: Zygote, small_model: Model, scheduler: str) -> None:
    apple = small_model.call("apple on table", scheduler=scheduler, steps=STEPS)
    lemon = small_model.call("lemon on table", scheduler=scheduler, steps=STEPS)
    shared = saved_in(fresh.engine(small_model.run(apple, stop=SPLIT)))[SPLIT]
    state = dict(unpack(saved_in(fresh.engine(small_model.run(lemon, start=shared, stop=SPLIT + 1)))[SPLIT + 1]).solver)
    name = next(name for name in ("ets", "derivatives", "model_outputs") if name in state)
    outputs = [output for output in state[name] if output is not None]  # type: ignore[union-attr]
    assert len(outputs) == 1, "one output since the handoff, none from before it"


def split(scheduler: Any, split_at: int, before: torch.Tensor, after: torch.Tensor) -> tuple[Any, torch.Tensor]:
    """Steps with one constant model output; then a fresh scheduler goes on without history with another one."""
    scheduler.set_timesteps(STEPS)
    sample = torch.full((1, 1, 2, 2), 1.5)
    for timestep in scheduler.timesteps[:split_at]:
        scheduler.scale_model_input(sample, timestep)
        sample = scheduler.step(before, timestep, sample, return_dict=False)[0]
    state = solver_state.capture(scheduler)
    resumed = type(scheduler).from_config(scheduler.config)
    resumed.set_timesteps(STEPS)
    solver_state.restore(resumed, state, sample, keep_history=False)
    handed = sample
    for since, timestep in enumerate(resumed.timesteps[split_at:]):
        resumed.scale_model_input(sample, timestep)
        arguments = (after, timestep, sample)
        sample = solver_state.step_after_drop(type(resumed).step, resumed, since, arguments, {"return_dict": False})[0]
    return handed, sample


BEFORE, AFTER = torch.full((1, 1, 2, 2), -0.7), torch.full((1, 1, 2, 2), 0.4)


def test_lms_without_history_makes_eulers_steps_while_the_output_is_constant() -> None:
    from diffusers import EulerDiscreteScheduler, LMSDiscreteScheduler

    handed, ended = split(LMSDiscreteScheduler(), SPLIT, BEFORE, AFTER)
    euler = EulerDiscreteScheduler()
    euler.set_timesteps(STEPS)
    expected = handed
    for timestep in euler.timesteps[SPLIT:]:
        euler.scale_model_input(expected, timestep)
        expected = euler.step(AFTER, timestep, expected, return_dict=False)[0]
    assert torch.allclose(ended, expected, atol=1e-5)


@pytest.mark.parametrize("split_at", [2, 3, 6])
def test_pndm_without_history_makes_first_order_steps_while_the_output_is_constant(split_at: int) -> None:
    from diffusers import PNDMScheduler

    scheduler = PNDMScheduler(skip_prk_steps=True)
    handed, ended = split(scheduler, split_at, BEFORE, AFTER)
    width = scheduler.config.num_train_timesteps // STEPS
    expected = handed
    for timestep in scheduler.timesteps[split_at:]:
        expected = scheduler._get_prev_sample(expected, timestep, timestep - width, AFTER)
    assert torch.allclose(ended, expected, atol=1e-6)


def test_pndm_keeps_the_half_of_its_first_step() -> None:
    from diffusers import PNDMScheduler

    scheduler = PNDMScheduler(skip_prk_steps=True)
    _, ended = split(scheduler, 1, BEFORE, AFTER)
    assert bool(torch.isfinite(ended).all())
