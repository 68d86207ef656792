"""Edge to many devices: one edge server runs the shared steps, and three devices that are low on battery ask.

The edge asks nothing itself. The devices read their batteries from a made-up tree of files, as Linux would show a real
one; at 20 % and discharging their owners' policy declines other people's work, so the leader turns to the edge.
Run it with `python examples/edge_server.py`.
"""

import tempfile
from pathlib import Path

from peerd.demo.scene import gathered

DEVICES = ("phone", "tablet", "laptop")


def on_battery(root: Path, percent: int) -> dict[str, str]:
    """Environment of a daemon whose battery is discharging at `percent`."""
    battery = root / "class" / "power_supply" / "BAT0"
    battery.mkdir(parents=True)
    for file, text in {"type": "Battery", "status": "Discharging", "capacity": str(percent), "present": "1"}.items():
        (battery / file).write_text(text + "\n")
    return {"PEERD_POWER_ROOT": str(root)}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="peerd-power-") as folder:
        batteries = {name: on_battery(Path(folder) / name, 20) for name in DEVICES}
        with gathered("edge", *DEVICES, each=batteries) as scene:
            asked = [("phone", "apple on table"), ("tablet", "lemon on table"), ("laptop", "pear on table")]
            scene.tell(scene.draw(asked))


if __name__ == "__main__":
    main()
