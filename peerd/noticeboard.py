"""What the node has told its people, kept while anyone may still want to read it.

Each request has a page: its notices from the first on. Readers follow a page live and always see all of it. Never here:
what a notice says, or how it is shown.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from peerd_protocol.errors import LocalError
from peerd_protocol.ids import RequestId
from peerd_protocol.notices import AnyNotice, Failed, Finished

PAGES_MAX = 256
"""Pages kept; the oldest finished one goes first."""
NOTICES_MAX = 4_096
"""Notices a page: twice the steps that a request may have, previews included, and room for retries."""


@dataclass(slots=True)
class _Page:
    notices: list[AnyNotice] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        return bool(self.notices) and isinstance(self.notices[-1], Finished | Failed)


class NoticeBoard:
    def __init__(self) -> None:
        self._pages: dict[RequestId, _Page] = {}

    def open_page(self, request: RequestId) -> None:
        """Begin a page, so that it can be followed before its first notice."""
        if request in self._pages:
            return
        if len(self._pages) >= PAGES_MAX:
            oldest = next((known for known, page in self._pages.items() if page.ended), None)
            if oldest is None:
                raise LocalError(f"This node has {PAGES_MAX} open requests; wait for one to end or cancel it.")
            del self._pages[oldest]
        self._pages[request] = _Page()

    def close_page(self, request: RequestId) -> None:
        """The request was refused after all; nobody has followed it yet."""
        self._pages.pop(request, None)

    def tell(self, request: RequestId, notice: AnyNotice) -> None:
        """Add a notice. One that nobody asked for here any more (a request of an earlier run) opens its page anew."""
        self.open_page(request)
        page = self._pages[request]
        if len(page.notices) < NOTICES_MAX or isinstance(notice, Finished | Failed):
            page.notices.append(notice)
        page.more.set()
        page.more = asyncio.Event()

    def must_know(self, request: RequestId) -> None:
        """LocalError unless this request has a page."""
        if request not in self._pages:
            raise LocalError(f"This node knows no request {request!r}; it may have ended long ago.")

    def finished(self, request: RequestId) -> Finished:
        """How a request ended that has its picture. LocalError: unknown, or without a picture (yet)."""
        self.must_know(request)
        notices = self._pages[request].notices
        if not notices or not isinstance(notices[-1], Finished):
            raise LocalError(f"There is no picture of request {request!r} yet; follow it to its end first.")
        return notices[-1]

    async def follow(self, request: RequestId) -> AsyncIterator[AnyNotice]:
        """All notices from the first on; ends after the last one. Raises LocalError for an unknown request."""
        self.must_know(request)
        page = self._pages[request]
        read = 0
        while True:
            more = page.more
            while read < len(page.notices):
                notice = page.notices[read]
                read += 1
                yield notice
                if isinstance(notice, Finished | Failed):
                    return
            await more.wait()
