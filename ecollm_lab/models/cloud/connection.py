"""The connection to one endpoint: the `openai` client, and what a request to it sends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

import openai

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.cloud.attempts import Failed
from ecollm_lab.models.cloud.secrets import read_key
from ecollm_lab.models.replies import most_tokens_out
from ecollm_lab.records import Prompt


class Connection:
    """One client, kept open from start to end; used from one event loop."""

    def __init__(self, model: Model, base_url: str | None) -> None:
        self.model = model
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=self._key, max_retries=0, timeout=None
        )

    async def _key(self) -> str:
        return read_key(self.model)  # at each request: nothing here holds it

    async def warm_up(self) -> None:
        """Open a connection without a billable request; faults are left to the first call."""
        with suppress(Exception):
            async with asyncio.timeout(min(5.0, self.model.timeout_s)):
                await self._client.models.list()

    async def send(self, prompt: Prompt | str) -> tuple[Any, Failed | None]:
        """Send one request, whole within the deadline.

        What went wrong is returned, so that no chained error carries the request's headers.
        """
        try:
            async with asyncio.timeout(self.model.timeout_s):
                raw = await self._client.chat.completions.create(
                    model=self.model.remote_name,
                    messages=cast("Any", Prompt.of(prompt).messages),
                    temperature=0.0,
                    max_tokens=most_tokens_out(prompt),
                    seed=0,
                )
                return raw, None
        except Exception as error:
            return None, Failed.of(self.model, error)

    async def close(self) -> None:
        """Close what is open."""
        await self._client.close()
