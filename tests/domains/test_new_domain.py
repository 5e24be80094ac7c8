"""A new domain starts sound, says what it lacks, and never overwrites."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from ecollm_lab.cli import app
from ecollm_lab.domains import check_domain, load_domain
from ecollm_lab.domains.new_domain import read_passages, read_queries, write_new_domain
from ecollm_lab.domains.review import find_gaps, unique_5gram_share
from ecollm_lab.records import LabError


def call(*args, code=0):
    done = CliRunner().invoke(app, [str(a) for a in args])
    assert done.exit_code == code, done.output
    return done.output


def test_a_new_domain_is_sound_and_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "ecollm-lab check-domain office" in call("new-domain", "office")
    assert sorted(file.name for file in (tmp_path / "office").iterdir()) == [
        "README.md",
        "domain.toml",
        "passages.jsonl",
        "queries.jsonl",
    ]
    assert check_domain("office") == []
    assert load_domain("office").name == "office"
    text = call("check-domain", "office")
    for missing in (
        "6 example lines are left",
        "2 train queries; give at least 20",
        "1 heldout queries; give at least 10",
    ):
        assert f"Still missing: {missing}" in text
    assert len(find_gaps(load_domain("office"))) == 3  # its own examples have no other fault


def test_nothing_is_overwritten(tmp_path):
    kept = tmp_path / "home"
    kept.mkdir()
    (kept / "passages.jsonl").write_text("mine")
    assert "is there already and is left as it is" in call("new-domain", kept, code=1)
    assert [file.name for file in kept.iterdir()] == ["passages.jsonl"]
    assert (kept / "passages.jsonl").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    call("new-domain", tmp_path / "file", code=1)
    assert "must be letters" in call("new-domain", tmp_path / "my domain", code=1)


def test_the_sign_for_the_home_folder_hides_no_domain_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/passages.jsonl").write_text("mine")
    assert "is there already and is left as it is" in call("new-domain", "~/home", code=1)
    assert (tmp_path / "home/passages.jsonl").read_text() == "mine"
    assert f"Written: {tmp_path / 'hut/domain.toml'}" in call("new-domain", "~/hut")
    assert load_domain("~/hut").name == "hut"


@pytest.mark.parametrize("name", ["smart_home", "automotive"])
def test_the_shipped_domains_lack_nothing(name):
    assert find_gaps(load_domain(f"data/{name}")) == []


def test_each_thing_missing_is_named(domain):
    def said(**changes):
        return " | ".join(find_gaps(dataclasses.replace(domain, **changes)))

    one, two = domain.queries
    assert "texts stand in both splits, first 'how heavy is the halo bulb'" in said(
        queries=(one, dataclasses.replace(one, id="x", split="heldout"))
    )
    assert "1 queries (first q1) have a reference that does not state" in said(
        queries=(dataclasses.replace(one, references=("heavy",)), two)
    )
    assert "1 queries (first q1) have a fact that no gold passage" in said(
        queries=(dataclasses.replace(one, gold=("p3",)), two)
    )
    assert "no gold passage" not in said(queries=(dataclasses.replace(one, gold=()), two))
    assert "over 200 words, first p1" in said(
        passages=(dataclasses.replace(domain.passages[0], text="word " * 201), *domain.passages[1:])
    )


def test_a_question_that_tells_no_query_from_another_is_named(domain):
    def said(pattern):
        queries = tuple(dataclasses.replace(one, split="train") for one in domain.queries)
        asked = dataclasses.replace(domain, queries=queries, characteristics={"is long": pattern})
        return " | ".join(find_gaps(asked))

    assert "'is long' is true of no training query" in said("wombat")
    assert "'is long' is true of every training query" in said("")
    assert "is long" not in said("^HOW heavy")


def test_markdown_is_cut_at_its_headings(tmp_path):
    file = tmp_path / "notes.md"
    file.write_text(
        "Before.\n\n# Hut\n\n## Beds ##\nTwenty beds.\n\nBring a liner.\n### Empty\n## Food\nSoup"
        " at six.\n#notaheading stays\n"
    )
    assert [(row["id"], row["title"], row["text"]) for row in read_passages(file)] == [
        ("p001", "notes", "Before."),
        ("p002", "Beds", "Twenty beds. Bring a liner."),
        ("p003", "Food", "Soup at six. #notaheading stays"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_heading_ends_with_its_line_and_keeps_its_own_signs(tmp_path, end):
    text = "##\nSoup at six.\n# Notes on C#\nNo beds.\n# Huts #  \n\nTwo."
    (tmp_path / "n.md").write_bytes(text.replace("\n", end).encode())
    assert [(row["title"], row["text"]) for row in read_passages(tmp_path / "n.md")] == [
        ("Soup at six.", "Soup at six."),
        ("Notes on C#", "No beds."),
        ("Huts", "Two."),
    ]
    (tmp_path / "n.txt").write_bytes(f"One.{end}{end}Two.".encode())
    assert [row["text"] for row in read_passages(tmp_path / "n.txt")] == ["One.", "Two."]


def test_text_is_cut_at_blank_lines_and_csv_at_rows(tmp_path):
    (tmp_path / "n.txt").write_text(
        "\ufeffOne two three four five six seven.\nEight.\n\n \nNine.\n"
    )
    assert [(row["title"], row["text"]) for row in read_passages(tmp_path / "n.txt")] == [
        ("One two three four five six", "One two three four five six seven. Eight."),
        ("Nine.", "Nine."),
    ]
    (tmp_path / "n.csv").write_text('title,text\nBeds,"Twenty, all told"\n,Soup at six\n')
    assert [(row["title"], row["text"]) for row in read_passages(tmp_path / "n.csv")] == [
        ("Beds", "Twenty, all told"),
        ("Soup at six", "Soup at six"),
    ]


def test_a_domain_from_the_users_own_files_is_sound_and_keeps_every_row(tmp_path):
    (tmp_path / "n.md").write_text("# Beds\nTwenty beds.\n# Food\nSoup at six.\n")
    (tmp_path / "q.csv").write_text(
        "text,reference,facts,gold\nhow many beds?,Twenty.,twenty | 20,p001\nwhat and when?,Soup at"
        " six.,soup; six,p002\nwifi?,No.,no,\n"
    )
    call(
        "new-domain",
        tmp_path / "hut",
        "--passages",
        tmp_path / "n.md",
        "--queries",
        tmp_path / "q.csv",
    )
    domain = load_domain(tmp_path / "hut")
    assert [p.text for p in domain.passages] == ["Twenty beds.", "Soup at six."]
    assert [(q.facts, q.gold, q.split, q.kind) for q in domain.queries] == [
        (("twenty | 20",), ("p001",), "train", "query"),
        (("soup", "six"), ("p002",), "train", "query"),
        (("no",), (), "heldout", "query"),
    ]
    assert domain.grading.name == "facts"


def test_queries_without_facts_are_graded_by_token_f1(tmp_path):
    (tmp_path / "q.csv").write_text("text,reference,split\nbeds?,Twenty.,heldout\n")
    write_new_domain(tmp_path / "hut", queries=tmp_path / "q.csv")
    domain = load_domain(tmp_path / "hut")
    assert domain.grading.slug == "token_f1-2"
    assert domain.queries[0].split == "heldout"
    write_new_domain(tmp_path / "other", passages=_markdown(tmp_path))
    assert load_domain(tmp_path / "other").queries[0].gold == ()


def _markdown(folder):
    (folder / "n.md").write_text("# Beds\nTwenty beds.\n")
    return folder / "n.md"


@pytest.mark.parametrize(
    ("read", "name", "text", "says"),
    [
        (read_passages, "n.pdf", "x", r"come from \.md, \.txt or \.csv"),
        (read_passages, "n.md", "# Only\n## headings\n", "holds no passage"),
        (read_passages, "n.csv", "title,body\na,b\n", "no column 'text'; it has: title, body"),
        (read_passages, "n.csv", "", "n.csv is empty"),
        (
            read_queries,
            "l.jsonl",
            '{"a": 1, "b": 2}\n{"a": 1}\n{"a": 1, "b": 2, "c": 3}\n',
            "l.jsonl is no CSV table: the row that begins in line 1",
        ),
        (
            read_queries,
            "q.csv",
            "text,reference\nIs it red, or blue?,Red.\n",
            "line 2 has 3 cells, its header 2",
        ),
        (read_queries, "q.csv", "text,reference,text\na,b,c\n", "q.csv:1: .*'text' occurs more"),
        (read_queries, "q.csv", "text,reference,facts\na,b\n", "line 2 has 2 cells"),
        (read_passages, "none.md", None, r"Cannot read .*none\.md"),
        (read_queries, "q.csv", "text,answer\na,b\n", "no column 'reference'"),
        (
            read_queries,
            "q.csv",
            'text,reference\n"a\nb",c\nd,\n',
            "q.csv:4: 'reference' is empty",
        ),
    ],
)
def test_a_source_that_will_not_do_is_a_clear_error(tmp_path, read, name, text, says):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(LabError, match=says):
        read(tmp_path / name)


def test_grade_agreement_prints_figures_and_failures(tmp_path):
    call("new-domain", tmp_path / "office")
    rows = [
        ("example-q1", "every 6 weeks", 1),
        ("example-q1", "every 7 weeks", 0),
        ("example-q2", "refill the water", 1),
        ("example-q3", "milk", 0),
    ]
    (tmp_path / "l.jsonl").write_text(
        "".join(
            json.dumps(dict(zip(("query_id", "answer", "label"), row, strict=True))) + "\n"
            for row in rows
        )
    )
    text = call(
        "grade-agreement",
        tmp_path / "office",
        tmp_path / "l.jsonl",
        "--grading",
        "facts",
        "--grading",
        "token_f1",
    )
    facts, f1 = (
        next(line for line in text.splitlines() if line.startswith(name))
        for name in ("facts-2", "token_f1-2")
    )
    assert facts.split()[:6] == ["facts-2", "4", "0", "1.00", "[0.51,", "1.00]"]
    assert f1.split()[:4] == ["token_f1-2", "4", "0", "0.75"]
    assert "facts-2" in call("grade-agreement", tmp_path / "office", tmp_path / "l.jsonl")
    assert "add --judge-model NAME" in call(
        "grade-agreement", tmp_path / "office", tmp_path / "l.jsonl", "--grading", "judge", code=1
    )


def test_naturalness_is_the_share_of_word_5grams_that_occur_once(domain):
    def share(*texts):
        passages = tuple(dataclasses.replace(domain.passages[0], text=text) for text in texts)
        return unique_5gram_share(dataclasses.replace(domain, passages=passages))

    assert share("a b c d e f") == 1.0  # two 5-grams
    assert share("a b c d e f", "a b c d e g") == 1 / 2  # four, of which one stands twice
    assert share("a b c d") == 0.0


def test_a_fact_may_be_worked_out_where_the_kind_says_so(domain):
    def gaps(kind, *facts):
        query = dataclasses.replace(
            domain.queries[0], kind=kind, facts=facts, references=(", ".join(facts),)
        )
        return " | ".join(find_gaps(dataclasses.replace(domain, queries=(query,))))

    assert "have a fact that no gold passage states" in gaps("lookup", "90 grams", "180 grams")
    assert "no gold passage" not in gaps("compute", "180 grams")
    assert "no gold passage" not in gaps("compare", "90 grams", "so it is the Halo")
    assert "no gold passage" in gaps("compare", "so it is the Halo")


def test_a_reference_that_states_a_refute_or_lacks_the_action_is_a_gap(domain):
    one, two = domain.queries
    refuted = dataclasses.replace(one, refutes=("90",))
    acting = dataclasses.replace(two, action='{"to": 1}')
    text = " | ".join(find_gaps(dataclasses.replace(domain, queries=(refuted, acting))))
    assert "2 queries (first q1) have a reference that does not state" in text
