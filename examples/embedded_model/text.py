"""Tokenizer and text encoder: words become one token each, prompts become places in a designed space.

Here live the byte-level BPE and the text encoder's training. The encoder learns, from captions alone, a designed
similarity of scenes (0.6 noun + 0.4 place - 0.1 colour) and to name noun, place and colour; then it is frozen.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections import Counter

import torch
from captions import Scene, caption, corpus_words
from common import WORK, Budget, load_tensors, quiet, save_tensors, say, set_rate
from models import TEXT_LENGTH, TEXT_WIDTH, new_text_encoder
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer
from words import BY_NAME, COLOURS, NEAR_PLACES, NOUN_NAMES, PLACE_NAMES, all_pairs

FOLDER = WORK / "tokenizer"
CHECKPOINT = WORK / "text.safetensors"
START, END = "<|startoftext|>", "<|endoftext|>"
BATCH, RATE = 128, 2e-3


def byte_letters() -> list[str]:
    """The 256 printable stand-ins that byte-level BPE uses for bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Merges the most frequent neighbours until each word is one token."""
    split = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while any(len(parts) > 1 for parts in split):
        counts = Counter(pair for parts in split for pair in itertools.pairwise(parts))
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        for parts in split:
            i = 0
            while i < len(parts) - 1:
                if (parts[i], parts[i + 1]) == best:
                    parts[i : i + 2] = ["".join(best)]
                i += 1
    return merges


def make_tokenizer() -> CLIPTokenizer:
    """Builds the tokenizer's folder once and loads it."""
    if not (FOLDER / "tokenizer_config.json").exists():
        merges = learn_merges(corpus_words())
        letters = byte_letters()
        tokens = [*letters, *(letter + "</w>" for letter in letters), *dict.fromkeys("".join(m) for m in merges)]
        vocabulary = {token: i for i, token in enumerate([*tokens, START, END])}
        CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TEXT_LENGTH).save_pretrained(FOLDER)
        (FOLDER / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
        (FOLDER / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    return CLIPTokenizer.from_pretrained(FOLDER)


def tokens_of(tokenizer: CLIPTokenizer, sentences: list[str]) -> torch.Tensor:
    """Token ids, padded and cut exactly as the pipeline does it."""
    return tokenizer(
        sentences, padding="max_length", max_length=TEXT_LENGTH, truncation=True, return_tensors="pt"
    ).input_ids


def similarity(one: Scene, other: Scene) -> float:
    """How alike two scenes are meant to be."""
    if one.noun == other.noun:
        noun = 1.0
    else:
        noun = 0.65 if one.noun and other.noun and BY_NAME[one.noun].kind == BY_NAME[other.noun].kind else 0.0
    place = 1.0 if one.place == other.place else NEAR_PLACES.get(frozenset((one.place, other.place)), 0.0)
    return 0.6 * noun + 0.4 * place - (0.1 if noun == 1.0 and one.colour != other.colour else 0.0)


def draw_scene(rng: random.Random) -> Scene:
    """Any scene; the text encoder may know every pair, for words are not pictures."""
    noun, place = rng.choice(all_pairs())
    if rng.random() < 0.02:
        return Scene("", "", place)
    colours = BY_NAME[noun].colours
    return Scene(noun, rng.choice(colours) if colours and rng.random() < 0.5 else "", place)


def load_text_encoder() -> CLIPTextModel:
    """The trained encoder, frozen."""
    tensors, _ = load_tensors(CHECKPOINT)
    encoder = new_text_encoder(len(make_tokenizer()))
    encoder.load_state_dict(tensors)
    return encoder.eval().requires_grad_(False)


def cosine(encoder: CLIPTextModel, tokenizer: CLIPTokenizer, one: str, other: str) -> float:
    """Cosine of two prompts' pooled vectors, as peerd measures it."""
    with torch.no_grad():
        pooled = F.normalize(encoder(tokens_of(tokenizer, [one, other])).pooler_output, dim=1)
    return float(pooled[0] @ pooled[1])


PROBES = (
    ("apple on table", "lemon on table"), ("a cat on the grass", "a dog on the grass"),
    ("a red car on the beach", "a car on the beach"),
    ("apple on table", "a red car on the beach"), ("a cup on a book", "a tree near a river"),
    ("apple on table", "apple on the moon"),
    ("a bird on the desk", "a dog on the desk"), ("a bird on the desk", "a bird on the table"),
)  # fmt: skip


def main() -> None:
    """Trains for `--minutes` (one is plenty)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.2)
    options = parser.parse_args()
    quiet()
    torch.manual_seed(0)
    rng, tokenizer = random.Random(5), make_tokenizer()
    encoder = new_text_encoder(len(tokenizer))
    heads = torch.nn.ModuleList(
        torch.nn.Linear(TEXT_WIDTH, n) for n in (len(NOUN_NAMES) + 1, len(PLACE_NAMES), len(COLOURS))
    )
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=1e-3)
    names = ("", *NOUN_NAMES)
    budget = Budget(options.minutes)
    for factor in budget:
        set_rate(optimizer, RATE * factor)
        scenes = [draw_scene(rng) for _ in range(BATCH)]
        for i in range(0, BATCH - 1, 4):  # enough pairs that share something
            noun, place = scenes[i].noun, scenes[i].place
            scenes[i + 1] = (
                Scene(scenes[i + 1].noun, scenes[i + 1].colour, place) if scenes[i + 1].noun else scenes[i + 1]
            )
            scenes[i + 2] = Scene(noun, scenes[i].colour, scenes[i + 2].place)
        said = [caption(scene, rng) for scene in scenes]
        pooled = encoder(tokens_of(tokenizer, said)).pooler_output
        unit = F.normalize(pooled, dim=1)
        wanted = torch.tensor([[similarity(a, b) for b in scenes] for a in scenes])
        facts = torch.tensor(
            [[names.index(s.noun), PLACE_NAMES.index(s.place), COLOURS.index(s.colour)] for s in scenes]
        )
        loss = 10 * F.mse_loss(unit @ unit.T, wanted)
        for i, head in enumerate(heads):
            loss = loss + 0.5 * F.cross_entropy(head(pooled), facts[:, i])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if budget.steps % 50 == 49:
            say(f"step {budget.steps} {budget.spent:.0f} s loss {loss.detach():.3f}")
    save_tensors(CHECKPOINT, encoder.state_dict(), {"steps": budget.steps})
    for one, other in PROBES:
        say(f"cosine {cosine(encoder, tokenizer, one, other):+.2f}  {one} | {other}")


if __name__ == "__main__":
    main()
