"""The examples, run as a person runs them: the paper's three architectures with the toy engine."""

from pathlib import Path

from tests.world.processes import ROOT, marked


def run(example: str, folder: Path) -> list[str]:
    with marked() as family:
        done = family.run(str(ROOT / "examples" / example), folder=folder)
        assert done.returncode == 0, done.stderr
        family.wait_until_gone()
    return done.stdout.splitlines()


def test_two_nodes_share_one_beginning(tmp_path: Path) -> None:
    lines = run("two_nodes.py", tmp_path)
    assert {file.name for file in (tmp_path / "demo-out").iterdir()} == {
        "a-bird-on-the-desk.png",
        "a-dog-on-the-desk.png",
    }
    assert lines[-1] == "17 denoiser calls, alone it would have been 22: 5 saved"
    (shared,) = [line for line in lines if "steps once for" in line]
    assert shared.endswith("a bird on the desk, a dog on the desk")


def test_the_edge_runs_the_shared_steps_of_devices_that_are_low_on_battery(tmp_path: Path) -> None:
    lines = run("edge_server.py", tmp_path)
    assert any(line.startswith("edge ran 5 steps once for") for line in lines)
    assert "edge: 5 shared and 0 own denoiser calls" in lines
    assert lines[-1].endswith("10 saved")


def test_five_nodes_find_their_two_groups_by_themselves(tmp_path: Path) -> None:
    lines = run("five_nodes.py", tmp_path)
    shared = sorted(line.split("once for: ")[1] for line in lines if "once for" in line)
    assert shared == [
        "a car on the beach, a bus on the beach",
        "a cat on the grass, a dog on the grass, a horse on the grass",
    ]
    assert lines[-1] == "40 denoiser calls, alone it would have been 55: 15 saved"
