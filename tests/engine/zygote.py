"""Fresh processes for the engine's tests, cheaply: `python -m tests.engine.zygote`.

A zygote imports torch and loads models, and never runs one. Each question is answered by a fork of it, which sees
nothing but the question's bytes, and ends.
"""

import contextlib
import gc
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from peerd.engine import dialogue
from peerd_protocol.errors import EngineError
from peerd_protocol.plan import Call
from peerd_protocol.schedulers import SCHEDULERS

ANSWER_BYTES_MAX = 64 * 1024 * 1024


class Load(msgspec.Struct, tag=True):
    """Load this model into the zygote itself."""

    folder: str
    model: str


class Engine(msgspec.Struct, tag=True):
    """Give this command to an engine's worker."""

    command: dialogue.Run
    threads: int = 1


class Plain(msgspec.Struct, tag=True):
    """Call diffusers as its documentation says, with no code of ours."""

    folder: str
    call: Call
    scheduler_class: str
    settings: dict[str, Any]


class Heard(msgspec.Struct):
    """What the fork said: the engine's answers, or the plain call's picture and latent."""

    answers: list[dialogue.Answer] = []
    rgb: bytes = b""
    latent: bytes = b""
    error: str = ""


class Zygote:
    """The tests' end."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def load(self, folder: Path, model: str) -> None:
        """Have this model in memory before anything runs."""
        self._ask(Load(str(folder), model))

    def engine(self, command: dialogue.Run, threads: int = 1) -> list[dialogue.Answer]:
        """What a fresh engine answers to this command."""
        return self._ask(Engine(command, threads)).answers

    def plain(self, folder: Path, call: Call, scheduler_class: str, settings: dict[str, Any]) -> Heard:
        """What plain diffusers makes of this call."""
        return self._ask(Plain(str(folder), call, scheduler_class, settings))

    def _ask(self, question: Load | Engine | Plain) -> Heard:
        assert self._process.stdin is not None and self._process.stdout is not None
        body = msgspec.msgpack.encode(question)
        self._process.stdin.write(len(body).to_bytes(4, "little") + body)
        self._process.stdin.flush()
        heard = msgspec.msgpack.decode(_read(self._process.stdout), type=Heard)
        assert not heard.error, heard.error
        return heard


@contextmanager
def started() -> Iterator[Zygote]:
    """A zygote for as long as the tests need it."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1",
        "DIFFUSERS_VERBOSITY": "error",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    with process:
        try:
            yield Zygote(process)
        finally:
            process.kill()


def _read(pipe: Any) -> bytes:
    head = pipe.read(4)
    assert len(head) == 4, "the zygote died; its words are above"
    length = int.from_bytes(head, "little")
    assert length <= ANSWER_BYTES_MAX
    body: bytes = pipe.read(length)
    return body


def main() -> None:
    """Answer until stdin ends."""
    warnings.simplefilter("ignore")
    import diffusers
    import torch

    from peerd.engine import worker

    torch.set_num_threads(1)
    diffusers.utils.logging.disable_progress_bar()
    ours: dict[str, worker.Worker] = {}
    theirs: dict[str, Any] = {}
    said: list[dialogue.Answer] = []

    def plain(question: Plain) -> Heard:
        pipe, call = theirs[question.folder], question.call
        scheduler = getattr(diffusers, question.scheduler_class)
        pipe.scheduler = scheduler.from_config(pipe.scheduler.config, **question.settings)
        torch.manual_seed(call.seed)
        latents: list[Any] = []

        def after_a_step(_: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            latents[:] = tensors["latents"]
            return {}

        (picture,) = pipe(
            call.prompt,
            negative_prompt=call.negative or None,
            num_inference_steps=call.steps,
            guidance_scale=call.guidance,
            width=call.width,
            height=call.height,
            generator=torch.Generator("cpu").manual_seed(call.seed),
            callback_on_step_end=after_a_step,
        ).images
        return Heard(rgb=picture.tobytes(), latent=latents[0].numpy().tobytes())

    def answer(question: Load | Engine | Plain) -> Heard:
        match question:
            case Load(folder, model):
                parts = json.loads((Path(folder) / "model_index.json").read_text())
                absent = {name: None for name, part in parts.items() if isinstance(part, list) and part[0] is None}
                theirs[folder] = diffusers.DiffusionPipeline.from_pretrained(folder, **absent).to(torch.float32)
                theirs[folder].set_progress_bar_config(disable=True)
                ours[folder] = worker.Worker(said.append, threads=1)
                prepare = dialogue.Prepare(0, folder, model)
                ours[folder].obey(prepare, lambda: False)
                for name in SCHEDULERS:
                    # Made here and never stepped, since some take a third of a second to make.
                    with contextlib.suppress(EngineError):
                        ours[folder].load(prepare, quiet=True).set_scheduler(name)
                return Heard()
            case Engine(command, threads):
                torch.set_num_threads(threads)
                ours[command.folder].threads = threads
                said.clear()
                ours[command.folder].obey(command, lambda: False)
                return Heard(answers=list(said))
            case Plain():
                return plain(question)

    # Nothing is collected and nothing moved: a fork then shares its pages with the zygote.
    gc.disable()
    questions = msgspec.msgpack.Decoder(Load | Engine | Plain)
    while head := sys.stdin.buffer.read(4):
        question = questions.decode(sys.stdin.buffer.read(int.from_bytes(head, "little")))
        forked = 0 if isinstance(question, Load) else os.fork()
        if forked:
            os.waitpid(forked, 0)
            continue
        try:
            heard = answer(question)
        except Exception as error:
            heard = Heard(error=repr(error))
        body = msgspec.msgpack.encode(heard)
        sys.stdout.buffer.write(len(body).to_bytes(4, "little") + body)
        sys.stdout.buffer.flush()
        if not isinstance(question, Load):
            os._exit(0)


if __name__ == "__main__":
    main()
