"""Split at any step and resumed with the same prompt, a picture is the plain diffusers call's, bit for bit.

Every run here is a fresh process. A resumed one is given the call and the checkpoint's bytes, nothing else.
"""

from dataclasses import replace
from typing import Any

import pytest

from peerd.engine import dialogue
from peerd_protocol.checkpoint import unpack
from peerd_protocol.schedulers import SCHEDULERS, calls_per_run
from tests.engine.stories import Model, picture_of, saved_in
from tests.engine.zygote import Zygote

# Written out here and not taken from the engine: these are what diffusers' own users would write.
Written = dict[str, tuple[str, dict[str, Any]]]

IN_DIFFUSERS: Written = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "lms": ("LMSDiscreteScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "kdpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
}
VARIANTS_IN_DIFFUSERS: Written = {
    "lms_karras": ("LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    "euler_karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "dpmpp_2m_sde_karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    "dpmpp_2s": ("DPMSolverSinglestepScheduler", {}),
}
FLOW_IN_DIFFUSERS: Written = {
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow_heun": ("FlowMatchHeunDiscreteScheduler", {}),
}


def test_no_scheduler_is_left_out() -> None:
    assert set(SCHEDULERS) == {*IN_DIFFUSERS, *VARIANTS_IN_DIFFUSERS, *FLOW_IN_DIFFUSERS}


@pytest.mark.parametrize("scheduler", IN_DIFFUSERS)
def test_stable_diffusion_resumes_exactly_at_every_step(fresh: Zygote, picture_model: Model, scheduler: str) -> None:
    steps = 5 if calls_per_run(scheduler, 5) <= 6 else 3  # as many calls, of schedulers that make two a step
    resumes_exactly_at_every_step(fresh, half(picture_model), scheduler, *IN_DIFFUSERS[scheduler], steps=steps)


@pytest.mark.parametrize("scheduler", VARIANTS_IN_DIFFUSERS)
def test_variants_resume_exactly_at_every_step(fresh: Zygote, picture_model: Model, scheduler: str) -> None:
    resumes_exactly_at_every_step(fresh, half(picture_model), scheduler, *VARIANTS_IN_DIFFUSERS[scheduler], steps=3)


def test_so_it_does_at_its_own_size(fresh: Zygote, picture_model: Model) -> None:
    resumes_exactly_at_every_step(fresh, picture_model, "dpmpp_2m", *IN_DIFFUSERS["dpmpp_2m"], steps=4)


@pytest.mark.parametrize("scheduler", IN_DIFFUSERS)
def test_stable_diffusion_xl_resumes_exactly_at_every_step(fresh: Zygote, xl_model: Model, scheduler: str) -> None:
    resumes_exactly_at_every_step(fresh, xl_model, scheduler, *IN_DIFFUSERS[scheduler], steps=3)


@pytest.mark.parametrize("scheduler", FLOW_IN_DIFFUSERS)
def test_flow_matching_resumes_exactly_at_every_step(fresh: Zygote, flow_model: Model, scheduler: str) -> None:
    resumes_exactly_at_every_step(fresh, flow_model, scheduler, *FLOW_IN_DIFFUSERS[scheduler], steps=4)


def half(model: Model) -> Model:
    """Pictures of half the model's side take two thirds of the time, and as many steps."""
    return replace(model, size=model.size // 2)


def resumes_exactly_at_every_step(
    fresh: Zygote, model: Model, scheduler: str, scheduler_class: str, settings: dict[str, Any], steps: int
) -> None:
    call = model.call(scheduler=scheduler, steps=steps)
    total = calls_per_run(scheduler, steps)
    plain = fresh.plain(model.folder, call, scheduler_class, settings)

    # Alone, through the engine, with a checkpoint after every step: the plain call's picture.
    alone = fresh.engine(model.run(call, every=1))
    assert picture_of(alone).rgb == plain.rgb
    assert picture_of(alone).denoiser_calls == total

    # Stopped after its last step: the plain call's latent, to the last bit of its floats.
    stopped = fresh.engine(model.run(call, stop=total))
    assert stopped[-1] == dialogue.Halt(1, total)
    checkpoints = {**saved_in(alone), **saved_in(stopped)}
    assert list(checkpoints) == list(range(1, total + 1))
    assert unpack(checkpoints[total]).latent.data == plain.latent

    for step, checkpoint in checkpoints.items():
        resumed = fresh.engine(model.run(call, start=checkpoint, every=1))
        assert picture_of(resumed).rgb == plain.rgb, f"resumed after step {step} of {total}"
        assert picture_of(resumed).denoiser_calls == total - step
        assert picture_of(resumed).exact
        # And all that it would hand on again is the same: latents, solver state, random state.
        for later, again in saved_in(resumed).items():
            assert again == checkpoints[later], f"resumed after step {step}, at step {later}"


def test_a_checkpoint_on_the_way_is_the_checkpoint_of_a_run_that_stops_there(
    fresh: Zygote, picture_model: Model
) -> None:
    call = picture_model.call(scheduler="dpmpp_2m")
    on_the_way = saved_in(fresh.engine(picture_model.run(call, every=2)))
    assert list(on_the_way) == [2, 4]
    assert saved_in(fresh.engine(picture_model.run(call, stop=4)))[4] == on_the_way[4]


def test_a_run_may_change_hands_twice(fresh: Zygote, picture_model: Model) -> None:
    call = picture_model.call(scheduler="unipc")
    alone = picture_of(fresh.engine(picture_model.run(call)))
    first = saved_in(fresh.engine(picture_model.run(call, stop=2)))[2]
    second = saved_in(fresh.engine(picture_model.run(call, start=first, stop=5)))[5]
    last = fresh.engine(picture_model.run(call, start=second))
    assert picture_of(last).rgb == alone.rgb
    assert picture_of(last).denoiser_calls == 1
