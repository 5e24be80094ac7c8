"""An edge model: log-probabilities, its context, thoughts, and templates that fail."""

import dataclasses
import threading

import numpy as np
import pytest

from ecollm_lab.models import CallFailed, ModelPool, load_catalog
from ecollm_lab.models.edge import gguf
from ecollm_lab.models.edge.gguf import check_context, read_metadata
from ecollm_lab.models.edge.isolated import IsolatedModel
from ecollm_lab.models.edge.llama import EdgeModel, _GreedyLogprobs
from ecollm_lab.models.edge.templates import check_served
from ecollm_lab.models.replies import EndpointClosed
from ecollm_lab.records import LabError, Prompt
from tests.conftest import SMALL
from tests.models.test_templates import copy_gguf

CATALOG = load_catalog("tests/data/models.toml")
EDGE = CATALOG[SMALL]
PROMPT = (
    "Passages:\n- The weight of the Trub lamp is 45 grams.\nQuestion: how heavy is the Trub lamp?"
)
RUNTIME = "{{ messages[0]['content'] }}{{ tools_used.first.name }}"
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}{{ m['content'] }}{% endfor %}"
)


def with_template(text, **changes):
    return dataclasses.replace(EDGE, chat_template=text, **changes)


def test_the_mean_log_probability_is_that_of_a_run_that_keeps_all_logits():
    import llama_cpp

    with EdgeModel(EDGE) as model:
        reply = model.reply(PROMPT)
    full = llama_cpp.Llama(
        str(EDGE.file), n_ctx=EDGE.context, n_threads=1, logits_all=True, verbose=False, seed=0
    )
    done = full.create_chat_completion(
        [{"role": "user", "content": PROMPT}],
        temperature=0.0,
        max_tokens=64,
        logprobs=True,
        top_logprobs=1,
    )
    full.close()
    choice = done["choices"][0]
    assert choice["message"]["content"].strip() == reply.text
    expected = np.mean([token["logprob"] for token in choice["logprobs"]["content"]])
    assert reply.logprob == pytest.approx(expected, abs=0.01)
    assert reply.logprob < 0


def test_the_beginning_of_the_prompt_before_is_kept_only_if_it_may_be_reused(monkeypatch):
    prompts, kept, texts = (PROMPT, PROMPT.replace("how heavy", "what weight"), PROMPT), {}, {}
    for reuse in (False, True):
        with EdgeModel(EDGE, reuse=reuse) as model:
            llama, known = model._llama, []
            complete = llama.create_chat_completion

            def noted(*args, llama=llama, known=known, complete=complete, **options):
                known.append(llama.n_tokens)
                return complete(*args, **options)

            monkeypatch.setattr(llama, "create_chat_completion", noted)
            texts[reuse], kept[reuse] = [model.reply(prompt).text for prompt in prompts], known
    assert texts[True] == texts[False]
    assert kept[False] == [0, 0, 0]
    assert min(kept[True][1:]) > 20


def test_logits_pass_unchanged_and_the_best_one_is_noted():
    greedy = _GreedyLogprobs(threading.Event(), 0)
    logits = np.log(np.array([0.5, 0.25, 0.25], dtype=np.float32))
    before = logits.copy()
    assert greedy(np.array([1]), logits) is logits
    np.testing.assert_array_equal(logits, before)
    greedy(np.array([1]), np.zeros(4, dtype=np.float32))
    greedy(np.array([1]), np.array([0.0, -1e9], dtype=np.float32))  # ends the answer
    assert greedy.mean(2) == pytest.approx((np.log(0.5) + np.log(0.25)) / 2)
    assert greedy.mean(0) is None


def test_an_answer_that_nobody_waits_for_ends_at_the_next_token():
    stopped = threading.Event()
    with EdgeModel(EDGE) as model:
        whole = model.reply(PROMPT)
        read_and_written = model._llama.n_tokens
        stopped.set()
        with pytest.raises(CallFailed, match="stopped while it answered"):
            model.reply_unless(stopped, PROMPT)
        assert model._llama.n_tokens <= read_and_written - whole.tokens_out + 1
        assert model.reply(PROMPT).text == whole.text


def test_a_prompt_that_llama_cpp_gives_up_on_costs_its_call_alone(monkeypatch):
    def gives_up(*_, **__):
        raise RuntimeError("llama_decode returned -3")

    with EdgeModel(EDGE) as model:
        with monkeypatch.context() as patched:
            patched.setattr(model._llama, "create_chat_completion", gives_up)
            with pytest.raises(CallFailed, match="failed while it answered: llama_decode"):
                model.reply(PROMPT)
        assert "45 grams" in model.reply(PROMPT).text


def test_a_worker_process_hands_the_log_probability_over():
    with IsolatedModel(EDGE) as apart, EdgeModel(EDGE) as here:
        assert apart.reply(PROMPT).logprob == here.reply(PROMPT).logprob


@pytest.mark.parametrize("template", [RUNTIME, NO_SYSTEM, "{{ 1 / 0 }}", "{{ messages.x() }}"])
def test_a_template_that_fails_when_it_is_rendered_gives_one_clear_error(template, tmp_path):
    declared = with_template(template, system="Be brief.")
    with pytest.raises(LabError, match="the chat template of the catalog fails on a first message"):
        EdgeModel(declared)
    inside = copy_gguf(EDGE.file, tmp_path / "inside.gguf", template)
    own = dataclasses.replace(EDGE, file=inside, sha256=None, system="Be brief.")
    for use in (lambda: EdgeModel(own), lambda: check_served(own, str(inside))):
        with pytest.raises(LabError, match=r"template inside its GGUF fails .* Set chat_template"):
            use()


def test_a_template_that_takes_no_system_message_is_fine_without_one():
    with EdgeModel(with_template(NO_SYSTEM + "{{ '\\nAnswer:' }}")) as model:
        assert "45 grams" in model.reply(PROMPT).text
        with pytest.raises(CallFailed, match="no system role"):
            model.reply(Prompt(PROMPT, "Be brief."))


def test_the_catalogs_system_message_reaches_an_edge_model():
    joined = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}{{ 'Answer:' }}"
    with EdgeModel(with_template(joined)) as plain:
        short = plain.reply("Question: how heavy?").tokens_in
    with EdgeModel(with_template(joined, system="The weight is 45 grams.")) as told:
        assert told.reply("Question: how heavy?").tokens_in > short


def test_an_answer_is_as_long_as_its_model_allows():
    with EdgeModel(dataclasses.replace(EDGE, max_tokens=3)) as model:
        reply = model.reply(PROMPT)
        assert (reply.tokens_out, reply.finish_reason) == (3, "length")


def test_thoughts_are_no_answer():
    model = EdgeModel.__new__(EdgeModel)
    model.name = "m"

    def raw(text):
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 0}}

    read = model._read(
        raw("<think>Hm.</think> 9 hours"), 1.0, _GreedyLogprobs(threading.Event(), 0)
    )
    assert (read.text, read.logprob) == ("9 hours", None)
    with pytest.raises(CallFailed, match=r"cut while it thought.*Raise max_tokens") as caught:
        model._read(raw("<think>Hm."), 1.0, _GreedyLogprobs(threading.Event(), 0))
    assert caught.value.answered


@pytest.mark.parametrize("context", [1025, 99_999_999, 2**31 - 1])
def test_a_context_is_bounded_by_the_gguf(context):
    with pytest.raises(LabError, match=r"trained on 1024 tokens\. Set context = 1024 or less"):
        EdgeModel(dataclasses.replace(EDGE, context=context))


def test_a_context_is_bounded_by_the_machine(monkeypatch):
    metadata = {
        "general.architecture": "a",
        "a.context_length": "131072",
        "a.block_count": "24",
        "a.embedding_length": "896",
        "a.attention.head_count": "14",
        "a.attention.head_count_kv": "2",
    }
    model = dataclasses.replace(EDGE, context=131_072)  # 24 x 2 x 64 x 2 x 2 bytes a token: 1.6 GB
    monkeypatch.setattr(gguf, "memory_bytes", lambda: 1_600_000_000)
    with pytest.raises(LabError, match=r"needs 1\.6 GB with the weights; this machine has 1\.6 GB"):
        check_context(model, metadata)
    monkeypatch.setattr(gguf, "memory_bytes", lambda: 2_000_000_000)
    check_context(model, metadata)
    assert check_context(dataclasses.replace(model, context=4096), {}) is None


def test_the_metadata_of_a_file_that_is_none_is_empty(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert read_metadata(str(tmp_path / "m.gguf")) == {}
    assert read_metadata(str(EDGE.file))["general.architecture"]


def test_an_edge_model_that_cannot_answer_is_closed_once(monkeypatch):
    opened = []

    def failing(self, prompt):
        opened.append(self)
        raise CallFailed("no room")

    monkeypatch.setattr(EdgeModel, "reply", failing)
    with ModelPool(CATALOG) as pool:
        for _ in range(3):
            with pytest.raises(EndpointClosed, match=r"its first one failed\. no room"):
                pool[SMALL]
    assert len(opened) == 1
