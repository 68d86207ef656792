"""The mean of several prompts runs the shared steps: what plain diffusers makes of the mean embedding, bit for bit."""

import msgspec
import pytest
import torch

from peerd.engine import dialogue, pipelines
from peerd.engine.port import Look
from peerd.engine.tensors import from_wire
from peerd_protocol.checkpoint import unpack
from peerd_protocol.plan import Leave
from tests.engine.stories import WIDE, Model, leaving, picture_of, saved_in
from tests.engine.zygote import Zygote

# diffusers turns tensors into arrays in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

LEMON = "lemon on table"


def test_a_blend_is_a_beginning_for_all_and_the_lead_s_no_more(fresh: Zygote, picture_model: Model) -> None:
    """The mean of two prompts runs the steps; no digest of words travels, and each goes on with its own."""
    apple = picture_model.call()
    blended = msgspec.structs.replace(picture_model.run(apple, stop=3), blend=(apple.prompt, LEMON))
    mean = saved_in(fresh.engine(blended))[3]
    alone = saved_in(fresh.engine(picture_model.run(apple, stop=3)))[3]
    assert unpack(mean).latent != unpack(alone).latent
    assert unpack(mean).facts == msgspec.structs.replace(unpack(alone).facts, prompt="")
    backwards = msgspec.structs.replace(blended, blend=(LEMON, apple.prompt))
    assert unpack(saved_in(fresh.engine(backwards))[3]).latent == unpack(mean).latent
    for prompt in (apple.prompt, LEMON):
        ended = picture_of(fresh.engine(picture_model.run(picture_model.call(prompt), start=mean)))
        assert ended.denoiser_calls == 3


def test_the_blend_s_step_is_the_step_of_the_mean_embedding(fresh: Zygote, small_model: Model) -> None:
    """Against diffusers' own way to hand in embeddings."""
    call = small_model.call()
    command = msgspec.structs.replace(small_model.run(call, stop=6), blend=(call.prompt, LEMON))
    ours = unpack(saved_in(fresh.engine(command))[6]).latent
    loaded = pipelines.load(small_model.folder)
    loaded.set_scheduler("ddim")
    pipe = loaded.pipe
    both = [pipe.encode_prompt(prompt, "cpu", 1, True) for prompt in (call.prompt, LEMON)]
    theirs = pipe(
        prompt_embeds=torch.stack([embeds for embeds, _ in both]).mean(0),
        negative_prompt_embeds=both[0][1],
        num_inference_steps=6,
        guidance_scale=3.0,
        width=call.width,
        height=call.height,
        generator=torch.Generator("cpu").manual_seed(call.seed),
        output_type="latent",
    ).images
    assert torch.equal(from_wire(ours), theirs)


def test_a_blend_of_one_prompt_is_the_plain_run(fresh: Zygote, small_model: Model) -> None:
    call = small_model.call()
    command = msgspec.structs.replace(small_model.run(call, stop=3), blend=(call.prompt, call.prompt))
    assert saved_in(fresh.engine(command)) == saved_in(fresh.engine(small_model.run(call, stop=3)))


def test_a_probe_of_a_blended_run_asks_for_the_own_prompt_too(fresh: Zygote, small_model: Model) -> None:
    call = small_model.call()
    leaves = [Leave(name="lead", step=4, prompt=call.prompt), Leave(name="a", step=4, prompt=LEMON)]
    plain = msgspec.structs.replace(small_model.run(call, stop=4), blend=(call.prompt, LEMON))
    command = leaving(small_model.run(call), *leaves, probe=(Look(1, ((WIDE, 4),)),))
    probed = fresh.engine(msgspec.structs.replace(command, blend=(call.prompt, LEMON)))
    assert saved_in(probed) == saved_in(fresh.engine(plain))
    assert probed[-1] == dialogue.Halt(1, 4, 1.0)


def test_other_families_are_blended_too(fresh: Zygote, xl_model: Model, flow_model: Model) -> None:
    for model, scheduler in ((xl_model, "euler_a"), (flow_model, "flow_euler")):
        call = model.call(scheduler=scheduler)
        blended = msgspec.structs.replace(model.run(call, stop=2), blend=(call.prompt, LEMON))
        mean = unpack(saved_in(fresh.engine(blended))[2]).latent
        assert mean != unpack(saved_in(fresh.engine(model.run(call, stop=2)))[2]).latent


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m", "unipc", "euler_a", "heun"])
def test_a_blend_that_changes_device_goes_on_bit_for_bit(fresh: Zygote, small_model: Model, scheduler: str) -> None:
    """What the solver remembers stays true, since it is the same run; a late start from there would drop it."""
    call = small_model.call(scheduler=scheduler)
    leaves = [Leave(name="lead", step=5), Leave(name="a", step=4)]
    whole = leaving(small_model.run(call, every=1), *leaves)
    undisturbed = saved_in(fresh.engine(msgspec.structs.replace(whole, blend=(call.prompt, LEMON))))
    for step in (1, 2, 3):
        rest = leaving(small_model.run(call, start=undisturbed[step], every=1), *leaves)
        resumed = saved_in(fresh.engine(msgspec.structs.replace(rest, blend=(call.prompt, LEMON), resumes=True)))
        assert resumed == {later: data for later, data in undisturbed.items() if later > step}
