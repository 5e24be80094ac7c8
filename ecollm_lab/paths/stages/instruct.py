"""Instruct: how the model is asked, given the texts that were found."""

from __future__ import annotations

from collections.abc import Sequence

from ecollm_lab.paths.components import component
from ecollm_lab.records import Prompt

THINKING_TOKENS = 192  # what reasoning may take beyond the limit of an answer
MARKER = "Answer:"

BRIEF = (
    "Answer in one or two short sentences, only from the passages. If something is to be switched"
    " or set, answer with the JSON command alone. If the passages do not give the answer, say: The"
    " manual does not say."
)
EXAMPLES = """\
Answer from the passages, as in these examples from a library.

Passages:
- A book may be kept for 28 days. A film may be kept for 7 days.
- The reading room opens at 9:00 and closes at 18:30.
Question: may i have a film for two weeks
No, a film may be kept for 7 days only.

Passages:
- To renew a loan, open the page "My loans" and press "Renew". A loan can be renewed twice.
Question: how do I keep my book for longer?
Open the page "My loans" and press "Renew".

Passages:
- Desk 4 has the lamp lamp.desk4. {"device": "lamp.desk4", "set": "level", "to": 2} dims it; 5 is
  its brightest level.
Question: lamp on desk four as bright as it gets
{"device": "lamp.desk4", "set": "level", "to": 5}

Passages:
- The library card costs 12 euros a year. Students pay half.
Question: is there a car park?
The manual does not say."""
THINK = (
    "First think: say in two or three short sentences which passage is about the thing that is"
    f' asked for and what it says. Then write "{MARKER}" and after it the answer alone.'
)


def build_prompt(passages: Sequence[str], question: str) -> str:
    """Write the passages, one a line, and the question; without passages only the question."""
    context = "".join(f"- {passage}\n" for passage in passages)
    return f"Passages:\n{context}Question: {question}" if passages else f"Question: {question}"


@component("instruct", "plain")
def plain(texts: Sequence[str], question: str) -> Prompt:
    """Give passages and question without an instruction."""
    return Prompt(build_prompt(texts, question))


@component("instruct", "brief")
def brief(texts: Sequence[str], question: str) -> Prompt:
    """Ask for a short answer from the passages, or "The manual does not say."."""
    return Prompt(build_prompt(texts, question), system=BRIEF)


@component("instruct", "examples")
def examples(texts: Sequence[str], question: str) -> Prompt:
    """Show how four questions about another subject are answered."""
    return Prompt(build_prompt(texts, question), system=EXAMPLES)


@component("instruct", "think")
def think(texts: Sequence[str], question: str) -> Prompt:
    """Let the model reason first; what follows the marker is its answer."""
    return Prompt(
        build_prompt(texts, question),
        system=THINK,
        extra_tokens=THINKING_TOKENS,
        answer_after=MARKER,
    )
