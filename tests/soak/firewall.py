"""What crosses the street: the rules of its hub, laid anew as a whole each time, so that none is ever forgotten.

nftables judges what the bridge forwards by the houses' interfaces, so that a rule still holds for who moves to another
address. Never here: the street itself (`namespaces.py`), or when a rule is laid.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.soak.namespaces import Street, run

MDNS_PORT = 5353
Rule = str

NO_MDNS: Rule = f"ether type ip udp dport {MDNS_PORT} drop"


def one_way(sender: str, receivers: Sequence[str]) -> list[Rule]:
    """What the sender says is lost; what is said to it arrives."""
    return [f'iifname "{sender}" oifname "{receiver}" drop' for receiver in receivers]


def parted(side: Sequence[str], other: Sequence[str]) -> list[Rule]:
    """Nothing passes between the two sides."""
    return [rule for one in side for rule in one_way(one, other)] + [
        rule for one in other for rule in one_way(one, side)
    ]


def lossy(percent: int) -> list[Rule]:
    """So much of every IP packet that crosses is lost, by chance."""
    return [f"ether type ip numgen random mod 100 < {percent} drop"]


class Firewall:
    """All rules that hold now. Blocks may overlap: each takes away its own."""

    def __init__(self, street: Street) -> None:
        self._street = street
        self._rules: list[list[Rule]] = []

    @contextmanager
    def drops(self, rules: list[Rule]) -> Iterator[None]:
        self._rules.append(rules)
        self._lay()
        try:
            yield
        finally:
            self._rules = [each for each in self._rules if each is not rules]
            self._lay()

    def _lay(self) -> None:
        """In one transaction: the old rules hold until all new ones do."""
        rules = "\n".join(f"    {rule}" for each in self._rules for rule in each)
        table = (
            "add table bridge peerd\n"
            "delete table bridge peerd\n"
            "table bridge peerd {\n"
            "  chain crossing {\n"
            "    type filter hook forward priority 0; policy accept;\n"
            f"{rules}\n"
            "  }\n"
            "}\n"
        )
        run("ip", "netns", "exec", self._street.hub, "nft", "-f", "-", said=table)
