import json

import pytest

from ecollm_lab.domains import check_domain, load_domain
from ecollm_lab.records import LabError

PASSAGE = {"id": "p1", "title": "t", "source": "manual", "text": "x"}
QUERY = {
    "id": "q1",
    "text": "x?",
    "kind": "lookup",
    "references": ["x"],
    "facts": ["x"],
    "gold": ["p1"],
    "split": "train",
}


def write(folder, passages, queries):
    for name, rows in (("passages", passages), ("queries", queries)):
        text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def test_a_sound_domain_loads(tmp_path):
    domain = load_domain(write(tmp_path, [PASSAGE], [QUERY]))
    assert domain.queries[0].gold == ("p1",)
    assert domain.split("heldout") == ()


@pytest.mark.parametrize(
    ("passages", "queries", "fault"),
    [
        (["{oops"], [], "passages.jsonl:1: not JSON"),
        ([PASSAGE], [QUERY, "[1]"], "queries.jsonl:2: must be a JSON object, got list"),
        ([PASSAGE, PASSAGE], [QUERY], "passages.jsonl:2: duplicate id 'p1', first used on line 1"),
        (
            [PASSAGE],
            [{**QUERY, "gold": ["p9"]}],
            "queries.jsonl:1: gold passage 'p9' does not exist",
        ),
        (
            [PASSAGE],
            [{k: v for k, v in QUERY.items() if k != "facts"}],
            "queries.jsonl:1: missing field 'facts'",
        ),
        (
            [PASSAGE],
            [{**QUERY, "split": "test"}],
            "field 'split' should be 'train' or 'heldout'; got 'test'",
        ),
        ([PASSAGE], [{**QUERY, "facts": []}], "queries.jsonl:1: field 'facts' is empty"),
        ([PASSAGE], [{**QUERY, "text": 3}], "field 'text' should be a valid string; got 3"),
        ([PASSAGE], [{**QUERY, "colour": "red"}], "unknown field 'colour'"),
        ([PASSAGE], [], "queries.jsonl: no records"),
    ],
)
def test_each_fault_is_reported_with_file_and_line(tmp_path, passages, queries, fault):
    write(tmp_path, passages, queries)
    assert any(fault in line for line in check_domain(tmp_path)), check_domain(tmp_path)
    with pytest.raises(LabError, match="check-domain"):
        load_domain(tmp_path)


def test_every_fault_is_reported_not_only_the_first(tmp_path):
    write(tmp_path, ["{", "{"], [{**QUERY, "gold": ["a", "b"]}])
    assert len(check_domain(tmp_path)) == 4
    write(tmp_path, [PASSAGE], [{**QUERY, "text": " ", "split": "test", "gold": ["p1", 3], "x": 1}])
    said = [line.rpartition("queries.jsonl:1: ")[2] for line in check_domain(tmp_path)]
    assert said == [
        "field 'text' is empty",
        "field 'gold'[1] should be a valid string; got 3",
        "field 'split' should be 'train' or 'heldout'; got 'test'",
        "unknown field 'x'; known: id, text, kind, references, facts, gold, split, wording",
    ]


def test_a_missing_file_and_bad_bytes_are_faults(tmp_path):
    assert "cannot be read" in check_domain(tmp_path)[0]
    write(tmp_path, [PASSAGE], [QUERY])
    (tmp_path / "queries.jsonl").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in check_domain(tmp_path)[0]


@pytest.mark.parametrize("name", ["smart_home", "automotive"])
def test_the_shipped_domains_are_what_the_lab_promises(name):
    domain = load_domain(f"data/{name}")
    assert len(domain.passages) >= 200
    assert len(domain.queries) >= 600
    kinds = {"lookup", "compare", "diagnose", "procedure", "personal", "general", "unanswerable"}
    assert {q.kind for q in domain.queries} == kinds
    texts = [q.text for q in domain.queries]
    assert len(set(texts)) == len(texts)
    titles = {
        p.id: p.title.split(":")[0].split()[0] for p in domain.passages if p.source == "manual"
    }
    families = {
        split: {titles[g] for q in domain.split(split) for g in q.gold if g in titles}
        for split in ("train", "heldout")
    }
    assert not families["train"] & families["heldout"]


def test_the_references_of_the_shipped_domains_state_their_own_facts():
    from ecollm_lab.domains import grade

    for name in ("smart_home", "automotive"):
        for query in load_domain(f"data/{name}").queries:
            assert grade(query, query.references[0]) == 1.0, query


def test_domain_toml_names_the_domain_and_its_grading(tmp_path):
    write(tmp_path, [PASSAGE], [{**QUERY, "facts": []}])
    (tmp_path / "domain.toml").write_text(
        'name = "attic"\ndescription = "what is up there"\ngrading = "token_f1"\n'
    )
    domain = load_domain(tmp_path)
    assert (domain.name, domain.description, domain.grading.slug) == (
        "attic",
        "what is up there",
        "token_f1-1",
    )
    (tmp_path / "domain.toml").write_text('grading = "judge"\njudge_model = "gpt"\n')
    assert load_domain(tmp_path).grading.slug == "judge-1:gpt"
    assert load_domain(tmp_path).name == tmp_path.name


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("grading = [", "cannot be read"),
        (
            'grading = "bleu"',
            "grading must be one of facts, token_f1, embedding, judge; got 'bleu'",
        ),
        ('grading = "judge"', "judge_model"),
        ('judge_model = "gpt"', "judge_model"),
        ('grading = "facts"', "field 'facts' is empty"),
        ("grading = 3", "field 'grading' should be a valid string; got 3"),
        ('name = "../x"', "field 'name' should match pattern"),
        ('colour = "red"', "unknown field 'colour'"),
    ],
)
def test_a_bad_domain_toml_is_a_fault(tmp_path, text, fault):
    write(tmp_path, [PASSAGE], [{**QUERY, "facts": []}])
    (tmp_path / "domain.toml").write_text(text)
    assert any(fault in line for line in check_domain(tmp_path)), check_domain(tmp_path)
