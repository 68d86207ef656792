"""Where finished pictures go: to disk, once and for ever, with their settings and where they come from.

Here lives the way from a packed picture to a file and a result on record. Never here: pixels (`pictures`), the table
of results (`store`), or the steps that made the picture.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from peerd import pictures
from peerd.models.registry import Registry
from peerd.network.secret_files import sync_folder
from peerd.state_file import BUSY_S
from peerd.store import Outcome, Result, Store
from peerd_protocol.actions import Deliver, Forget, Remember
from peerd_protocol.coordination.leader import GATHER_S
from peerd_protocol.coordination.origin import requests_in
from peerd_protocol.errors import LocalError
from peerd_protocol.events import Delivered
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import GroupPlan

log = logging.getLogger("peerd.outbox")

PREFIX = "out/"
WORDS_IN_NAME_CHARS_MAX = 40
WINDOW_S = GATHER_S + 0.05
"""What a request without a group's name waits for company: the window, and half the tick that finds it over. A named
group is planned as soon as it is full."""


class Outbox:
    """`folder` takes every picture that nobody named a file for."""

    def __init__(self, store: Store, registry: Registry, folder: Path) -> None:
        self._store, self._registry, self._folder = store, registry, folder

    def expect(self, request: RequestId, out: str | None) -> None:
        """Remember where the picture of this request is wanted. LocalError if the disk is full."""
        self._store.write([Remember(PREFIX + request, (out or "").encode())])

    def forget(self, request: RequestId) -> None:
        """The request ended without a picture."""
        self._store.write([Forget(PREFIX + request)])

    def forget_ended(self, recalled: Mapping[str, bytes]) -> None:
        """At the start: what an earlier life, cut off between two writes, left of requests that are not open.

        A disk that is full now keeps it for the next start.
        """
        opened = {PREFIX + request for request in requests_in(recalled)}
        ended = [Forget(key) for key in recalled if key.startswith(PREFIX) and key not in opened]
        if not ended:
            return
        try:
            self._store.write(ended)
        except LocalError as error:
            log.warning("what is left of %d requests that ended is not forgotten: %s", len(ended), error)

    def deliver(self, action: Deliver) -> Delivered:
        """Write the picture and its record. What is on record already stays: a request has one visible result."""
        request = action.request
        known = self._store.result(request.id)
        if known is None:
            known = self._store.commit(self._write(action))
            if action.plan is not None:
                self._store.turned_out(self._outcome(action, action.plan, known.denoiser_calls))
        self._store.write([Forget(PREFIX + request.id)], BUSY_S)  # a thread can wait, and the picture is there
        return Delivered(request.id, known.path, known.pixels_sha256, known.denoiser_calls, known.exact)

    def outcomes(self, last: int) -> list[Outcome]:
        """How the last so many requests went, the oldest first."""
        return self._store.outcomes(last)

    def _outcome(self, action: Deliver, plan: GroupPlan, denoiser_calls: int) -> Outcome:
        """How it went, and what was promised of it."""
        call = action.request.call
        picture = pictures.unpack(action.picture)
        promised = next((one for one in plan.forecast.each if one.request == action.request.id), None)
        until_plan_s = 0.0 if action.request.group_name else WINDOW_S
        return Outcome(
            request=action.request.id,
            group=plan.group,
            seconds=action.seconds,
            denoiser_calls=denoiser_calls,
            planned_s=action.planned_s,
            promised_s=promised.seconds if promised else 0.0,
            promised_alone_s=promised.seconds_alone if promised else 0.0,
            promised_plan_s=until_plan_s + promised.told_s if promised else 0.0,
            joules=picture.joules,
            promised_calls=promised.denoiser_calls if promised else 0,
            promised_joules=promised.joules if promised else 0.0,
            waits_for_others=bool(action.request.group_name),
            steps=call.steps,
            shared_steps=picture.shared_steps,
            scheduler=call.scheduler,
            width=call.width,
            height=call.height,
        )

    def _write(self, action: Deliver) -> Result:
        request = action.request
        picture = pictures.unpack(action.picture)
        wanted = self._store.recall().get(PREFIX + request.id, b"").decode()
        path = Path(wanted) if wanted else self._folder / _name(action)
        provenance = pictures.Provenance(
            request=request.id,
            origin=request.origin,
            executor=action.plan.executor if action.plan and picture.shared_steps else "",
            shared_steps=picture.shared_steps,
            shared_with=len(action.plan.requests) - 1 if action.plan and picture.shared_steps else 0,
            checkpoint_digest=picture.checkpoint_digest,
            exact=picture.exact,
        )
        call = pictures.with_seed(request.call, picture.seed)
        # A crash may have come between this request's picture and its record: then that file is written anew.
        overwrite = bool(wanted) or pictures.request_in(path) == request.id
        model = self._registry.name_of(call.model)
        written = pictures.write_png(path, picture, call, provenance, model=model, overwrite=overwrite)
        with suppress(OSError):  # some file systems sync no folder; the picture is written all the same
            sync_folder(written.parent)
        return Result(
            request=request.id,
            path=str(written),
            pixels_sha256=pictures.pixels_sha256(picture.rgb),
            denoiser_calls=picture.denoiser_calls,
            exact=picture.exact,
            seconds=action.seconds,
        )


def _name(action: Deliver) -> str:
    words = "".join(char if char.isalnum() else "-" for char in action.request.call.prompt.casefold())
    return f"{words[:WORDS_IN_NAME_CHARS_MAX].strip('-')}-{action.request.id[-6:]}.png"
