import json

import pytest

from ecollm_lab.domains import check_domain, load_domain
from ecollm_lab.domains.domain import GRADERS
from ecollm_lab.models import load_catalog
from ecollm_lab.records import DATA, LabError
from ecollm_lab.sweeps.provenance import provenance

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
        (
            [PASSAGE],
            [{**QUERY, "facts": ["<choice> y"]}],
            "has nothing but <choice>, which counts only",
        ),
        ([PASSAGE], [{**QUERY, "text": 3}], "field 'text' should be a valid string; got 3"),
        ([PASSAGE], [{**QUERY, "colour": "red"}], "unknown field 'colour'"),
        ([PASSAGE], [], "queries.jsonl is empty"),
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
        "unknown field 'x'; known: id, text, kind, references, facts, gold, split, wording,"
        " refutes, action",
    ]


def test_a_missing_file_and_bad_bytes_are_faults(tmp_path):
    assert "Cannot read" in check_domain(tmp_path)[0]
    write(tmp_path, [PASSAGE], [QUERY])
    (tmp_path / "queries.jsonl").write_bytes(b"{}\n\xff")
    assert "queries.jsonl:2: not UTF-8" in check_domain(tmp_path)[0]


# titles of passages that are about no single device
ABOUT_ALL = {"Norvane Link commands"}


@pytest.mark.parametrize("name", ["smart_home", "automotive"])
def test_the_shipped_domains_are_what_the_lab_promises(name):
    domain = load_domain(f"data/{name}")
    assert len(domain.passages) >= 110
    assert len(domain.queries) >= 320
    old = {"lookup", "compare", "diagnose", "procedure", "personal", "general", "unanswerable"}
    assert {q.kind for q in domain.queries} == old | {"compute", "control"}
    texts = [q.text for q in domain.queries]
    assert len(set(texts)) == len(texts)
    devices = {p.id: p.title.split(":")[0] for p in domain.passages if p.source == "manual"}
    asked = {
        split: {devices[g] for q in domain.split(split) for g in q.gold if g in devices}
        for split in ("train", "heldout")
    }
    assert asked["train"] & asked["heldout"] <= ABOUT_ALL


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
        "token_f1-2",
    )
    (tmp_path / "domain.toml").write_text('grading = "judge"\njudge_model = "gpt"\n')
    assert load_domain(tmp_path).grading.slug == "judge-1:gpt"
    assert load_domain(tmp_path).name == tmp_path.name


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("grading = [", "not TOML"),
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
        (
            "[characteristics]\n'is open' = '('",
            "field 'characteristics'['is open'] should be a regular expression (missing ),"
            " unterminated subpattern at position 0); got '('",
        ),
        ("[characteristics]\nx = 'a{99999999999}'", "'x'] should be a regular expression"),
        ("[characteristics]\n'is open' = ' '", "field 'characteristics'['is open'] is empty"),
        ("[characteristics]\ngrading = 'judge'", "'grading' stands below [characteristics]"),
    ],
)
def test_a_bad_domain_toml_is_a_fault(tmp_path, text, fault):
    write(tmp_path, [PASSAGE], [{**QUERY, "facts": []}])
    (tmp_path / "domain.toml").write_text(text)
    assert any(fault in line for line in check_domain(tmp_path)), check_domain(tmp_path)


def test_what_a_domain_asks_about_its_queries_changes_no_outcome(tmp_path):
    plain = load_domain(write(tmp_path, [PASSAGE], [QUERY]))
    (tmp_path / "domain.toml").write_text("[characteristics]\n'names an attic' = 'attic|loft'\n")
    domain = load_domain(tmp_path)
    assert domain.characteristics == {"names an attic": "attic|loft"}
    assert domain.digest == plain.digest
    about = provenance(domain, load_catalog(DATA / "models.toml"), "some encoder")
    assert about["characteristics"] == domain.characteristics


def test_refutes_and_an_action_are_read_and_change_the_digest(tmp_path):
    plain = load_domain(write(tmp_path, [PASSAGE], [QUERY]))
    control = {**QUERY, "facts": [], "refutes": ["y"], "action": {"to": 40, "set": "é"}}
    domain = load_domain(write(tmp_path, [PASSAGE], [control]))
    assert domain.queries[0].refutes == ("y",)
    assert json.loads(domain.queries[0].action) == {"to": 40, "set": "é"}
    assert domain.digest != plain.digest
    empty = {**QUERY, "refutes": [], "wording": "template"}
    assert load_domain(write(tmp_path, [PASSAGE], [empty])).digest == plain.digest


def test_a_new_version_of_the_grader_makes_another_edition_of_a_domain(tmp_path, monkeypatch):
    domain = load_domain(write(tmp_path, [PASSAGE], [QUERY]))
    before = domain.digest
    monkeypatch.setitem(GRADERS, "facts", GRADERS["facts"] + 1)
    assert domain.digest != before


@pytest.mark.parametrize("fact", ["…", "5 | ", " | 5", "***"])
def test_a_fact_that_cannot_be_checked_is_a_fault(tmp_path, fact):
    write(tmp_path, [PASSAGE], [{**QUERY, "facts": [fact]}])
    (fault,) = check_domain(tmp_path)
    assert f"queries.jsonl:1: field 'facts': {fact!r} cannot be checked" in fault
    write(tmp_path, [PASSAGE], [{**QUERY, "facts": ["<refusal>"], "refutes": [fact]}])
    assert "field 'refutes'" in check_domain(tmp_path)[0]


@pytest.mark.parametrize("text", ["\ufeff", "", "\r\n"])
def test_files_are_read_as_the_world_writes_them(tmp_path, text):
    row = json.dumps({**QUERY, "text": "how\u2028often\x85?"}, ensure_ascii=False)
    write(tmp_path, [PASSAGE], [])
    (tmp_path / "queries.jsonl").write_bytes((text + row + "\r\n").encode())
    assert load_domain(tmp_path).queries[0].text == "how\u2028often\x85?"


def test_half_a_character_and_utf_16_are_named(tmp_path):
    write(tmp_path, [PASSAGE], [json.dumps({**QUERY, "text": "on \ud83d?"})])
    assert "queries.jsonl:1: not JSON: half of a character" in check_domain(tmp_path)[0]
    (tmp_path / "queries.jsonl").write_bytes(json.dumps(QUERY).encode("utf-16"))
    assert "the text is UTF-16" in check_domain(tmp_path)[0]


def test_the_labs_own_domains_are_found_by_name():
    assert load_domain("smart_home").name == "smart_home"
    with pytest.raises(LabError, match="no domain or folder 'attic'"):
        load_domain("attic")
