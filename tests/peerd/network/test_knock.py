"""Knocking while this process has no socket to spare: libzmq itself refuses one. Who answers (`test_defences.py`)."""

import asyncio
from collections.abc import Iterator

import pytest
import zmq
import zmq.asyncio

from peerd.network.identity import new_curve_keys
from peerd.network.knock import Knock, knock
from peerd.network.sockets import ZAP_DOMAIN, Lane, new_context, receiving
from peerd.network.zap import Doorkeeper

SPARE = 3
"""A knock takes three: its own socket, and both ends of what watches it."""


@pytest.fixture
def narrow() -> Iterator[zmq.asyncio.Context]:
    """A context that has room for one knock, and not for anything beside it."""
    context = zmq.asyncio.Context()
    context.set(zmq.MAX_SOCKETS, SPARE)
    yield context
    context.destroy(0)


@pytest.mark.parametrize("taken", range(1, SPARE + 1))
async def test_where_no_socket_is_left_nobody_answered_and_the_next_knock_is_heard(
    narrow: zmq.asyncio.Context, taken: int
) -> None:
    context, keys = new_context(), new_curve_keys()
    door = receiving(context, Lane.CONTROL, keys[1])
    doorkeeper = Doorkeeper(context, ZAP_DOMAIN, lambda key: "anybody")
    port = door.bind_to_random_port("tcp://127.0.0.1")
    held = [narrow.socket(zmq.PUSH) for _ in range(taken)]
    for _ in range(2):
        assert await knock(narrow, "127.0.0.1", port, keys[0], new_curve_keys()) is Knock.NOBODY
    for socket in held:
        socket.close(0)
    async with asyncio.timeout(10):
        # Sockets are given back by a thread of libzmq's own.
        while await knock(narrow, "127.0.0.1", port, keys[0], new_curve_keys()) is not Knock.LET_IN:  # noqa: ASYNC110
            await asyncio.sleep(0)
    door.close(0)
    await doorkeeper.close()
    context.destroy(0)
