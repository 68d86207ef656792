"""A model folder as diffusers loads it: its pipeline, its denoisers, and how a call becomes keyword arguments.

Anything that `DiffusionPipeline.from_pretrained` loads from a folder is welcome; what differs between families is read
from the pipeline itself. Never here: splitting a call (resumable.py), or a download.
"""

import copy
import inspect
import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import torch

from peerd_protocol.checkpoint import scheduler_digest_of
from peerd_protocol.errors import EngineError
from peerd_protocol.plan import Call
from peerd_protocol.schedulers import scheduler_named

DENOISERS = ("unet", "transformer", "transformer_2")
"""Components whose calls are the costly ones; a pipeline has at least one of them."""

SCHEDULER_CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "lms": ("LMSDiscreteScheduler", {}),
    "lms_karras": ("LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "kdpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2m_sde_karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    "dpmpp_2s": ("DPMSolverSinglestepScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow_heun": ("FlowMatchHeunDiscreteScheduler", {}),
}
"""What each name of ours is in diffusers. Settings a class does not know stay out of it, as `from_config` has it."""


@dataclass(slots=True)
class Pipeline:
    """One loaded model. `base` is the scheduler's configuration as the folder has it."""

    folder: Path
    pipe: Any
    denoisers: list[Any]
    base: dict[str, Any]
    base_class: str
    dtype: str
    device: str
    fresh: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """Schedulers by name, made and never used, with their digests."""

    def set_scheduler(self, name: str) -> str:
        """Put the named scheduler in, configured as the model's own; its settings' digest."""
        if name not in self.fresh:
            scheduler = self._scheduler(name)
            settings = {key: value for key, value in scheduler.config.items() if not key.startswith("_")}
            text = json.dumps(settings, sort_keys=True, default=str)
            self.fresh[name] = scheduler, scheduler_digest_of(type(scheduler).__name__, text)
        scheduler, digest = self.fresh[name]
        # A copy for every call: some change their own settings to suit a number of steps, and KDPM2 takes a third of a
        # second to make.
        self.pipe.scheduler = copy.deepcopy(scheduler)
        return digest

    def arguments(self, call: Call) -> dict[str, Any]:
        """The pipeline's keyword arguments for this call, all but the generator."""
        wanted = {
            "prompt": call.prompt,
            # diffusers reads None as the empty text; several families dislike an empty string.
            "negative_prompt": call.negative or None,
            "num_inference_steps": call.steps,
            "guidance_scale": call.guidance,
            "width": call.width,
            "height": call.height,
            "output_type": "pil",
        }
        known = inspect.signature(type(self.pipe).__call__).parameters
        return {key: value for key, value in wanted.items() if key in known}

    def embed(self, prompts: list[str]) -> list[bytes]:
        """The text encoder's pooled, normalised embeddings as float16 bytes."""
        number = "_2" if getattr(self.pipe, "text_encoder_2", None) is not None else ""
        tokenizer = getattr(self.pipe, f"tokenizer{number}", None)
        encoder = getattr(self.pipe, f"text_encoder{number}", None)
        if tokenizer is None or encoder is None:
            raise EngineError(f"The model in {self.folder} has no text encoder; it can not compare prompts.")
        # A tokenizer without a limit says so with an enormous one.
        length = min(tokenizer.model_max_length, 512)
        tokens = tokenizer(prompts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        with torch.inference_mode():
            output = encoder(tokens.input_ids.to(encoder.device))
        pooled = getattr(output, "text_embeds", None)
        if pooled is None:
            pooled = getattr(output, "pooler_output", None)
        if pooled is None:
            mask = tokens.attention_mask.to(encoder.device).unsqueeze(-1)
            pooled = (output.last_hidden_state * mask).sum(1) / mask.sum(1).clamp(min=1)
        unit = torch.nn.functional.normalize(pooled.float(), dim=-1).to("cpu", torch.float16)
        return [row.numpy().astype("<f2").tobytes() for row in unit]

    def _scheduler(self, name: str) -> Any:
        named = scheduler_named(name)
        import diffusers

        class_name, settings = SCHEDULER_CLASSES[name]
        flow = self.base_class.startswith("FlowMatch")
        if named.flow != flow:
            kind = "flow-matching" if flow else "noise-predicting"
            raise EngineError(f"The scheduler {name} does not work with this {kind} model; choose another.")
        if class_name == "LMSDiscreteScheduler" and find_spec("scipy") is None:
            # diffusers would only notice in the middle of the first step.
            raise EngineError(f"The scheduler {name} needs the package scipy; install it or choose another scheduler.")
        try:
            return getattr(diffusers, class_name).from_config(self.base, **settings)
        except (ImportError, ValueError, TypeError, NotImplementedError) as error:
            raise EngineError(
                f"The scheduler {name} does not take this model's settings: {one_line(error)}."
            ) from error


def load(folder: Path, device: str = "cpu") -> Pipeline:
    """Load the model in `folder`; EngineError says what is wrong with it."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise EngineError(f"{folder} is not a model: there is no model_index.json in it.")
    parts = _read_index(index)
    # A part that the index calls absent must be named when loading, or some families miss it.
    absent = {name: None for name, part in parts.items() if isinstance(part, list) and part[0] is None}
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline
    from diffusers.utils import logging

    logging.disable_progress_bar()
    # Half precision is slower than fp32 on CPUs without its instructions, a hundred times with AVX2's bf16.
    dtype = torch.float32 if device == "cpu" else torch.float16
    try:
        pipe: Any = DiffusionPipeline.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, variant=_variant(folder), **absent
        ).to(device=device, dtype=dtype)
    except MemoryError:
        raise
    except Exception as error:
        raise EngineError(f"The model in {folder} could not be loaded: {one_line(error)}.") from error
    denoisers = [part for name in DENOISERS if (part := getattr(pipe, name, None)) is not None]
    if not denoisers or getattr(pipe, "scheduler", None) is None:
        raise EngineError(f"The model in {folder} has no denoiser and scheduler that peerd knows.")
    pipe.set_progress_bar_config(disable=True)
    return Pipeline(
        folder=folder,
        pipe=pipe,
        denoisers=denoisers,
        base=dict(pipe.scheduler.config),
        base_class=type(pipe.scheduler).__name__,
        dtype=str(dtype).removeprefix("torch."),
        device=device,
    )


def _read_index(index: Path) -> dict[str, Any]:
    """The pipeline's parts; a folder made for another library fails here with its own sentence."""
    import diffusers

    try:
        parts: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
        name = parts["_class_name"]
    except (OSError, ValueError, KeyError, TypeError):
        raise EngineError(f"{index} is not readable as a diffusers model index; copy the model again.") from None
    if not isinstance(name, str) or not hasattr(diffusers, name):
        raise EngineError(f"The installed diffusers does not know the pipeline {str(name)[:80]!r} of {index.parent}.")
    if _needs_a_picture(getattr(diffusers, name)):
        raise EngineError(f"The model in {index.parent} draws from a picture, not from words alone; choose another.")
    return parts


def _needs_a_picture(pipeline: Any) -> bool:
    """Whether it is an img2img, inpainting or refining pipeline, which fails without an image."""
    known = inspect.signature(pipeline.__call__).parameters
    if "image" not in known or "mask_image" in known:
        return "mask_image" in known
    # Its default is None even where it must be given; only the annotation tells.
    kind = known["image"].annotation
    optional = type(None) in get_args(kind) or (isinstance(kind, str) and ("None" in kind or "Optional" in kind))
    return known["image"].default is inspect.Parameter.empty or not optional


def _variant(folder: Path) -> str | None:
    """`fp16` where a part's weights are there under that name only; the plain ones are finer."""
    parts: dict[Path, list[str]] = {}
    for file in folder.glob("*/*.safetensors"):
        parts.setdefault(file.parent, []).append(file.name)
    return "fp16" if any(all(".fp16" in name for name in names) for names in parts.values()) else None


def one_line(error: BaseException) -> str:
    """An error of a library as the end of a sentence of ours."""
    text = " ".join(str(error).split())
    return (text[:200] or type(error).__name__).rstrip(".")
