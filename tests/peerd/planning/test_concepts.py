"""The graph of live prompts: it holds what they say, nothing else, and lets go of it."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerd.planning.concepts import ConceptGraph, Kind
from peerd.screen.concept_picture import draw

PROMPTS = [
    "a red apple on the table", "lemon on table", "a cartoon of a crane by the lake", "a bird on the sofa",
    "a bird on the couch", "zorblax under a quux", "яблоко на столе", "", "a man with a hat riding a horse",
]  # fmt: skip


def graph_of(*prompts: str) -> ConceptGraph:
    graph = ConceptGraph()
    for number, prompt in enumerate(prompts):
        graph.add(str(number), prompt)
    return graph


def labels(graph: ConceptGraph, kind: Kind) -> set[str]:
    return {data["label"] for node, data in graph.graph.nodes(data=True) if node[0] == kind}


def test_every_kind_of_node_is_there_and_knows_its_neighbours() -> None:
    graph = graph_of("a cartoon of a red apple on the wooden table")
    assert labels(graph, "prompt") == {"a cartoon of a red apple on the wooden table"}
    assert labels(graph, "concept") == {"apple"}
    assert labels(graph, "attribute") == {"red", "wooden"}
    assert (labels(graph, "relation"), labels(graph, "place"), labels(graph, "style")) == (
        {"on"},
        {"table"},
        {"cartoon"},
    )
    assert {"edible fruit", "furniture"} <= labels(graph, "hypernym")


def test_prompts_meet_in_what_they_have_in_common() -> None:
    graph = graph_of("apple on table", "lemon on table")
    common = {graph.graph.nodes[node]["label"] for node in graph.shared(["0", "1"])}
    assert {"on", "table", "edible fruit"} <= common
    assert not {"apple", "lemon"} & common


def test_synonyms_are_one_place() -> None:
    graph = graph_of("a bird on the sofa", "a bird on the couch")
    assert len(labels(graph, "place")) == 1
    assert len(graph.graph) - 2 == len(graph.shared(["0", "1"]))


def test_two_senses_of_a_word_are_two_concepts() -> None:
    graph = graph_of("a mouse in the grass", "a mouse beside a keyboard")
    assert sum(data["label"] == "mouse" for _, data in graph.graph.nodes(data=True)) == 2


def test_adding_and_removing_touch_one_prompt_alone() -> None:
    graph = graph_of("apple on table", "lemon on table")
    before = dict(graph.graph.nodes(data=True))
    kept = graph.nodes_of("0")
    graph.add("2", "a whale in the sea")
    graph.remove("2")
    graph.remove("2")
    assert dict(graph.graph.nodes(data=True)) == before
    graph.remove("1")
    assert set(graph.graph) == kept


def test_a_prompt_added_twice_is_replaced() -> None:
    graph = graph_of("apple on table")
    graph.add("0", "a whale in the sea")
    assert len(graph) == 1
    assert labels(graph, "concept") == {"whale"}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.sampled_from(PROMPTS)), max_size=12))
def test_whatever_came_and_went_the_graph_is_that_of_the_live_prompts(
    changes: list[tuple[bool, str, str]],
) -> None:
    graph, live = ConceptGraph(), dict[str, str]()
    for comes, name, prompt in changes:
        if comes:
            graph.add(name, prompt)
            live[name] = prompt
        else:
            graph.remove(name)
            live.pop(name, None)
    fresh = ConceptGraph()
    for name, prompt in live.items():
        fresh.add(name, prompt)
    # How a node is called is the word of who said it first; sofa and couch are one.
    assert {node: data["prompts"] for node, data in graph.graph.nodes(data=True)} == {
        node: data["prompts"] for node, data in fresh.graph.nodes(data=True)
    }
    assert {(*edge[:2], edge[2]["prompts"]) for edge in graph.graph.edges(data=True)} == {
        (*edge[:2], edge[2]["prompts"]) for edge in fresh.graph.edges(data=True)
    }


@pytest.mark.parametrize("prompts", [["apple on table", "lemon on table"], [""], PROMPTS, ['<a> & "b" on a table']])
def test_the_picture_is_sound_and_shows_every_node(prompts: list[str]) -> None:
    graph = graph_of(*prompts)
    svg = draw(graph.graph)
    assert svg == draw(graph_of(*prompts).graph)
    root = ElementTree.fromstring(svg)
    boxes = [part for part in root.iter() if part.tag.endswith("rect")]
    assert len(boxes) == len(graph.graph) + len({node[0] for node in graph.graph}), "every node, and one of each kind"
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for box in boxes:
        x, y, wide = (float(box.attrib[name]) for name in ("x", "y", "width"))
        assert 0 <= x <= x + wide <= width
        assert 0 <= y < height
    spots = [(box.attrib["x"], box.attrib["y"]) for box in boxes]
    assert len(set(spots)) == len(spots), "no box hides another"
