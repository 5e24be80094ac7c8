"""The benchmark of characteristics that a model answers: asking, charging, and what it is worth."""

import json
import sys
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from benchmarks import characteristics, characteristics_asked
from benchmarks.characteristics_asked import Asked, answered, ask, probability
from ecollm_lab.models.replies import Reply
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace
from tests.conftest import LetterEncoder, make_trace

N = 60
QUESTIONS = {"asks why": r"\bwhy\b", "names a lamp": "lamp"}


class Yes:
    """Stands for an edge model: says yes to every second prompt, in a second."""

    prompts: ClassVar[list[str]] = []

    def __init__(self, model, *, reuse):
        assert reuse
        assert model.placement == "edge"
        assert model.max_tokens == 1

    def reply(self, prompt):
        self.prompts.append(prompt)
        even = len(self.prompts) % 2 == 0
        return Reply("Yes" if even else "No", 9, 1, 1.0, logprob=np.log(0.8))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def file(monkeypatch, domain, tmp_path):
    one = replace(domain.queries[0], split="train")
    queries = tuple(replace(one, id=f"q{i}", text=f"why is lamp {i} dark?") for i in range(3))
    asking = replace(domain, queries=queries, characteristics=QUESTIONS)
    monkeypatch.setattr("ecollm_lab.models.edge.llama.EdgeModel", Yes)
    monkeypatch.setattr(characteristics_asked, "load_domain", lambda _: asking)
    monkeypatch.setattr(Yes, "prompts", [])
    return tmp_path / "answers.parquet"


def test_every_question_is_asked_once_about_every_training_query(file):
    train = characteristics_asked.load_domain("smart_home").split("train")
    ask("smart_home", "qwen2.5-0.5b", file)
    rows = pd.read_parquet(file)
    assert len(rows) == len(train) * 2 == len(Yes.prompts) - 1  # one warms the model up
    assert set(rows["query_id"]) == {query.id for query in train}
    assert set(rows["yes"].round(9)) == {0.8, 0.2}
    assert rows["cost_usd"].to_numpy() == pytest.approx(0.0159 / 3600)
    assert all(query.text in "".join(Yes.prompts) for query in train)
    asked = len(Yes.prompts)
    ask("smart_home", "qwen2.5-0.5b", file)
    assert len(Yes.prompts) == asked
    ask("automotive", "qwen2.5-0.5b", file)  # beside them
    both = pd.read_parquet(file)
    pd.testing.assert_frame_equal(both[: len(rows)], rows)
    assert len(both) == 2 * len(rows)


def test_a_run_that_was_ended_goes_on_with_what_is_missing(file, monkeypatch):
    answer, asking = Yes.reply, characteristics_asked.load_domain("smart_home")

    def ended(self, prompt):
        if len(self.prompts) == 4:
            raise KeyboardInterrupt
        return answer(self, prompt)

    monkeypatch.setattr(Yes, "reply", ended)
    with pytest.raises(KeyboardInterrupt):
        ask("smart_home", "qwen2.5-0.5b", file)
    kept = pd.read_parquet(file)
    assert len(kept) == 2  # of the first query; the second had but one answer
    monkeypatch.setattr(Yes, "reply", answer)
    more = replace(asking, characteristics=QUESTIONS | {"is short": "^.{0,20}$"})
    monkeypatch.setattr(characteristics_asked, "load_domain", lambda _: more)
    Yes.prompts.clear()
    ask("smart_home", "qwen2.5-0.5b", file)  # with a question that was not asked before
    assert len(Yes.prompts) - 1 == 1 + 2 * 3
    assert not pd.read_parquet(file).duplicated(["query_id", "question"]).any()


def test_an_answer_is_read_as_a_probability():
    assert probability("No.", np.log(0.9)) == pytest.approx(0.1)
    assert probability("perhaps", np.log(0.9)) == 0.5


def why_trace():
    """Every second query asks why, which the second path answers and the first does not."""
    why = np.arange(N) % 2 == 0
    quality = np.column_stack([~why, why]).astype(float)
    trace = make_trace(quality, 1e-6, np.full((N, 2), 1.0))
    # words do not tell which: only the model's answers do
    table = trace.queries.assign(text=[f"lamp {n}" for n in range(N)])
    about = {**trace.provenance, "characteristics": {"names a lamp": "lamp"}}
    return Trace.from_frame(trace.outcomes, table, about), why


def told(trace, why):
    yes = pd.DataFrame({"names a lamp": np.where(why, 0.6, 0.4)}, index=trace.query_ids)
    spent = pd.DataFrame({"latency_s": 0.5, "cost_usd": 1e-7}, index=trace.query_ids)
    return Asked("knowing", yes, spent)


@pytest.fixture(autouse=True)
def _letters(monkeypatch):
    for module in (characteristics, characteristics_asked):
        monkeypatch.setattr(module, "encoder", LetterEncoder)
    monkeypatch.setattr(characteristics, "N_FOLDS", 2)


def test_answers_that_tell_the_path_are_worth_much_and_asking_is_charged(monkeypatch):
    trace, why = why_trace()
    asked = told(trace, why)
    paid = asked.charged(trace)
    assert (paid.array("latency_s") - trace.array("latency_s")) == pytest.approx(0.5)
    assert (paid.array("cost_usd") - trace.array("cost_usd")) == pytest.approx(1e-7)
    monkeypatch.setattr(
        characteristics, "slo_grid", lambda _: {"t": SLO(max_latency_s=1.2), "none": SLO()}
    )
    frame = characteristics.collect("any", [asked], trace, seeds=1)
    found = pd.DataFrame(characteristics.records(frame, trace))
    value = found.set_index(["metric", "features", "charged"])["value"]
    assert value["quality", "knowing", False] > 0.95
    assert max(value["quality", name, False] for name in ("embedding", "general", "rules")) < 0.75
    assert value["quality_over_rules", "rules", False] == 0.0
    # asking leaves no time for an answer within the limit, which is half of the grid
    assert value["quality_if_kept", "knowing", True] == pytest.approx(
        value["quality_if_kept", "knowing", False] / 2, abs=0.03
    )


def test_the_command_writes_records_and_a_table(monkeypatch, tmp_path, capsys):
    trace, why = why_trace()
    asked, file, out = told(trace, why), tmp_path / "a.parquet", tmp_path / "out.json"
    rows = asked.yes.reset_index(names="query_id").melt("query_id", ["names a lamp"], "question")
    rows = rows.rename(columns={"value": "yes"}).assign(trace="smart_home", model="knowing")
    rows.assign(latency_s=0.5, cost_usd=1e-7).to_parquet(file)
    assert answered(trace, "smart_home", file)[0].yes.equals(asked.yes)
    assert not answered(trace, "automotive", file)
    rows.iloc[3:].assign(latency_s=0.5, cost_usd=1e-7).to_parquet(tmp_path / "less.parquet")
    with pytest.raises(SystemExit, match="lacks 3 answers of knowing about smart_home; ask"):
        answered(trace, "smart_home", tmp_path / "less.parquet")
    monkeypatch.setattr(sys, "argv", f"x --answers {tmp_path / 'no'} --json {out}".split())
    with pytest.raises(SystemExit):
        characteristics.main()
    assert "there is no file" in capsys.readouterr().err
    monkeypatch.setattr(characteristics.Trace, "load", lambda _: trace)
    monkeypatch.setattr(characteristics, "complete", lambda one: one)
    monkeypatch.setattr(characteristics, "slo_grid", lambda _: {"none": SLO()})
    words = f"x --quick --traces smart_home --answers {file} --json {out}".split()
    monkeypatch.setattr(sys, "argv", words)
    characteristics.main()
    found = pd.DataFrame(json.loads(out.read_text()))
    one = found[found["features"] == "knowing"].set_index("metric")["value"]
    assert one["asking_s"] == 0.5
    assert one["asking_usd"] == pytest.approx(1e-7)
    table = capsys.readouterr().out
    assert "| knowing | +" in table
    assert "rules and knowing, charged" in table


def test_an_answer_that_is_always_the_same_tells_nothing_and_breaks_nothing():
    trace, why = why_trace()
    yes = pd.DataFrame({"names a lamp": 0.5}, index=trace.query_ids)
    same = replace(told(trace, why), yes=yes).encoder(trace, trace)
    assert same.encode(trace.queries["text"].tolist())[:, -1] == pytest.approx(0.0)


@pytest.mark.parametrize(("pattern", "agreement"), [("[02468]$", 1.0), ("[13579]$", 0.0)])
def test_agreement_is_how_well_the_answers_tell_what_the_rule_does(pattern, agreement):
    trace, why = why_trace()  # of which every second query, by its number, asks why
    about = trace.provenance | {"characteristics": {"names a lamp": pattern}}
    trace = Trace.from_frame(trace.outcomes, trace.queries, about)
    found = characteristics.about_asking(told(trace, why), trace)
    assert {one["metric"]: one["value"] for one in found}["agreement"] == agreement
