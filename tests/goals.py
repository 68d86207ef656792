"""What a benchmark says at its end: which goals it reached, in words and as its exit code. Never here: measuring."""

from collections.abc import Mapping


def verdict(goals: Mapping[str, bool]) -> int:
    """Of goals in words and whether each is reached: 0, or 1 where any is missed."""
    for goal, reached in goals.items():
        print(f"goal: {goal}: {'reached' if reached else 'missed'}")
    return 0 if all(goals.values()) else 1


class Goals:
    """Figures that are better when they are smaller, told as they come."""

    def __init__(self) -> None:
        self._reached: dict[str, bool] = {}

    def judge(self, what: str, figure: float, goal: float, unit: str) -> None:
        print(f"{what}: {figure:.2f} {unit}", flush=True)
        self._reached[f"{what} <= {goal:g} {unit}"] = figure <= goal

    def end(self) -> None:
        """Ends the benchmark with its verdict."""
        raise SystemExit(verdict(self._reached))
