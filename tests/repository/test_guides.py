"""What the guides tell a reader to type exists, and the hut they use is sound."""

import dataclasses
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ecollm_lab.cli import app
from ecollm_lab.domains import Grading, load_domain
from ecollm_lab.domains.grader_agreement import compare_graders, read_labels
from ecollm_lab.domains.new_domain import write_new_domain
from ecollm_lab.domains.review import find_gaps
from ecollm_lab.models import ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import Pipeline, read_path, read_space
from ecollm_lab.paths.components import forget
from ecollm_lab.sweeps.provenance import git_revision
from ecollm_lab.traces import Trace
from tests.conftest import LARGE, ROOT, SMALL
from tests.repository.test_docs import PAGES
from tests.support.scripted_model import ScriptedModel

GUIDES = {
    "README.md",
    "docs/models.md",
    *(f"docs/own_{what}.md" for what in ("components", "domain", "models")),
}
HUT, CATALOG = Path("docs/hiking_hut"), ROOT / "tests/data/models.toml"


@pytest.fixture
def hut(tmp_path):
    write_new_domain(
        tmp_path / "hiking_hut", passages=HUT / "notes.md", queries=HUT / "questions.csv"
    )
    return load_domain(tmp_path / "hiking_hut")


def test_the_hut_is_sound_and_lacks_nothing(hut):
    assert (len(hut.passages), len(hut.queries), len(hut.split("heldout"))) == (31, 46, 12)
    assert find_gaps(hut) == []
    assert hut.grading.name == "facts"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_on_a_page_exists_with_its_options(page):
    command = r"(?:\S*/)?ecollm-lab"
    pattern = rf"^(?:\$ )?{command} (.*)$|`{command} ([^`]*)`"
    lines = re.findall(pattern, page.read_text(), re.MULTILINE)
    commands = typer.main.get_command(app).commands
    assert lines or str(page) not in GUIDES
    for line in (one or other for one, other in lines):
        name, *words = shlex.split(line, comments=True)
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_the_catalog_in_the_guide_loads(tmp_path):
    (text,) = re.findall(
        r"```toml\n(lab_models.*?)```", Path("docs/own_models.md").read_text(), re.DOTALL
    )
    assert "models" in tomllib.loads(text)
    (tmp_path / "models.toml").write_text(text)
    assert list(load_catalog(tmp_path / "models.toml").models) == [
        *load_catalog("data/models.toml").models,
        "qwen2_5-1_5b",
        "gpt-4o-mini",
    ]


def test_the_agreements_in_the_guide_are_those_of_the_labels(hut):
    labels = read_labels(HUT / "labels.jsonl", hut)
    table = compare_graders(
        hut,
        labels,
        [Grading(name) for name in ("facts", "token_f1", "embedding")],
        default_encoder(),
        {},
    )
    text = Path("docs/own_domain.md").read_text()
    assert len(labels) == 44
    assert labels["label"].mean() == 0.5
    for row in table.to_dict("records"):
        cells = [
            f"{row[x]:.2f} [{row[f'{x}_low']:.2f}, {row[f'{x}_high']:.2f}]"
            for x in ("agreement_rate", "cohen_kappa", "spearman")
        ]
        line = next(
            line
            for line in text.splitlines()
            if line.startswith(f"| `{row['grader'].split('-')[0]}`")
        )
        assert line.endswith(f"| {' | '.join(cells)} |")


def test_the_pocket_model_is_no_judge_and_says_so(hut):
    labels = read_labels(HUT / "labels.jsonl", hut).head(6)
    with ModelPool(load_catalog(CATALOG)) as models:
        table = compare_graders(hut, labels, [Grading("judge", LARGE)], default_encoder(), models)
    assert table[["n", "n_failed"]].values.tolist() == [[0, 6]]
    assert "did not reply with" in table["failure"][0]


def test_the_guide_works_from_a_folder_outside_the_project(tmp_path, monkeypatch):
    for file in HUT.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    revision = git_revision()
    monkeypatch.chdir(tmp_path)
    for line, says in (
        (
            "new-domain hiking_hut --passages notes.md --queries questions.csv",
            "Written: hiking_hut/domain.toml",
        ),
        ("check-domain hiking_hut", "is sound: 31 passages, 46 queries"),
        (
            f"sweep --domain hiking_hut --space space.toml --limit 3 --catalog {CATALOG}",
            "Trace of 3 outcomes: build/traces/hiking_hut.parquet",
        ),
    ):
        done = CliRunner().invoke(app, shlex.split(line))
        assert done.exit_code == 0, done.output
        assert says in done.output
    assert (tmp_path / "build/outcomes.sqlite").is_file()
    assert Trace.load("build/traces/hiking_hut.parquet").provenance["git_revision"] == revision


class SharedWords:
    """Scores pairs of texts as a cross-encoder does, with the number of words they share."""

    def __init__(self, name):
        assert name.startswith("cross-encoder/")

    def predict(self, pairs):
        return np.array([len(set(a.split()) & set(b.split())) for a, b in pairs], dtype=float)


def test_the_components_and_the_space_in_the_guide_give_the_paths_it_says(
    tmp_path, domain, encoder, monkeypatch
):
    guide = Path("docs/own_components.md").read_text()
    code = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert all(len(block.rstrip().splitlines()) <= 10 for block in code)
    (tmp_path / "my_components.py").write_text("\n".join(code))
    (tmp_path / "my_space.toml").write_text(re.search(r"```toml\n(.*?)```", guide, re.DOTALL)[1])
    catalog = load_catalog(CATALOG)
    models = dict.fromkeys(("smollm2-135m", "qwen2.5-0.5b"), catalog[SMALL])
    catalog = dataclasses.replace(catalog, models=models)
    try:
        space = read_space(tmp_path / "my_space.toml", catalog)
        assert len(space) == 4 * 2 * 2
        scripted = ScriptedModel({f"{domain.passages[2].text}\n\nnotes of mia": "IT IS 6:45."})
        query = dataclasses.replace(domain.queries[1], text="notes of mia")
        paths = space.select(["none/title-1/none/capitals/smollm2-135m"])
        pipeline = Pipeline(domain, catalog, encoder, {"smollm2-135m": scripted})
        assert [outcome.quality for outcome in pipeline.run(query, paths)] == [1.0]
        monkeypatch.setattr("sentence_transformers.CrossEncoder", SharedWords)
        last = domain.passages[-1].text  # by title, the first passage is another one
        scripted.answers[f"{last}\n\n{last}"] = "Found."
        reranked = read_path("none/title-1/cross/capitals/smollm2-135m")
        (outcome,) = pipeline.run(dataclasses.replace(query, text=last), [reranked])
        assert outcome.answer == "Found."
    finally:
        forget("retrieve", "title")
        forget("refine", "cross")
        forget("instruct", "capitals")
