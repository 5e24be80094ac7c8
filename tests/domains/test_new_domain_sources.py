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
