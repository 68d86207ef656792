"""A cluster without an edge: five devices organise themselves, and what is alike finds together.

All five ask at once. Nobody says who belongs to whom: the leader sees that three want an animal on the grass and two a
vehicle on the beach, and makes two groups of them. Run it with `python examples/five_nodes.py`.
"""

from peerd.demo.scene import gathered

ASKED = [
    ("ada", "a cat on the grass"),
    ("bob", "a car on the beach"),
    ("cleo", "a dog on the grass"),
    ("dan", "a bus on the beach"),
    ("eve", "a horse on the grass"),
]


def main() -> None:
    with gathered("ada", "bob", "cleo", "dan", "eve") as scene:
        scene.tell(scene.draw(ASKED))


if __name__ == "__main__":
    main()
