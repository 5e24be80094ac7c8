"""The template inside a GGUF is used, and the catalog's goes before it."""

import dataclasses

import gguf
import numpy as np
import pytest

from ecollm_lab.models import load_catalog
from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.models.edge.llama import EdgeModel
from ecollm_lab.models.edge.templates import set_template
from ecollm_lab.records import LabError
from tests.conftest import LARGE, SMALL

LOUD = (
    "{% for message in messages %}{{ 'Loud: ' + message['content'] }}{% endfor %}{{ ' Answer:' }}"
)
PROMPT = (
    "Passages:\n- The weight of the Trub lamp is 45 grams.\nQuestion: how heavy is the Trub lamp?"
)


def copy_gguf(source, target, template):
    """Copy a GGUF with another chat template, or none."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in (
            gguf.Keys.General.ARCHITECTURE,
            gguf.Keys.Tokenizer.CHAT_TEMPLATE,
        ):
            continue
        sub = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), field.types[0], sub_type=sub)
    if template:
        writer.add_chat_template(template)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.fixture(scope="module")
def pocket():
    return load_catalog("tests/data/models.toml")[SMALL]


def with_file(model, file, **changes):
    return dataclasses.replace(model, file=file, sha256=None, **changes)


def prompt_of(edge):
    """What the model was really asked, read back from the tokens it evaluated."""
    reply = edge.reply(PROMPT)
    tokens = edge._llama.input_ids[: reply.tokens_in].tolist()
    return edge._llama.detokenize(tokens, special=True).decode(), reply


def test_the_template_inside_the_gguf_is_used(pocket, tmp_path):
    with (
        EdgeModel(pocket) as shipped,
        EdgeModel(with_file(pocket, copy_gguf(pocket.file, tmp_path / "loud.gguf", LOUD))) as loud,
    ):
        (asked, reply), (loudly, _) = prompt_of(shipped), prompt_of(loud)
        assert asked == f"{PROMPT}\nAnswer:"
        assert "45 grams" in reply.text
        assert loudly == f"Loud: {PROMPT} Answer:"
        assert loud.template == "the GGUF's own"


def test_the_catalogs_template_goes_before_the_ggufs(pocket, tmp_path):
    loud = copy_gguf(pocket.file, tmp_path / "loud.gguf", LOUD)
    with EdgeModel(
        with_file(pocket, loud, chat_template="{{ messages[0]['content'] }}{{ '\\nAnswer:' }}")
    ) as edge:
        asked, reply = prompt_of(edge)
        assert asked == f"{PROMPT}\nAnswer:"
        assert "45 grams" in reply.text
        assert edge.template == "the catalog's file"
    with EdgeModel(with_file(pocket, loud, chat_template="chatml")) as edge:
        assert "<|im_start|>user\n" in prompt_of(edge)[0]
        assert edge.template == "built-in chatml"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (None, "holds no chat template.*Set chat_template"),
        ("chatmel", "no chat template 'chatmel'.*chatml"),
        ("{% for %}", "no valid Jinja"),
    ],
)
def test_no_template_or_a_broken_one_is_an_error_not_a_guess(pocket, tmp_path, template, says):
    bare = copy_gguf(pocket.file, tmp_path / "bare.gguf", None)
    with pytest.raises(LabError, match=says):
        EdgeModel(with_file(pocket, bare, chat_template=template))
    with EdgeModel(with_file(pocket, bare, chat_template="chatml")) as edge:
        assert (
            set_template(edge._llama, with_file(pocket, bare, chat_template="llama-3"))
            == "built-in llama-3"
        )


def test_a_served_gguf_uses_its_own_template_or_a_named_one(pocket, tmp_path):
    served = dataclasses.replace(
        load_catalog("tests/data/models.toml")[LARGE],
        file=copy_gguf(pocket.file, tmp_path / "loud.gguf", LOUD),
        sha256=None,
    )
    with EdgeModel(with_file(pocket, served.file)) as edge, CloudModel(served) as cloud:
        assert cloud.template == "the GGUF's own"
        assert cloud.reply(PROMPT).tokens_in == edge.reply(PROMPT).tokens_in
    named = dataclasses.replace(served, chat_template="chatml")
    with (
        EdgeModel(with_file(pocket, served.file, chat_template="chatml")) as edge,
        CloudModel(named) as cloud,
    ):
        assert cloud.template == "built-in chatml"
        assert cloud.reply(PROMPT).tokens_in == edge.reply(PROMPT).tokens_in
    bare = dataclasses.replace(served, file=copy_gguf(pocket.file, tmp_path / "bare.gguf", None))
    with pytest.raises(LabError, match="holds no chat template"):
        CloudModel(bare)
