"""How much is reserved before an attempt: what was asked for, or what the endpoint has billed."""

from __future__ import annotations

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.replies import most_tokens_in, most_tokens_out
from ecollm_lab.records import Prompt


class Reservations:
    """The most that attempts at one endpoint may be billed.

    An endpoint that ignores the limit of an answer, thinks without being told how long, or adds a
    prompt of its own bills more than was reserved. From then on as much more is reserved.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._more_in = self._more_out = 0

    def tokens(self, prompt: Prompt | str) -> tuple[int, int]:
        """Return the most tokens that a call may read and write."""
        most_in, most_out = most_tokens_in(self.model, prompt), most_tokens_out(self.model, prompt)
        return most_in + self._more_in, most_out + self._more_out

    def usd(self, prompt: Prompt | str) -> float:
        """Return the most that a call may cost in US dollars."""
        return self.model.cost_usd(0.0, *self.tokens(prompt))

    def learn(self, prompt: Prompt | str, tokens: tuple[int, int]) -> str:
        """Take in what a call was billed; return what to tell the user, "" for nothing."""
        most = self.tokens(prompt)
        excess_in, excess_out = (max(0, used - top) for used, top in zip(tokens, most, strict=True))
        if not excess_in and not excess_out:
            return ""
        # How much of it was the excess is not known; all of it beside another call's is enough.
        self._more_in = max(self._more_in, tokens[0] if excess_in else 0)
        self._more_out = max(self._more_out, tokens[1] if excess_out else 0)
        return (
            f"Model {self.model.name!r} billed {tokens[0]} tokens read and {tokens[1]} written"
            f" where at most {most[0]} and {most[1]} were reserved: it does not keep to"
            f" {self.model.tokens_key}, thinks longer than thinking_tokens, or adds a prompt of its"
            " own. From now on each call reserves as much more."
        )
