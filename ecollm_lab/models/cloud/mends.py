"""What a user can do about each kind of fault of an endpoint."""

from __future__ import annotations

from enum import StrEnum

from ecollm_lab.models.catalog import Model


class Mend(StrEnum):
    """A kind of fault, and what to do about it."""

    KEY = "The endpoint refuses the key in {key}: is it right, of this provider, and still valid?"
    MODEL = (
        "The endpoint knows no model {remote!r} or no such address: check remote_name and base_url,"
        " which often ends in /v1."
    )
    QUOTA = (
        "The account is out of quota or over its rate: check its balance, and declare"
        " requests_per_minute."
    )
    CONNECTION = (
        "Nothing answers at {url}: is the server running, the address right, the network up?"
    )
    TIMEOUT = (
        "No answer within timeout_s = {timeout:g} s: raise it, or see what the endpoint is busy"
        " with."
    )
    USAGE = (
        "{url} does not say how many tokens a call used, by which it is charged: turn usage on at"
        " the endpoint or at the gateway before it."
    )
    THINKING = (
        "It thinks and gives no answer: raise {limit} of [models.{name}], or turn thinking off in"
        " its extra_body."
    )
    THOUGHTS_ALONE = (
        "It thinks and then gives no answer: turn thinking off in extra_body of [models.{name}]."
    )
    PROTOCOL = (
        "{url} answers, but not as an OpenAI-compatible API: check base_url, which often ends in"
        " /v1."
    )

    def of(self, model: Model) -> str:
        """Return the advice for one model; "" for a file that the lab serves, but on time."""
        if model.base_url is None and self is not Mend.TIMEOUT:
            return ""
        return self.value.format(
            key=model.api_key_env or "api_key_env (none is named)",
            remote=model.remote_name,
            url=model.base_url,
            timeout=model.timeout_s,
            limit=model.tokens_key,
            name=model.name,
        )
