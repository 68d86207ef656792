"""Short words that two people can read to each other: the check words of pairing, one for each byte.

Never here: what the words are made from.
"""

from typing import Final

_LIST: Final = """
    acid acorn actor agent alarm album amber angel ankle apple apron arena arrow atlas attic autumn
    bacon badge baker bamboo banjo barn basket beach beard beaver bench berry bird biscuit blanket boat
    bonus book bottle branch bread brick bridge broom bucket butter button cabin cactus camel camera candle
    canoe canyon carpet carrot castle cattle cedar cello chalk cheese cherry chess chimney circle clock cloud
    clover coast cobra cocoa coffee comet copper coral cotton cousin crab crane crayon cricket crown crystal
    curtain daisy dance denim desert diamond dinner dolphin donkey door dragon drum duck eagle earth easel
    echo elbow elephant engine envelope fabric falcon family farmer feather fence ferry fiddle field finger fire
    flag flame flute forest fossil fountain fox frog garden garlic ghost giant ginger giraffe glacier glove
    goat gold grape grass guitar hammer harbor hat hazel helmet heron hill honey horse hotel house
    ice igloo island ivory jacket jaguar jam jelly jewel judge jungle kayak kettle king kitchen kite
    kiwi koala ladder lake lamp lantern lemon lentil lion lizard lobster locket lotus magnet mango maple
    marble market meadow melon mirror monkey moon moss mountain mouse museum mushroom napkin needle nest night
    noodle nurse oak oasis ocean olive onion orange orbit orchid otter owl oyster paddle palace panda
    paper parrot peach pearl pebble pencil pepper piano pigeon pilot pirate planet plum pocket pony poppy
    potato puppet quartz queen quilt rabbit radio rain raven ribbon river robin rocket rose ruby saddle
    salad salmon sand scarf shadow sheep shell ship silver sky snow spider spoon spring squirrel star
"""
WORDS: Final = tuple(_LIST.split())

assert len(set(WORDS)) == 256, "one word for each byte"


def words_of(digest: bytes, count: int) -> str:
    """The first `count` bytes as words."""
    return " ".join(WORDS[byte] for byte in digest[:count])
