"""Requests as a crowd would ask them: few things and places much, most of them seldom (Zipf), stand-in embeddings.

An embedding here is the sum of directions that belong to the prompt's words, so that prompts that share words are near,
as with a text encoder; it is a stand-in for speed and structure, not for meaning.
"""

import math
import random
import struct
from collections.abc import Sequence
from functools import lru_cache

from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call, Request

_THINGS = """
apple lemon orange pear banana cherry grape peach melon tomato carrot potato onion pumpkin mushroom bread cake cookie
pizza cheese egg sandwich pancake cup mug bottle glass bowl plate teapot kettle spoon knife fork candle lamp book
notebook pencil newspaper letter clock watch phone camera laptop keyboard radio television guitar violin piano drum
trumpet vase flower rose tulip sunflower cactus basket box bag suitcase umbrella hat shoe boot glove scarf shirt dress
ball kite doll robot toy puzzle key lock hammer saw bucket broom ladder chair sofa bed stool cat dog kitten puppy rabbit
hamster mouse rat squirrel fox wolf bear deer horse cow sheep goat pig donkey camel elephant lion tiger leopard giraffe
zebra monkey gorilla kangaroo koala panda penguin duck swan goose chicken eagle owl parrot crow pigeon sparrow crane
flamingo frog turtle lizard snake crocodile butterfly bee spider ant snail crab shark whale dolphin car truck bus
motorcycle bicycle scooter tractor train tram boat ship canoe airplane helicopter balloon rocket house castle church
lighthouse windmill bridge tower tent barn child woman man girl boy farmer soldier dancer painter chef doctor nurse
fisherman knight king queen pirate astronaut statue fountain bench tree bush rock snowman scarecrow bat sword shield
crown ring necklace mirror telescope microscope globe map flag pillow blanket teddy drone skateboard surfboard sled
"""
_PLACES = """
table desk shelf chair bench floor carpet bed roof wall grass meadow beach sand snow ice street road bridge river lake
sea forest garden park field mountain desert island kitchen room library museum market station farm castle boat tree
rock hill
"""
THINGS, PLACES = _THINGS.split(), _PLACES.split()
RELATIONS = ["on", "on", "on", "in", "in", "under", "near", "near", "behind", "over"]
STYLES = [*[""] * 5, "a photo of ", "a cartoon of ", "a watercolor of ", "an oil painting of ", "pixel art of "]
ATTRIBUTES = ["", "", "", "red ", "blue ", "old ", "small ", "wooden ", "golden ", "white "]
MANNERS = ["", "", "", ", soft light", ", at sunset", ", high detail"]
SIZES = ((192, 0.5), (768, 0.3), (0, 0.2))
"""Numbers in an embedding (0: the engine was cold), and how many of the origins send such a one."""


def zipf(draw: random.Random, words: Sequence[str]) -> str:
    """The word of rank r with a weight of 1/r."""
    return draw.choices(words, [1 / (rank + 1) for rank in range(len(words))])[0]


def prompt(draw: random.Random, *, scenes: float = 0.85) -> str:
    """One of them says nothing of a place as often as `scenes` leaves."""
    style, attribute, thing = draw.choice(STYLES), draw.choice(ATTRIBUTES), zipf(draw, THINGS)
    where = f" {draw.choice(RELATIONS)} the {zipf(draw, PLACES)}" if draw.random() < scenes else ""
    return f"{style}{attribute}{thing}{where}{draw.choice(MANNERS)}"


@lru_cache(maxsize=2_000)
def _direction(word: str, size: int) -> tuple[float, ...]:
    draw = random.Random(f"{word} {size}")
    return tuple(draw.gauss(0, 1) for _ in range(size))


def embedding(text: str, size: int) -> bytes:
    """float16, little endian; a part common to all prompts keeps the cosines above zero, as those of encoders are."""
    words = [*text.replace(",", "").split(), "", ""]
    total = [sum(numbers) for numbers in zip(*(_direction(word, size) for word in words), strict=True)]
    length = math.hypot(*total) or 1.0
    return struct.pack(f"<{size}e", *(number / length for number in total))


def crowd(draw: random.Random, count: int, *, kinds: int = 1) -> list[Request]:
    """`count` requests with free seeds; `kinds` different sizes of picture, so many worlds that never meet."""
    sizes, weights = zip(*SIZES, strict=True)
    asked = []
    for number in range(count):
        text = prompt(draw)
        size = draw.choices(sizes, weights)[0]
        call = Call(
            model="m", prompt=text, steps=20, seed=number, guidance=5.0, scheduler="ddim",
            width=256 + 64 * draw.randrange(kinds), height=256,
        )  # fmt: skip
        name = f"{draw.getrandbits(48):012x}"
        asked.append(
            Request(
                id=RequestId(name), origin=NodeId(f"n{number % 64}"), call=call, seed_free=True,
                embedding=embedding(text, size) if size else b"",
            )
        )  # fmt: skip
    return asked
