"""What a new domain is made of: the user's Markdown, and the columns of a CSV file."""

import pytest

from ecollm_lab.domains.new_domain import read_passages, read_queries, write_new_domain
from ecollm_lab.records import LabError

FENCED = """\
# Setup
Run this:
```sh
# install
make
```
Then wait.
# Tools
~~~~ text
# a comment
```
~~~
# another
~~~~
A line with ```# code``` in it.
## Last
````
# never closed
"""


def test_a_comment_in_a_block_of_code_is_no_heading(tmp_path):
    (tmp_path / "n.md").write_text(FENCED)
    assert [(row["title"], row["text"]) for row in read_passages(tmp_path / "n.md")] == [
        ("Setup", "Run this: ```sh # install make ``` Then wait."),
        (
            "Tools",
            "~~~~ text # a comment ``` ~~~ # another ~~~~ A line with ```# code``` in it.",
        ),
        ("Last", "```` # never closed"),
    ]


def test_capitals_in_the_names_of_columns_do_not_matter(tmp_path):
    (tmp_path / "q.csv").write_text("Text,Reference,FACTS\nbeds?,Twenty.,twenty\n")
    (tmp_path / "n.csv").write_text("TITLE,Text\nBeds,Twenty beds.\n")
    (query,) = read_queries(tmp_path / "q.csv")
    assert (query["text"], query["facts"]) == ("beds?", ["twenty"])
    assert read_passages(tmp_path / "n.csv")[0]["title"] == "Beds"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("text,reference,fact", r"q\.csv:1: the column 'fact' is none of text, reference, facts"),
        ("text,reference,Text", "the column 'Text' stands there twice"),
    ],
)
def test_a_column_that_would_be_dropped_is_refused(tmp_path, header, says):
    (tmp_path / "q.csv").write_text(f"{header}\nbeds?,Twenty.,twenty\n")
    with pytest.raises(LabError, match=says):
        write_new_domain(tmp_path / "hut", queries=tmp_path / "q.csv")
    assert not (tmp_path / "hut").exists()


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ("twenty", 'grading = "facts"  # all have facts'),
        ("", 'grading = "token_f1"  # 1 of 2 queries have no facts'),
    ],
)
def test_the_settings_say_why_their_grader_was_chosen(tmp_path, facts, says):
    (tmp_path / "q.csv").write_text(f"text,reference,facts\nbeds?,Twenty.,{facts}\nwifi?,No.,no\n")
    write_new_domain(tmp_path / "hut", queries=tmp_path / "q.csv")
    assert says in (tmp_path / "hut/domain.toml").read_text()
