"""The knowledge graph of the live prompts: what each is about, where, in which manner, and what these are kinds of.

    prompt -> concept -> hypernym -> ...          prompt -> relation -> place -> hypernym
              concept -> attribute                prompt -> style

Only what a live prompt says is in it. A node or edge counts the prompts that say it and goes with the last of them, so
`add` and `remove` touch one prompt's nodes and no others. Never here: which sense is meant (`senses`), or a number
(`similarity`).
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import networkx

from peerd.planning.frames import UNKNOWN, Thing
from peerd.planning.kinship import kinds
from peerd.planning.nouns import nouns
from peerd.planning.similarity import frame_of
from peerd.planning.words import SPOKEN

Kind = Literal["prompt", "concept", "hypernym", "attribute", "relation", "place", "style"]
Node = tuple[Kind, str]
"""A kind and what tells it from others of its kind: a synset's number, a word, a prompt's id."""
Edge = tuple[Node, Node, str]
"""From, to, and how: "shows", "is a", "is", "stands", "there", "drawn as"."""

HYPERNYMS_MAX = 4
"""Levels above a concept; further up prompts meet in words that say little."""


class ConceptGraph:
    """A typed directed graph without cycles over networkx; `graph` is to be read, never to be changed."""

    def __init__(self) -> None:
        self.graph: networkx.DiGraph = networkx.DiGraph()
        self._edges: dict[str, tuple[Edge, ...]] = {}

    def __contains__(self, prompt_id: str) -> bool:
        return prompt_id in self._edges

    def __len__(self) -> int:
        """Live prompts."""
        return len(self._edges)

    def add(self, prompt_id: str, prompt: str) -> None:
        """Put a prompt in; one that is in already is replaced."""
        self.remove(prompt_id)
        labels: dict[Node, str] = {("prompt", prompt_id): prompt}
        edges = tuple(dict.fromkeys(_edges(prompt_id, prompt, labels)))
        self._edges[prompt_id] = edges
        for node in _nodes(prompt_id, edges):
            if node in self.graph:
                self.graph.nodes[node]["prompts"] += 1
            else:
                self.graph.add_node(node, prompts=1, label=labels[node])
        for start, end, how in edges:
            if self.graph.has_edge(start, end):
                self.graph.edges[start, end]["prompts"] += 1
            else:
                self.graph.add_edge(start, end, prompts=1, how=how)

    def remove(self, prompt_id: str) -> None:
        """Take a prompt out, and with it what only it said; one that is not in is no mistake."""
        edges = self._edges.pop(prompt_id, None)
        if edges is None:
            return
        for start, end, _ in edges:
            self.graph.edges[start, end]["prompts"] -= 1
            if not self.graph.edges[start, end]["prompts"]:
                self.graph.remove_edge(start, end)
        for node in _nodes(prompt_id, edges):
            self.graph.nodes[node]["prompts"] -= 1
            if not self.graph.nodes[node]["prompts"]:
                self.graph.remove_node(node)

    def nodes_of(self, prompt_id: str) -> frozenset[Node]:
        """What a live prompt says, itself included."""
        return frozenset(_nodes(prompt_id, self._edges[prompt_id]))

    def shared(self, prompt_ids: Iterable[str]) -> frozenset[Node]:
        """What all of these say."""
        all_of_them = [self.nodes_of(prompt_id) for prompt_id in prompt_ids]
        return frozenset.intersection(*all_of_them) if all_of_them else frozenset()


def _nodes(prompt_id: str, edges: Iterable[Edge]) -> set[Node]:
    nodes: set[Node] = {("prompt", prompt_id)}
    for start, end, _ in edges:
        nodes |= {start, end}
    return nodes


def _edges(prompt_id: str, prompt: str, labels: dict[Node, str]) -> Iterator[Edge]:
    """What a prompt says; `labels` receives how people call each node."""
    frame = frame_of(prompt)
    me: Node = ("prompt", prompt_id)
    for thing in frame.things:
        yield from _thing(me, "shows", "concept", thing, labels)
    for place in frame.places:
        # A relation of its own for each place: "on the table" is one thing that prompts share, "on" is none.
        relation: Node = ("relation", f"{place.relation} {_key(place.thing)}")
        labels[relation] = SPOKEN.get(place.relation, place.relation)
        yield me, relation, "stands"
        yield from _thing(relation, "there", "place", place.thing, labels)
    for style in sorted(frame.styles):
        labels["style", style] = style
        yield me, ("style", style), "drawn as"


def _thing(
    above: Node, how: str, kind: Literal["concept", "place"], thing: Thing, labels: dict[Node, str]
) -> Iterator[Edge]:
    node: Node = (kind, _key(thing))
    labels[node] = thing.lemma.replace("_", " ")
    yield above, node, how
    for attribute in sorted(thing.attributes):
        labels["attribute", attribute] = attribute
        yield node, ("attribute", attribute), "is"
    if thing.synset == UNKNOWN:
        return
    for synset in kinds(thing.synset)[:HYPERNYMS_MAX]:
        hypernym: Node = ("hypernym", str(synset))
        labels[hypernym] = nouns().name(synset)
        yield node, hypernym, "is a"
        node = hypernym


def _key(thing: Thing) -> str:
    """Synonyms are one node; a word that is not known stands for itself."""
    return thing.lemma if thing.synset == UNKNOWN else str(thing.synset)
