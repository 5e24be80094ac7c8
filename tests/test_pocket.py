"""The workshop: invented worlds share nothing with the domains, and training is repeatable."""

import re
from dataclasses import replace


@pytest.fixture
def untrained(tmp_path, monkeypatch):
    """Random weights of the smallest size under every name of the family, and the alphabet as vocabulary; returns the network."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("gguf")
    from tokenizers.pre_tokenizers import ByteLevel

    from scripts.pocket import family, train
    from scripts.pocket.model import Pocket

    alphabet = [train.END, *sorted(ByteLevel.alphabet()), "th"]
    shape = dataclasses.replace(train.SHAPES["pocket-s"], vocab=len(alphabet))
    torch.manual_seed(0)
    net = Pocket(shape)
    for name in (*family.EDGE, family.CLOUD):
        monkeypatch.setitem(train.SHAPES, name, shape)
        torch.save(net.state_dict(), tmp_path / f"{name}.pt")
    vocabulary = {"model": {"vocab": {token: i for i, token in enumerate(alphabet)}, "merges": [["t", "h"]]}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(vocabulary))
    return net


@pytest.mark.parametrize(("kind", "at_least"), [("f16", 0.99999), ("q8_0", 0.999), ("q4_0", 0.97)])
def test_an_exported_model_computes_what_torch_computes(tmp_path, untrained, kind, at_least):
    torch, llama_cpp = pytest.importorskip("torch"), pytest.importorskip("llama_cpp")
    from ecollm_lab.models.gguf import without_amx
    from scripts.pocket.export import export

    export("pocket-s", tmp_path / "s.gguf", kind, tmp_path)
    with without_amx():
        llama = llama_cpp.Llama(str(tmp_path / "s.gguf"), n_ctx=64, n_threads=1, logits_all=True, flash_attn=True, verbose=False)
    tokens = [1 + i * 7 % 200 for i in range(40)]
    llama.eval(tokens)
    logits = np.array(llama.scores[: len(tokens)])
    llama.close()
    expected = untrained(torch.tensor([tokens]))[0].detach().numpy()
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > at_least


def test_the_family_is_exported_into_a_catalog_whose_models_answer(tmp_path, untrained):
    pytest.importorskip("llama_cpp")
    from ecollm_lab.catalog import load_catalog
    from ecollm_lab.models import ModelPool
    from scripts.pocket.family import export_family

    shutil.copy("data/models.toml", tmp_path)
    size = export_family(tmp_path / "models.toml", tmp_path)
    catalog = load_catalog(tmp_path / "models.toml")
    assert [model.placement for model in catalog.models.values()] == ["edge"] * 9 + ["cloud"]
    assert catalog[str(catalog.hyde_model)].placement == "edge"
    assert 300 <= len(catalog.space()) <= 340
    assert size == sum(file.stat().st_size for file in (tmp_path / "models").iterdir())
    with ModelPool(catalog) as models:
        models.check(list(catalog.models))
        for name in ("pocket-s-q8_0", "pocket-s-q4_0", "pocket-xl"):  # a served one runs in a process of its own
            assert models[name].reply("Question: hi").tokens_out >= 1
