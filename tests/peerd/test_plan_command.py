"""What `peerd plan` shows of each prompt. Pure rows: no daemon is asked."""

from typing import Any

from peerd.commands.plan import rows
from peerd_protocol.ids import NodeId

NAMES = {NodeId("A"): "ada", NodeId("B"): "bob"}


def group(prompts: str, steps: list[int], **more: Any) -> dict[str, Any]:
    usual = {"begins_at": 0, "branch_of": None, "cached": False, "executor": "A", "reason": "similar prompts"}
    return {"prompts": prompts.split(), "steps": steps, "shared_steps": max(steps), **usual, **more}


def test_every_prompt_has_its_own_step_and_one_alone_its_reason() -> None:
    shown = list(rows([group("apple lemon", [9, 5]), group("car", [0], reason="nobody is near")], NAMES))
    assert shown == [("apple", "9", "ada"), ("lemon", "5", ""), ("car", "none", "each its own (nobody is near)")]


def test_branches_stand_below_what_they_branch_off_and_say_from_where_on() -> None:
    shown = rows(
        [
            group("apple", [9]),
            group("lemon", [12], begins_at=5, branch_of=0, executor="B"),
            group("lime", [14], begins_at=10, branch_of=1, executor="C"),
        ],
        NAMES,
    )
    assert list(shown) == [
        ("apple", "9", "ada"),
        ("└─ lemon", "12", "bob, from step 6 on"),
        ("   └─ lime", "14", "C, from step 11 on"),
    ]


def test_a_kept_beginning_is_run_by_nobody() -> None:
    ((_, steps, runner),) = rows([group("pear", [5], begins_at=5, cached=True)], NAMES)
    assert (steps, runner) == ("5", "nobody: ada kept them")
