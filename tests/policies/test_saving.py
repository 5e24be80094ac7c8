"""Policies as files."""

import json
import re
import zipfile

import numpy as np
import pytest

from ecollm_lab.models import default_encoder
from ecollm_lab.policies import fit_policy, load_policy, save_policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace
from tests.conftest import LetterEncoder
from tests.support.policies import ONE_PATH, topics


@pytest.mark.parametrize("name", ONE_PATH)
def test_a_policy_comes_back_as_it_was(name, tmp_path, encoder):
    trace, embeddings, _ = topics(0)
    policy = fit_policy(trace, name, embeddings=embeddings, encoder=encoder)
    save_policy(policy, tmp_path / "p.npz")
    again = load_policy(tmp_path / "p.npz", encoder=LetterEncoder())
    for slo in (SLO(), SLO(max_latency_s=0.35, prefer="cost")):
        assert (again.select(embeddings, slo) == policy.select(embeddings, slo)).all()
        assert again.rule(slo).violation_rate == policy.rule(slo).violation_rate
    assert again.provenance == trace.provenance


def test_a_policy_in_the_home_folder_is_found(tmp_path, encoder, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    trace, embeddings, _ = topics(0)
    save_policy(fit_policy(trace, embeddings=embeddings, encoder=encoder), "~/p.npz")
    assert load_policy("~/p.npz", encoder=LetterEncoder()).path_ids.tolist() == trace.path_ids


@pytest.fixture
def saved(tmp_path, encoder):
    """A policy's file, its bytes, and the arrays and header in it."""
    trace, embeddings, _ = topics(0)
    file = tmp_path / "p.npz"
    save_policy(fit_policy(trace, embeddings=embeddings, encoder=encoder), file)
    with np.load(file) as stored:
        arrays = dict(stored)
    return file, file.read_bytes(), arrays, json.loads(arrays["header"].tobytes())


def encoded(header):
    return np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)


def test_a_policy_file_of_another_version_or_encoder_or_without_a_part_is_refused(saved, encoder):
    file, _, arrays, header = saved

    def rewritten(**changes):
        np.savez(file, **(arrays | {"header": encoded(header | changes)}))
        return file

    with pytest.raises(LabError, match="has version 99"):
        load_policy(rewritten(version=99))
    for missing in header:
        left = {key: value for key, value in header.items() if key != missing}
        np.savez(file, **(arrays | {"header": encoded(left)}))
        with pytest.raises(
            LabError, match=r"lacks a part|no policy file of this lab|has version None|encoder None"
        ):
            load_policy(file, encoder=encoder)
    for missing in set(arrays) - {"header", "mean"}:  # earlier files have no mean
        np.savez(file, **{key: value for key, value in arrays.items() if key != missing})
        with pytest.raises(LabError, match="lacks a part"):
            load_policy(file, encoder=encoder)
    with pytest.raises(LabError, match="lacks a part"):
        load_policy(rewritten(predictor="os.system"), encoder=encoder)
    with pytest.raises(LabError, match="fitted with the encoder letters, got other"):
        load_policy(rewritten(), encoder=type("Other", (), {"name": "other"})())
    with pytest.raises(LabError, match="fitted with the encoder letters, got all-MiniLM-L6-v2"):
        load_policy(rewritten())  # the default encoder would embed otherwise


def test_a_radial_part_is_dropped_where_it_weighs_nothing_and_else_refused(saved, encoder):
    file, _, arrays, header = saved
    embeddings = topics(0)[1]
    told = load_policy(file, encoder=encoder).predict(embeddings)
    header["numbers"] = {"bandwidth": 0.8, "n_landmarks": 2}
    directions, weights = (arrays[f"predictor.{name}"] for name in ("projections", "coefficients"))
    for weight in (0.0, 0.5):
        changed = {
            "header": encoded(header),
            "predictor.projections": np.hstack([np.ones_like(directions[:, :2]), directions]),
            "predictor.coefficients": np.vstack([np.full((2, 4), weight), weights]),
        }
        np.savez(file, **(arrays | changed))
        if weight:
            with pytest.raises(LabError, match="ours has a radial part"):
                load_policy(file, encoder=encoder)
        else:
            again = load_policy(file, encoder=encoder)
            np.testing.assert_allclose(again.predict(embeddings), told, atol=1e-6)


def test_a_damaged_policy_file_is_refused(saved, encoder):
    file, whole, _, _ = saved
    for kept in np.linspace(0, len(whole) - 1, 20).astype(int):
        file.write_bytes(whole[:kept])
        with pytest.raises(LabError, match="no policy file of this lab, or cut short"):
            load_policy(file, encoder=encoder)
    locked = bytearray(whole)
    locked[whole.rindex(b"PK\x01\x02") + 8] ^= 1  # as if its last part were encrypted
    file.write_bytes(locked)
    with pytest.raises(LabError, match="no policy file of this lab, or cut short"):
        load_policy(file, encoder=encoder)
    refused = 0
    for seed in range(300):  # one byte is another: refused, or none that matters
        rng = np.random.default_rng(seed)
        changed = bytearray(whole)
        changed[rng.integers(len(whole))] ^= rng.integers(1, 256)
        file.write_bytes(changed)
        try:
            assert len(load_policy(file, encoder=encoder).path_ids) == 4, f"seed {seed}"
        except LabError:
            refused += 1
    assert refused > 200


def test_files_that_are_no_policy_are_refused(tmp_path, encoder):
    trace, _, _ = topics(0)
    file = tmp_path / "p.npz"
    for write in (
        lambda: np.savez(file, header=np.array([object()], dtype=object)),  # a pickle inside
        lambda: file.write_text("quality\n0.5"),
        lambda: trace.save(file),
        lambda: np.savez(file, x=np.ones(2)),
    ):
        write()
        with pytest.raises(
            LabError, match=r"no policy file of this lab.*Write one with save_policy"
        ) as refusal:
            load_policy(file)
        assert "pickle" not in str(refusal.value)
        assert "header" not in str(refusal.value)
    with pytest.raises(LabError, match="Cannot read the policy"):
        load_policy(tmp_path / "none.npz")
    with pytest.raises(LabError, match="Cannot write"):
        save_policy(fit_policy(trace, "cheapest", encoder=encoder), file / "p.npz")


@pytest.mark.parametrize("name", ["ours", "knn", "cluster", "matrix_factorisation", "threshold"])
def test_a_policy_file_whose_arrays_do_not_fit_each_other_is_refused(tmp_path, encoder, name):
    trace, embeddings, _ = topics(0)
    file = tmp_path / "p.npz"
    save_policy(fit_policy(trace, name, embeddings=embeddings, encoder=encoder), file)
    with np.load(file) as stored:
        arrays = dict(stored)
    shortened = [key for key, value in arrays.items() if key != "header" and len(value) > 1]
    assert len(shortened) > 8
    for key in shortened:
        np.savez(file, **(arrays | {key: arrays[key][:-1]}))
        with pytest.raises(LabError, match=r"do not fit each other|lacks a part"):
            load_policy(file, encoder=encoder)
    if name == "threshold":
        np.savez(file, **(arrays | {"pair.candidates": arrays["pair.candidates"] + 9}))
        with pytest.raises(LabError, match="a candidate is none of the paths"):
            load_policy(file, encoder=encoder)


@pytest.mark.parametrize("name", ["cascade", "raser"])
def test_a_gate_whose_arrays_do_not_fit_is_refused(tmp_path, encoder, name):
    trace = topics(0)[0]
    answers = [f"it is {i % 7}." for i in range(len(trace.outcomes))]
    trace = Trace.from_frame(trace.outcomes.assign(answer=answers), trace.queries, trace.provenance)
    file = tmp_path / "p.npz"
    save_policy(fit_policy(trace, name, encoder=encoder), file)
    assert load_policy(file, encoder=encoder).gate.reads
    with np.load(file) as stored:
        arrays = dict(stored)
    gate = {key: value for key, value in arrays.items() if key.startswith("gate.")}
    assert len(gate) == 3
    for changed in (
        *({key: value[:-1]} for key, value in gate.items()),
        {key: value[:-2] for key, value in gate.items() if key != "gate.quality"},
    ):
        np.savez(file, **(arrays | changed))
        with pytest.raises(LabError, match=r"do not fit each other.*gate"):
            load_policy(file, encoder=encoder)


def test_a_policy_is_saved_without_an_encoder_being_loaded(tmp_path, monkeypatch):
    def loaded(*_):
        raise AssertionError("the sentence model was loaded")

    policies = [fit_policy(topics(0)[0], name) for name in ("cheapest", "ours")]
    monkeypatch.setattr("ecollm_lab.models.encoders.SentenceEncoder.__init__", loaded)
    default_encoder.cache_clear()  # it would be loaded anew
    for policy in policies:
        save_policy(policy, tmp_path / "p.npz")
        assert load_policy(tmp_path / "p.npz").name == policy.name


def test_an_array_that_claims_to_be_enormous_is_refused(saved):
    file, _, arrays, _ = saved
    np.savez(file, **arrays)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head = members["quality.npy"]
    shape = re.search(rb"'shape': \([^)]*\)", head)[0]
    claim = b"'shape': (" + b"9" * (len(shape) - len(b"'shape': (,)")) + b",)"
    members["quality.npy"] = head.replace(shape, claim)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(LabError, match=r"no policy file of this lab|do not fit"):
        load_policy(file)
