"""`peerd concepts`: why prompts are near, in words and as a picture. Never here: the judgement, or asking a daemon."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from peerd.commands.output import DONE, UsageError, print_json, screen
from peerd.planning.calibration import allowed
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
STEPS = 11
"""The steps of an ordinary run here; it only says what a number means."""


def concepts(prompts: Sequence[str], svg: Path | None, as_json: bool) -> int:
    if not prompts:
        raise UsageError("Say which prompts, for example `peerd concepts 'apple on table' 'lemon on table'`.")
    if len(prompts) > PROMPTS_MAX:
        raise UsageError(f"At most {PROMPTS_MAX} prompts at a time, not {len(prompts)}.")
    readings = [read(prompt) for prompt in prompts]
    if svg is not None:
        _write(svg, prompts)
    if as_json:
        print_json(_told(prompts, readings))
        return DONE
    console = screen()
    for prompt, reading in zip(prompts, readings, strict=True):
        console.print(prompt, style="bold", markup=False, soft_wrap=True)
        for line in _about(reading):
            console.print(f"  {line}", markup=False, soft_wrap=True)
        phrase = concept_phrase(prompt)
        shown = f"“{phrase}”" if phrase else "nothing; it would be made alone"
        console.print(f"  with --share concepts others see {shown}", style="dim", markup=False, soft_wrap=True)
    if len(prompts) > 1:
        console.print()
    common = common_phrase([concept_phrase(prompt) for prompt in prompts]) if len(prompts) > 1 else ""
    if common:
        console.print(f"In common: {common}.", markup=False, soft_wrap=True)
    for (one, first), (other, second) in combinations(zip(prompts, readings, strict=True), 2):
        near = similarity(first, second)
        names = f"“{one}” and “{other}”: " if len(prompts) > 2 else ""
        console.print(f"{names}{near:.2f} of 1; {_means(near)}.", markup=False, soft_wrap=True)
    if svg is not None:
        console.print(f"The picture is in {svg}.", style="dim", markup=False, soft_wrap=True)
    return DONE


def _about(reading: Reading) -> list[str]:
    """Which senses were chosen, each with what it is a kind of."""
    frame = reading.frame
    lines = [_sense("", thing) for thing in frame.things]
    lines += [_sense(f"{SPOKEN.get(place.relation, place.relation)} ", place.thing) for place in frame.places]
    if frame.styles:
        lines.append(f"drawn as {', '.join(sorted(frame.styles))}")
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
    if near == 1.0:
        return "the same text: all but the last step may be shared"
    steps = allowed(None, "ddim", STEPS, "balanced", near)
    return f"they may share {steps} of {STEPS} steps, with a model that nobody has calibrated"


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
