"""Checks each model of a catalog with a few small calls, an endpoint with one.

It says what would be used and at what price, or what is wrong and how to mend it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from ecollm_lab.models import CallFailed, Catalog, Model, ModelPool, Reply
from ecollm_lab.paths.stages import build_hyde_prompt, build_prompt
from ecollm_lab.records import LabError
from ecollm_lab.sweeps.probing import find_accepted, tokens_per_second
from ecollm_lab.sweeps.speed import cores, crowded, load

STALE_DAYS = 180
QUESTION = "How long may I keep a book?"
PASSAGES = (
    "The reading room opens at nine and closes at six. On Saturdays it closes at one.",
    "Books may be kept for four weeks and renewed twice, unless somebody else has asked for them.",
    "Bags go into the lockers by the entrance. A locker takes a one-euro coin and gives it back.",
)
PROMPT = build_prompt(PASSAGES, QUESTION)  # about what a query with three short passages sends
# As long, but with another beginning: a server may have kept the first one's.
TURNED = build_prompt(PASSAGES[::-1], QUESTION)


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
    """Check the named models one after the other: file, key, a few small calls, price, speed.

    A fault of one model does not keep the others from being checked. An endpoint is asked once; it
    is asked again only where it refused the request, to find out what it does take.
    """
    return [_diagnose(catalog, catalog[name], models, today) for name in names]


def _diagnose(catalog: Catalog, model: Model, models: ModelPool, today: date) -> Diagnosis:
    facts = _place(model)
    warnings = [*_price_warnings(model, today), *_thread_warnings(model)]

    def found(problem: str = "", mend: str = "") -> Diagnosis:
        return Diagnosis(model.name, model.placement, facts, tuple(warnings), problem, mend)

    started = time.perf_counter()
    try:
        models.check([model.name])
        opened = models[model.name]
        facts["template"] = getattr(opened, "template", "unknown")
        facts["opened in"] = f"{time.perf_counter() - started:.2f} s"
        reply = opened.reply(PROMPT)
        facts |= _answer(model, reply)
        if model.base_url is None:
            facts["speed"] = _speed(model, [reply, *map(opened.reply, (QUESTION, TURNED))])
        if model.name == catalog.hyde_model:
            made_up = opened.reply(build_hyde_prompt(QUESTION))
            facts["hyde"] = f"{_quote(made_up)} is what it would search for"
    except CallFailed as error:
        accepted = find_accepted(model, error, partial(_ask, catalog))
        if accepted is None:
            return found(error.why, error.mend)
        facts |= _answer(model, accepted.reply)
        lines = "".join(f"\n    {line}" for line in accepted.lines)
        return found(
            error.why,
            f"it answers with these lines in the catalog:\n    [models.{model.name}]{lines}",
        )
    except LabError as error:  # what the lab finds itself says how to mend it
        return found(str(error))
    return found()


def _ask(catalog: Catalog, changed: Model) -> Reply:
    """Make one small call to a changed model."""
    with ModelPool(replace(catalog, models={changed.name: changed})) as models:
        return models[changed.name].reply(PROMPT)


def _place(model: Model) -> dict[str, str]:
    """Say which file or endpoint would be used, and where its key comes from."""
    place = {"endpoint": f"{model.base_url}, model {model.remote_name!r}"}
    if model.file:
        checked = (
            "sha256 as declared"
            if model.sha256
            else "no sha256 declared, so a swapped file would go unnoticed"
        )
        place = {"file": f"{model.file}; {checked}"}
    key = {"key": f"from {model.api_key_env}, not shown"} if model.api_key_env else {}
    return place | key


def _quote(reply: Reply) -> str:
    return (
        f"{reply.text[:60]!r}; {reply.tokens_in} tokens read, {reply.tokens_out} written,"
        f" {reply.latency_s:.3f} s"
    )


def _answer(model: Model, reply: Reply) -> dict[str, str]:
    """Say what was asked and answered, and what such queries cost."""
    cost = 1000 * model.cost_usd(reply.latency_s, reply.tokens_in, reply.tokens_out)
    per = (
        f"{model.price_usd_per_hour:g} USD per hour of this device"
        if model.placement == "edge"
        else (
            f"{model.price_in_usd_per_mtok:g} in, {model.price_out_usd_per_mtok:g} out USD per"
            " million tokens"
        )
    )
    facts = {
        "question": f"{QUESTION!r}, with three short passages",
        "answer": _quote(reply),
        "cost": f"{cost:.6f} USD for 1,000 such queries; {per}",
        "prices": f"declared {model.price_date}: {model.price_source}",
    }
    if model.network_delay_s:
        facts["delay"] = f"{model.network_delay_s:g} s declared, added to each measured latency"
    return facts


def _speed(model: Model, replies: Sequence[Reply]) -> str:
    read, wrote = (
        f"{rate:.0f}" if rate < 10_000 else "over 10,000" for rate in tokens_per_second(replies)
    )
    return (
        f"{read} tokens of a prompt and {wrote} of an answer a second, with threads ="
        f" {model.threads}"
    )


def _thread_warnings(model: Model) -> Iterator[str]:
    """Warn where the threads of a model of this machine will wait for its cores."""
    if model.base_url is not None:
        return
    n = cores()
    if model.threads > n:
        yield (
            f"threads = {model.threads} on {n} cores makes llama.cpp many times slower, because its"
            f" threads wait for each other; set threads = {n} or fewer"
        )
    elif model.threads == n > 1:
        yield (
            f"threads = {n} takes every core: whatever runs beside it, the lab's own encoder"
            f" included, makes it many times slower; set threads = {n - 1}"
        )
    busy = load()
    if busy is not None and busy > n - model.threads + 0.5:
        yield crowded(model.threads)


def _price_warnings(model: Model, today: date) -> Iterator[str]:
    age = (today - date.fromisoformat(model.price_date)).days
    if age < 0:
        yield f"its prices are dated {model.price_date}, in the future; mend the date"
    if age > STALE_DAYS:
        yield f"its prices are {age} days old; look them up, then set price_date (or [prices] date)"


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
