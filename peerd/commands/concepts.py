"""`peerd concepts`: why prompts are near, in words and as a picture. Never here: the judgement, or asking a daemon."""

import contextlib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from peerd import config
from peerd.commands.output import DONE, UsageError, print_json, screen
from peerd.commands.wishes import check_prompt
from peerd.engine.model_folder import CALIBRATION_FILE, EMBEDDED_FOLDER
from peerd.models import calibrations
from peerd.models.registry import EMBEDDED_STEPS
from peerd.planning.calibration import Calibration, allowed, parse
from peerd.planning.frames import UNKNOWN, Thing
from peerd.planning.kinship import kinds
from peerd.planning.nouns import nouns
from peerd.planning.phrases import common_phrase, concept_phrase
from peerd.planning.settings import PlanSettings
from peerd.planning.similarity import Reading, read, similarity
from peerd.planning.words import SPOKEN
from peerd_protocol.errors import LocalError

PROMPTS_MAX = 32
"""As many as one plan takes; a picture of more could not be read."""
HYPERNYMS_SAID = 3
UNKNOWN_BOTH = " by their letters (peerd knows no noun of either; a daemon asks the model's own text encoder)"
LINES_MAX = 12
"""What is said of one prompt; who needs more of a long one sees it in the picture."""


def concepts(prompts: Sequence[str], svg: Path | None, as_json: bool) -> int:
    if not prompts:
        raise UsageError("Say which prompts, for example `peerd concepts 'apple on table' 'lemon on table'`.")
    if len(prompts) > PROMPTS_MAX:
        raise UsageError(f"At most {PROMPTS_MAX} prompts at a time, not {len(prompts)}.")
    readings = [read(check_prompt(prompt)) for prompt in prompts]
    if svg is not None:
        _write(svg, prompts)
    if as_json:
        print_json(_told(prompts, readings))
        return DONE
    console = screen()
    for prompt, reading in zip(prompts, readings, strict=True):
        console.print(prompt, style="bold", soft_wrap=True)
        for line in _about(reading):
            console.print(f"  {line}", soft_wrap=True)
        phrase = concept_phrase(prompt)
        shown = f"“{phrase}”" if phrase else "nothing; it would be made alone"
        console.print(f"  with --share concepts others see {shown}", style="dim", soft_wrap=True)
    if len(prompts) > 1:
        console.print()
    common = common_phrase([concept_phrase(prompt) for prompt in prompts]) if len(prompts) > 1 else ""
    if common:
        console.print(f"In common: {common}.", soft_wrap=True)
    for (one, first), (other, second) in combinations(zip(prompts, readings, strict=True), 2):
        near = similarity(first, second)
        unknown = not first.frame.known and not second.frame.known
        names = f"“{one}” and “{other}”: " if len(prompts) > 2 else ""
        console.print(f"{names}{near:.2f} of 1{UNKNOWN_BOTH if unknown else ''}; {_means(near)}.", soft_wrap=True)
    if svg is not None:
        console.print(f"The picture is in {svg}.", style="dim", soft_wrap=True)
    return DONE


def _about(reading: Reading) -> list[str]:
    """Which senses were chosen, each with what it is a kind of."""
    frame = reading.frame
    lines = [_sense("", thing) for thing in frame.things]
    lines += [_sense(f"{SPOKEN.get(place.relation, place.relation)} ", place.thing) for place in frame.places]
    if frame.styles:
        lines.append(f"drawn as {', '.join(sorted(frame.styles))}")
    lines = list(dict.fromkeys(lines))
    if len(lines) > LINES_MAX:
        lines[LINES_MAX - 1 :] = [f"and {len(lines) - LINES_MAX + 1} more"]
    return lines or ["no noun that peerd knows; only the model's own text encoder can compare it"]


def _sense(relation: str, thing: Thing) -> str:
    name = relation + thing.lemma.replace("_", " ")
    if thing.attributes:
        name += f" ({', '.join(sorted(thing.attributes))})"
    if thing.synset == UNKNOWN:
        return f"{name}: not known"
    above = [nouns().name(synset) for synset in kinds(thing.synset)[:HYPERNYMS_SAID]]
    return f"{name}: {', a kind of '.join(above)}" if above else name


def _means(near: float) -> str:
    bound = PlanSettings().similar_min
    if near < bound:
        return f"less than {bound}, so each is made alone"
    steps = allowed(_calibration(), "ddim", EMBEDDED_STEPS, "balanced", near)
    return f"on the embedded model they may share {steps} of {EMBEDDED_STEPS} steps"


def _calibration() -> Calibration | None:
    """What was measured of the embedded model on this device, else before it was shipped."""
    shipped = parse((EMBEDDED_FOLDER / CALIBRATION_FILE).read_bytes())
    with contextlib.suppress(LocalError):  # the daemon says in its log what is wrong with such a file
        data = calibrations.read(config.home(), shipped.model)
        return shipped if data is None else parse(data)
    return None


def _told(prompts: Sequence[str], readings: Sequence[Reading]) -> dict[str, Any]:
    pairs = combinations(zip(prompts, readings, strict=True), 2)
    return {
        "prompts": [
            {"prompt": prompt, "about": _about(reading), "concepts": concept_phrase(prompt)}
            for prompt, reading in zip(prompts, readings, strict=True)
        ],
        "in_common": common_phrase([concept_phrase(prompt) for prompt in prompts]),
        "similarities": [
            {"first": one, "second": other, "similarity": round(similarity(first, second), 4)}
            for (one, first), (other, second) in pairs
        ],
    }


def _write(svg: Path, prompts: Sequence[str]) -> None:
    from peerd.planning.concepts import ConceptGraph
    from peerd.screen.concept_picture import draw

    graph = ConceptGraph()
    for number, prompt in enumerate(prompts):
        graph.add(f"{number:02}", prompt)
    try:
        svg.write_text(draw(graph.graph), encoding="utf-8")
    except OSError as error:
        raise LocalError(f"The picture could not be written to {svg} ({error.strerror}); name another file.") from None
