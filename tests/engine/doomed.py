"""A daemon that is going to be killed: runs an endless order and says who its child is."""

import asyncio
import sys
from pathlib import Path

from peerd.engine.port import Order
from peerd.engine.process import EngineConfig, ProcessEngine
from peerd_protocol.plan import Call


async def main(folder: str, size: int) -> None:
    """Print the child's process id at its first step, and go on."""
    engine = ProcessEngine(EngineConfig(folder_of=lambda _: Path(folder), model="m"))
    call = Call(model="m", prompt="a", steps=1000, seed=1, guidance=3.0, scheduler="ddim", width=size, height=size)
    said = False
    async for _ in engine.run(Order(call)):
        if not said:
            print(engine.pid, flush=True)
            said = True


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
