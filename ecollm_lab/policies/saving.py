"""Fitted policies as files: arrays and JSON in one .npz, never a pickle."""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from ecollm_lab.files import replacing
from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.policies.pairs import PairPolicy
from ecollm_lab.policies.policy import Policy
from ecollm_lab.policies.predictors import Blend, ClusterMeans, Gate, LowRank, Means, Neighbours
from ecollm_lab.records import LabError

VERSION = 2
_PREDICTORS = {kind.__name__: kind for kind in (Means, Blend, Neighbours, ClusterMeans, LowRank)}
_TABLES = (
    "left_out",
    "quality",
    "cost",
    "latency",
    "cost_usd",
    "latency_s",
    "cost_p95_usd",
    "latency_p95_s",
    "cost_log_sd",
    "latency_log_sd",
    "allowed",
    "clusters",
)
_WORDS = (
    "name",
    "order",
    "violation_rate",
    "tolerance",
    "margin",
    "dimension",
    "seed",
    "provenance",
)
# what numpy, zipfile and json raise on bytes that are not what they should be
_DAMAGED = (
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    AttributeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)


def save_policy(policy: Policy, file: FilePath | str) -> None:
    """Write a fitted policy, with its trace's provenance, as .npz; an existing file is replaced only once all is written.

    Parameters
    ----------
    policy
        Any policy of `fit_policy`. Its encoder is not written, only its name.
    file
        Its name should end in .npz.

    Raises
    ------
    LabError
        If the file cannot be written.

    """
    predictor = {f.name: getattr(policy.predictor, f.name) for f in fields(policy.predictor)}  # type: ignore[arg-type]
    header = {
        "format": "ecollm_lab policy",
        "version": VERSION,
        "predictor": type(policy.predictor).__name__,
        "path_ids": policy.path_ids.tolist(),
        "encoder": (policy.encoder or default_encoder()).name,
        "details": {key: value for key, value in policy.details.items() if key != "errors"},
        "numbers": {
            key: value for key, value in predictor.items() if not isinstance(value, np.ndarray)
        },
        **{word: getattr(policy, word) for word in _WORDS},
    }
    arrays: dict[str, Any] = {
        f"predictor.{key}": value
        for key, value in predictor.items()
        if isinstance(value, np.ndarray)
    }
    arrays |= {name: getattr(policy, name) for name in _TABLES}
    if isinstance(policy, PairPolicy):
        arrays |= {f"pair.{name}": getattr(policy, name) for name in ("candidates", "confidence")}
        arrays |= (
            {f"gate.{f.name}": getattr(policy.gate, f.name) for f in fields(Gate)}
            if policy.gate
            else {}
        )
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with replacing(file) as part, part.open("wb") as handle:
        np.savez_compressed(handle, header=text, **arrays)


def load_policy(file: FilePath | str, *, encoder: Encoder | None = None) -> Policy:
    """Read a policy that `save_policy` wrote.

    Parameters
    ----------
    file
        The .npz file. Nothing in it is executed.
    encoder
        Embeds new queries; the default encoder if left out. Must have the name of the one the
        policy was fitted with.

    Raises
    ------
    LabError
        If the file is missing, cut short, no policy, or of another version, or the encoder is
        another one.

    """
    try:
        with FilePath(file).open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
            arrays = dict(stored)
        header: dict[str, Any] = json.loads(arrays.pop("header").tobytes())
    except OSError as error:
        raise LabError(f"Cannot read the policy {file}: {error.strerror or error}.") from error
    except _DAMAGED as error:
        raise LabError(
            f"{file} is no policy file of this lab, or cut short. Write one with"
            " save_policy(policy, file)."
        ) from error
    if not isinstance(header, dict) or header.get("format") != "ecollm_lab policy":
        raise LabError(
            f"{file} is no policy file of this lab. Write one with save_policy(policy, file)."
        )
    if header.get("version") != VERSION:
        raise LabError(
            f"{file} has version {header.get('version')}; this edition reads version {VERSION}. Fit"
            " and save it again."
        )
    if encoder is not None and encoder.name != header.get("encoder"):
        raise LabError(
            f"{file} was fitted with the encoder {header.get('encoder')}, got {encoder.name}; their"
            " embeddings do not mix."
        )
    try:
        predictor, pair, gate = (
            {
                key.split(".", 1)[1]: value
                for key, value in arrays.items()
                if key.startswith(f"{part}.")
            }
            for part in ("predictor", "pair", "gate")
        )
        pair |= {"gate": Gate(**gate)} if gate else {}
        return (PairPolicy if pair else Policy)(
            path_ids=np.array(header["path_ids"], dtype=object),
            encoder=encoder,
            details=header["details"],
            predictor=_PREDICTORS[header["predictor"]](**predictor, **header["numbers"]),
            **{word: header[word] for word in _WORDS},
            **{name: arrays[name] for name in _TABLES},
            **pair,
        )
    except (KeyError, TypeError) as error:
        raise LabError(
            f"{file} lacks a part of a policy ({error}). Fit and save it again."
        ) from error
