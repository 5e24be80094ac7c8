"""A model that says what a test tells it to."""

from __future__ import annotations

from dataclasses import dataclass

from ecollm_lab.models import Reply
from ecollm_lab.records import LabError, Prompt


@dataclass
class ScriptedModel:
    """It replies from a table and counts its calls.

    A prompt that is not in the table is an error.
    """

    answers: dict[str, str]
    calls: int = 0

    def reply(self, prompt: Prompt | str) -> Reply:
        """Look the user message up."""
        asked = Prompt.of(prompt).user
        self.calls += 1
        if asked not in self.answers:
            raise LabError(f"The scripted model has no answer for {asked!r}.")
        text = self.answers[asked]
        return Reply(text, len(asked.split()), len(text.split()), 0.001)
