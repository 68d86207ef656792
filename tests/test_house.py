"""The house keeps its rules: floors, types, style, short rooms, and no heavy import where people wait."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
LINES_MAX = 400


def run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_floors_hold() -> None:
    run(BIN / "lint-imports")


def test_types_hold() -> None:
    run(BIN / "mypy")


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_style_holds(command: list[str]) -> None:
    run(BIN / "ruff", *command, ".")


def test_no_room_is_two_ideas() -> None:
    rooms = [path for top in ("peerd", "protocol", "tests", "examples") for path in (ROOT / top).rglob("*.py")]
    long = {str(path): lines for path in rooms if (lines := len(path.read_text().splitlines())) > LINES_MAX}
    assert not long


def test_every_room_says_what_lives_in_it() -> None:
    rooms = [path for top in ("peerd", "protocol/peerd_protocol") for path in (ROOT / top).rglob("*.py")]
    silent = [str(path) for path in rooms if path.read_text() and not path.read_text().startswith('"""')]
    assert not silent


def test_the_daemon_and_the_commands_import_no_torch() -> None:
    heavy = "{'torch', 'diffusers', 'transformers', 'scipy'}"
    look = f"import sys, peerd.cli, peerd.daemon; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_readme_names_every_route_of_the_api() -> None:
    from peerd.api.app import make_app
    from tests.peerd.api.scripted import ScriptedDesk

    told = (ROOT / "README.md").read_text()
    routes = [str(getattr(route, "path", "")) for route in make_app(ScriptedDesk(), asyncio.Event()).routes]
    assert routes
    assert not [route for route in routes if f"{route.replace('{id}', 'ID')}`" not in told]
