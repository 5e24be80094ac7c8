"""What a reply must keep to before it is read: its origin and its size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2

MOST_BYTES = 8 * 2**20  # of one reply; an answer of 100,000 tokens has less than a tenth


class ReplyRejected(Exception):
    """A reply that is not read. `fatal`: every other would be the same; `charged`: it is billed."""

    def __init__(self, why: str, *, fatal: bool, charged: bool) -> None:
        super().__init__(why)
        self.fatal, self.charged = fatal, charged


async def check_reply(response: httpx2.Response) -> None:
    """Refuse a redirect that leaves the endpoint, and a packed reply; bound the size of the rest.

    It runs when the headers have come and the body has not. Packed bodies, which were not asked
    for, could unpack to anything.
    """
    target = response.headers.get("location") if 300 <= response.status_code < 400 else None
    if target is not None:
        _check_redirect(response.url, response.url.join(target), response.status_code)
    packing = response.headers.get("content-encoding", "identity")
    if packing != "identity":
        why = f"the reply is packed ({packing!r:.40}), which was not asked for and is not read"
        raise ReplyRejected(why, fatal=True, charged=True)
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MOST_BYTES:
        raise _too_large()
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    """The body of a reply, up to the bytes that an answer can have."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MOST_BYTES:
                raise _too_large()
            yield chunk

    async def aclose(self) -> None:
        """Close the connection's side of it."""
        await self._stream.aclose()


def _check_redirect(source: httpx2.URL, target: httpx2.URL, status: int) -> None:
    """Let a POST follow only a redirect that keeps it a POST and stays at the same address."""
    secure = target.scheme in (source.scheme, "https")
    same = (source.host, source.port) == (target.host, target.port)
    if status in (307, 308) and secure and same:
        return
    place = f"{target.scheme}://{target.netloc.decode()}{target.path}"
    why = (
        f"the endpoint redirects to {place:.200}, where the prompt and the key do not go by"
        " themselves; put that address into base_url if you trust it"
    )
    raise ReplyRejected(why, fatal=True, charged=False)


def _too_large() -> ReplyRejected:
    why = f"the reply is larger than {MOST_BYTES // 2**20} MiB, which no answer is"
    return ReplyRejected(why, fatal=False, charged=True)
