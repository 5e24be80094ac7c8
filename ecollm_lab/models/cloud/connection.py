"""The connection to one endpoint: the `openai` client, and what a request to it sends."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import openai

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.cloud.attempts import AttemptEnd, Failed, connect_s, failed_by
from ecollm_lab.models.cloud.guards import check_reply
from ecollm_lab.models.cloud.secrets import read_key, read_variable
from ecollm_lab.models.cloud.server import LoopbackServer
from ecollm_lab.models.replies import WARM_UP, answer_limit, messages
from ecollm_lab.records import LabError, Prompt

_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy")
_LOOK_S = 0.2  # between looks at whether the lab's own server still runs


class Connection:
    """One client, kept open from start to end; used from one event loop.

    A loopback endpoint is never reached through a proxy. Only OpenAI itself gets the organization
    and the project that the environment names.
    """

    def __init__(self, model: Model, server: LoopbackServer | None) -> None:
        self.model, self._server = model, server
        self._url = server.base_url if server else str(model.base_url)
        self._client = openai.AsyncOpenAI(
            base_url=self._url,
            api_key=self._key,
            max_retries=0,
            timeout=openai.Timeout(None, connect=connect_s(model)),
            http_client=self._http_client(),
        )
        headers = dict(model.headers)
        for name, variable in model.headers_env.items():
            headers[name] = read_variable(model, variable)
        signed = server or model.api_key_env or "authorization" in map(str.lower, headers)
        # Headers of each request: where no key is named, the client sends none in their place.
        self._unsigned: dict[str, openai.Omit] = {}
        if not signed:
            self._unsigned["Authorization"] = openai.Omit()
        host = urlsplit(self._url).hostname or ""
        if host != "openai.com" and not host.endswith(".openai.com"):
            self._client.organization = self._client.project = None
            self._client._custom_headers = headers  # without those of OPENAI_CUSTOM_HEADERS
        elif headers:
            self._client = self._client.with_options(default_headers=headers)

    def _http_client(self) -> openai.DefaultAsyncHttpxClient:
        options: dict[str, Any] = {
            "event_hooks": {"response": [check_reply]},
            "headers": {"accept-encoding": "identity"},
        }
        if _is_loopback(self._url):
            secure = self._url.startswith("https:")
            options |= {"trust_env": False}
            options |= {"verify": ssl.create_default_context()} if secure else {}
        try:
            return openai.DefaultAsyncHttpxClient(**options)
        except (ImportError, ValueError) as error:  # a SOCKS proxy, or one that is no address
            named = [name for name in _PROXIES if os.environ.get(name)]
            raise LabError(
                f"Model {self.model.name!r}: the proxy of the environment ({', '.join(named)})"
                f" cannot be used: {error} A SOCKS proxy needs: pip install socksio. Or unset the"
                " variable."
            ) from error

    async def _key(self) -> str:
        if self._server:
            return self._server.key
        return read_key(self.model)  # at each request: nothing here holds it

    async def warm_up(self) -> None:
        """Open a connection without a billable request; faults are left to the first call."""
        with suppress(Exception):
            async with asyncio.timeout(min(5.0, self.model.timeout_s)):
                await self._client.models.list(extra_headers=self._unsigned)

    async def send(self, prompt: Prompt | str) -> tuple[Any, Failed | None, float]:
        """Send one request, whole within the deadline; return its reply or failure, and seconds.

        What went wrong is returned, so that no chained error carries the request's headers.
        """
        try:
            await self._restart_if_dead()
        except LabError as error:
            return None, Failed(self.model.name, str(error), charged=False), 0.0
        sent = time.perf_counter()
        try:
            raw = await self._ask(prompt)
            return raw, None, time.perf_counter() - sent
        except Exception as error:
            failed, late = failed_by(self.model, error), isinstance(error, TimeoutError)
        if self._server and failed.end == AttemptEnd.DOWN:
            await asyncio.sleep(0.1)  # a process that ends closes its connections first
            if last_words := self._server.last_words_if_dead():
                failed.why, failed.died, failed.charged = last_words, True, False
            elif late:  # it would go on with its answer, and the next one would wait for that
                await asyncio.to_thread(self._server.kill)
        return None, failed, 0.0

    async def _restart_if_dead(self) -> None:
        """Start the lab's own server again if it ended, and let it answer once, as at first."""
        if self._server and self._server.is_dead():
            await asyncio.to_thread(self._server.restart_if_dead)
            with suppress(Exception):  # the call that follows meets the same fault and names it
                await self._ask(WARM_UP)

    async def _ask(self, prompt: Prompt | str) -> Any:
        """Return what the endpoint sends, whole within the deadline."""
        watch: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self.model.timeout_s) as deadline:
                if self._server:
                    watch = asyncio.create_task(_end_with(self._server, deadline))
                # As chat.completions.create, which spends a fifth of a call's processor time on
                # converting a request that is in its final form already.
                return await self._client.post(
                    "/chat/completions",
                    cast_to=openai.types.chat.ChatCompletion,
                    body=self._body(prompt),
                    options={"headers": self._unsigned, "security": {"bearer_auth": True}},
                )
        finally:
            if watch:
                watch.cancel()

    def _body(self, prompt: Prompt | str) -> dict[str, Any]:
        limit = answer_limit(self.model, prompt)
        every = {"temperature": 0.0, "seed": 0, self.model.tokens_key: limit}
        sent = {name: value for name, value in every.items() if name not in self.model.omit}
        asked = {"model": self.model.remote_name, "messages": messages(self.model, prompt)}
        return asked | sent | dict(self.model.extra_body)

    async def close(self) -> None:
        """Close what is open."""
        await self._client.close()


async def _end_with(server: LoopbackServer, deadline: asyncio.Timeout) -> None:
    """Bring the deadline forward to the moment when the server is found dead.

    Its socket outlives it, and nobody would answer a request that comes after its death.
    """
    while not server.is_dead():
        await asyncio.sleep(_LOOK_S)
    if not deadline.expired():
        deadline.reschedule(asyncio.get_running_loop().time())


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
