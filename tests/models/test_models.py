import dataclasses
import shutil
from contextlib import suppress

import pytest

from ecollm_lab.models import Model, ModelPool, load_catalog
from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.models.cloud.server import LoopbackServer
from ecollm_lab.models.cloud.server_process import serve
from ecollm_lab.models.edge.gguf import check_file, without_amx
from ecollm_lab.models.edge.llama import EdgeModel
from ecollm_lab.paths.stages import build_prompt
from ecollm_lab.records import LabError
from tests.conftest import LARGE, SMALL

CATALOG = load_catalog("tests/data/models.toml")
EDGE = CATALOG[SMALL]


@pytest.fixture(scope="module")
def pool():
    with ModelPool(CATALOG) as models:
        yield models


@pytest.mark.parametrize("name", [SMALL, LARGE])
def test_a_model_answers_from_the_passage_and_says_what_it_read_and_wrote(pool, name):
    for thing, grams in (("Trub lamp", 45), ("Halo bulb", 90), ("Vero fan", 320)):
        passage = f"The weight of the {thing} is {grams} grams."
        reply = pool[name].reply(build_prompt([passage], f"how heavy is the {thing}?"))
        assert f"{grams} grams" in reply.text
        assert reply.tokens_in > 20
        assert reply.tokens_out > 3
        assert reply.latency_s > 0


def test_the_same_message_gets_the_same_answer_whatever_came_before(pool):
    prompt = build_prompt(
        ["The weight of the Trub lamp is 45 grams."], "how heavy is the Trub lamp?"
    )
    for name in CATALOG.models:
        first = pool[name].reply(prompt).text
        pool[name].reply(build_prompt(["Something else."], "what?"))
        assert pool[name].reply(prompt).text == first


def test_a_message_longer_than_the_context_is_an_error(pool):
    with pytest.raises(LabError, match=f"{SMALL}.*context"):
        pool[SMALL].reply("word " * 3000)
    with pytest.raises(LabError, match=LARGE):
        pool[LARGE].reply("word " * 3000)


@pytest.mark.parametrize("damage", ["missing", "truncated", "truncated, no sha256", "text"])
def test_an_unreadable_gguf_is_a_clear_error(tmp_path, damage):
    file = tmp_path / "m.gguf"
    model = dataclasses.replace(EDGE, file=file)
    if damage == "text":
        file.write_text("<html>not found</html>")
    elif damage != "missing":
        shutil.copy(EDGE.file, file)
        with file.open("r+b") as stream:
            stream.truncate(file.stat().st_size // 2)
        model = dataclasses.replace(model, sha256=None) if "no" in damage else model
    with pytest.raises(LabError, match=rf"'{SMALL}'.*m\.gguf.*[Rr]estore"):
        EdgeModel(model)


def test_a_file_without_a_declared_sha256_is_not_read_whole(tmp_path, monkeypatch):
    (tmp_path / "m.gguf").write_bytes(b"GGUF and the rest")
    monkeypatch.setattr(Model, "file_sha256", lambda _: pytest.fail("it was read"))
    model = dataclasses.replace(EDGE, file=tmp_path / "m.gguf", sha256=None)
    assert check_file(model) == str(tmp_path / "m.gguf")


def test_an_endpoint_that_is_not_there_is_a_clear_error():
    away = dataclasses.replace(CATALOG[LARGE], file=None, base_url="http://127.0.0.1:9/v1")
    with (
        CloudModel(away) as model,
        pytest.raises(LabError, match=r"the endpoint failed.*again to go on"),
    ):
        model.reply("hello")


def test_a_missing_key_names_its_variable(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    keyed = dataclasses.replace(
        CATALOG[LARGE], file=None, base_url="http://127.0.0.1:9/v1", api_key_env="SOME_KEY"
    )
    with pytest.raises(LabError, match="SOME_KEY"):
        CloudModel(keyed)


def test_the_loopback_server_stops_with_its_pool():
    server = LoopbackServer(CATALOG[LARGE])
    process = server._process
    assert process.poll() is None
    server.stop()
    assert process.poll() is not None


def test_where_llama_cpp_is_built_for_amx_weights_load_as_they_lie_and_its_defaults_come_back(
    monkeypatch,
):
    from llama_cpp import llama_cpp as lib

    before = lib.llama_model_default_params
    monkeypatch.setattr(
        lib, "llama_print_system_info", lambda: b"CPU : AVX512 = 1 | AMX_INT8 = 1 | "
    )
    with suppress(ZeroDivisionError), without_amx():
        loads_with = lib.llama_model_default_params()
        raise ZeroDivisionError  # as a file that cannot be loaded would
    assert not loads_with.use_extra_bufts
    assert lib.llama_model_default_params is before
    monkeypatch.setattr(lib, "llama_print_system_info", lambda: b"CPU : AVX512 = 1 | ")
    with without_amx():
        assert lib.llama_model_default_params is before


def test_edge_and_served_models_load_without_amx(monkeypatch):
    import llama_cpp
    from llama_cpp import llama_cpp as lib

    seen = []

    def loading(*args, **options):
        seen.append(lib.llama_model_default_params().use_extra_bufts)
        raise ValueError("seen")

    monkeypatch.setattr(lib, "llama_print_system_info", lambda: b"AMX_INT8 = 1")
    loading.generate = None
    monkeypatch.setattr(llama_cpp, "Llama", loading)
    with pytest.raises(LabError, match="seen"):
        EdgeModel(EDGE)
    served = {}

    def making(**_):
        served["bufts"] = lib.llama_model_default_params().use_extra_bufts
        raise ValueError("seen")

    monkeypatch.setattr("llama_cpp.server.app.create_app", making)
    with pytest.raises(ValueError, match="seen"):
        serve(0, "key", {"model": str(EDGE.file)})
    assert seen == [False]
    assert served == {"bufts": False}
