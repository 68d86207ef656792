"""Device to device, the smallest case: two daemons agree on who runs the shared steps, and finish apart.

Run it with `python examples/two_nodes.py`. It starts two real daemons here and stops them again.
"""

from peerd.demo.scene import gathered


def main() -> None:
    with gathered("ada", "bob") as scene:
        pictures = scene.draw([("ada", "a bird on the desk"), ("bob", "a dog on the desk")])
        scene.tell(pictures)


if __name__ == "__main__":
    main()
