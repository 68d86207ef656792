"""What benchmarks measure, each figure beside its goal, and the verdict as an exit code.

Never here: measuring.
"""


class Goals:
    """Every figure here is better when it is smaller."""

    def __init__(self) -> None:
        self._missed: list[str] = []

    def judge(self, what: str, figure: float, goal: float, unit: str) -> None:
        print(f"{what}: {figure:.2f} {unit} (goal <= {goal:g}){'' if figure <= goal else ': missed'}", flush=True)
        if figure > goal:
            self._missed.append(what)

    def end(self) -> None:
        """Exit code 1 if any was missed."""
        if self._missed:
            raise SystemExit(f"Missed: {', '.join(self._missed)}.")
