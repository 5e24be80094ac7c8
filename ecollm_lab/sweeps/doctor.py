"""Checks each model of a catalog with one small call.

It says what would be used and at what price, or what is wrong and how to mend it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from ecollm_lab.models import Catalog, Model, ModelPool
from ecollm_lab.paths.stages import build_hyde_prompt, build_prompt
from ecollm_lab.records import LabError

STALE_DAYS = 180
QUESTION = "How long may I keep a book?"
PROMPT = build_prompt(
    (
        "The reading room opens at nine and closes at six. On Saturdays it closes at one.",
        (
            "Books may be kept for four weeks and renewed twice, unless somebody else has asked for"
            " them."
        ),
        (
            "Bags go into the lockers by the entrance. A locker takes a one-euro coin and gives it"
            " back."
        ),
    ),
    QUESTION,
)  # about what one query with three short passages sends

MENDS = (  # what an error says → what to do about it
    (
        r"\b(401|403)\b|authentication|permission denied",
        "The endpoint refuses the key in {key}: is it right, of this provider, and still valid?",
    ),
    (
        r"\b404\b|not ?found",
        (
            "The endpoint knows no model {remote!r} or no such address: check remote_name and"
            " base_url, which often ends in /v1."
        ),
    ),
    (
        r"\b429\b|quota|rate limit",
        (
            "The account is out of quota or over its rate: check its balance, and declare"
            " requests_per_minute."
        ),
    ),
    (
        r"connect|refused|resolve|unreachable",
        "Nothing answers at {url}: is the server running, the address right, the network up?",
    ),
    (
        r"no whole reply|timed out",
        (
            "No answer within timeout_s = {timeout:g} s: raise it, or see what the endpoint is busy"
            " with."
        ),
    ),
    (
        r"completion|html|json",
        (
            "{url} answers, but not as an OpenAI-compatible API: check base_url, which often ends"
            " in /v1."
        ),
    ),
)


@dataclass(frozen=True)
class Diagnosis:
    """What was found out about one model.

    Facts by name, warnings, and, if it cannot be used, the problem and how to mend it.
    """

    model: str
    placement: str
    facts: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    problem: str = ""
    mend: str = ""

    @property
    def ok(self) -> bool:
        """Whether the model answered."""
        return not self.problem


def diagnose(
    catalog: Catalog, names: Sequence[str], models: ModelPool, today: date
) -> list[Diagnosis]:
    """Check the named models one after the other: file, key, one small call, price.

    A fault of one model does not keep the others from being checked.
    """
    return [
        _diagnose(catalog[name], models, today, hyde=name == catalog.hyde_model) for name in names
    ]


def _diagnose(model: Model, models: ModelPool, today: date, *, hyde: bool) -> Diagnosis:
    facts = (
        {"file": str(model.file)}
        if model.file
        else {"endpoint": f"{model.base_url}, model {model.remote_name!r}"}
    )
    if model.api_key_env:
        facts["key"] = f"from {model.api_key_env}, not shown"
    warnings = _price_warnings(model, today)
    started = time.perf_counter()
    try:
        models.check([model.name])
        if model.file:
            facts["file"] += (
                "; sha256 as declared"
                if model.sha256
                else "; no sha256 declared, so a swapped file would go unnoticed"
            )
        opened = models[model.name]
        facts["template"] = getattr(opened, "template", "unknown")
        facts["opened in"] = f"{time.perf_counter() - started:.2f} s"
        reply = opened.reply(PROMPT)
        made_up = opened.reply(build_hyde_prompt(QUESTION)) if hyde else None
    except LabError as error:
        problem = str(error).partition(" Nothing was recorded")[0]  # there is no outcome here
        return Diagnosis(
            model.name, model.placement, facts, warnings, problem, _mend(model, problem)
        )
    facts["question"] = f"{QUESTION!r}, with three short passages"
    facts["answer"] = (
        f"{reply.text[:60]!r}; {reply.tokens_in} tokens read, {reply.tokens_out} written,"
        f" {reply.latency_s:.3f} s"
    )
    if made_up:
        facts["hyde"] = (
            f"{made_up.text[:60]!r} is what it would search for; {made_up.latency_s:.3f} s"
        )
    cost = 1000 * model.cost_usd(reply.latency_s, reply.tokens_in, reply.tokens_out)
    per = (
        f"{model.price_usd_per_hour:g} USD per hour of this device"
        if model.placement == "edge"
        else (
            f"{model.price_in_usd_per_mtok:g} in, {model.price_out_usd_per_mtok:g} out USD per"
            " million tokens"
        )
    )
    facts["cost"] = f"{cost:.6f} USD for 1,000 such queries; {per}"
    facts["prices"] = f"declared {model.price_date}: {model.price_source}"
    if model.network_delay_s:
        facts["delay"] = f"{model.network_delay_s:g} s declared, added to each measured latency"
    return Diagnosis(model.name, model.placement, facts, warnings)


def _price_warnings(model: Model, today: date) -> tuple[str, ...]:
    age = (today - date.fromisoformat(model.price_date)).days
    if age < 0:
        return (f"its prices are dated {model.price_date}, in the future; mend the date",)
    if age > STALE_DAYS:
        return (
            f"its prices are {age} days old; look them up, then set price_date (or [prices] date)",
        )
    return ()


def _mend(model: Model, problem: str) -> str:
    """Say what to do about a problem of an endpoint; what the lab found itself already says so."""
    if model.base_url is None or "environment variable" in problem:
        return ""
    values = {
        "key": model.api_key_env or "api_key_env (none is named)",
        "remote": model.remote_name,
        "url": model.base_url,
        "timeout": model.timeout_s,
    }
    return next(
        (
            mend.format(**values)
            for pattern, mend in MENDS
            if re.search(pattern, problem, re.IGNORECASE)
        ),
        "",
    )


def report(diagnoses: Sequence[Diagnosis]) -> str:
    """Write the findings as plain text, one block a model."""
    lines = []
    for one in diagnoses:
        lines.append(f"{one.model} ({one.placement}): {'answers' if one.ok else 'FAILS'}")
        rows = [*one.facts.items(), *(("WARNING", text) for text in one.warnings)]
        rows += [("problem", one.problem)] * bool(one.problem) + [("to mend", one.mend)] * bool(
            one.mend
        )
        lines += [f"  {name:10} {text}" for name, text in rows]
    n = sum(one.ok for one in diagnoses)
    lines.append(
        f"{n} of {len(diagnoses)} models answer. Whether an answer is right is not checked here: a"
        " sweep grades them."
    )
    return "\n".join(lines)
