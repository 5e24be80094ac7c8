"""Fitted policies as files: arrays and JSON in one .npz, never a pickle."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields, replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from ecollm_lab.files import replacing, resolved
from ecollm_lab.models import DEFAULT_ENCODER, Encoder
from ecollm_lab.policies.fitting.characteristics import Beside, Characteristics
from ecollm_lab.policies.gates import Gate
from ecollm_lab.policies.limits import Forecast, Terms
from ecollm_lab.policies.pairs import PairPolicy
from ecollm_lab.policies.policy import Policy
from ecollm_lab.policies.predictors import Blend, ClusterMeans, Means, Neighbours, Predictor
from ecollm_lab.policies.training import Spend, Training
from ecollm_lab.records import LabError

VERSION = 3  # forecasts of cost and latency; what version 2 holds is still read
READABLE = (2, VERSION)
_LINEAR = "LowRank"  # how earlier files name some blends
_PREDICTORS: dict[str, Any] = {
    **{kind.__name__: kind for kind in (Means, Blend, Neighbours, ClusterMeans)},
    _LINEAR: Blend,
}
# names in the file of the arrays of `Spend`, in its order
_SPENDS = {
    "cost": ("cost", "cost_usd", "cost_p95_usd", "cost_log_sd"),
    "latency": ("latency", "latency_s", "latency_p95_s", "latency_log_sd"),
}
_WORDS = ("name", "order", "best_effort", "reads_text", "dimension", "seed", "provenance")


def save_policy(policy: Policy, file: FilePath | str) -> None:
    """Write a fitted policy, with its trace's provenance, as .npz.

    Of its encoder only the name is written. Raises a `LabError` if the file cannot be written.
    """
    predictor, arrays = _taken_apart(policy.predictor, "predictor")
    training = policy.training
    arrays |= {"left_out": policy.left_out, "allowed": policy.allowed}
    arrays |= {"quality": training.quality, "mean": training.mean}
    for key, names in _SPENDS.items():
        spend = vars(getattr(training, key))
        arrays |= dict(zip(names, spend.values(), strict=True))
    forecasts = {}
    for name, one in policy.forecasts.items():
        prefix = f"forecast.{name}"
        forecasts[name], more = _taken_apart(one.predictor, f"{prefix}.predictor")
        arrays |= more | {f"{prefix}.left_out": one.left_out, f"{prefix}.sd": one.sd}
    gate = None
    if isinstance(policy, PairPolicy):
        arrays |= {"pair.candidates": policy.candidates, "pair.confidence": policy.confidence}
        if policy.gate:
            gate, more = _taken_apart(policy.gate, "gate")
            arrays |= more
    header = {
        "format": "ecollm_lab policy",
        "version": VERSION,
        **predictor,
        "forecasts": forecasts,
        "gate": gate,
        "path_ids": policy.path_ids.tolist(),
        "encoder": policy.encoder.name if policy.encoder else DEFAULT_ENCODER,
        "details": {key: value for key, value in policy.details.items() if key != "errors"},
        "terms": asdict(policy.terms),
        **{word: getattr(policy, word) for word in _WORDS},
    }
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with replacing(file) as part, part.open("wb") as handle:
        np.savez_compressed(handle, header=text, **arrays)


def _taken_apart(one: Any, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what goes into the header about a predictor or gate, and its arrays by name."""
    values = {field.name: getattr(one, field.name) for field in fields(one)}
    arrays = {f"{prefix}.{key}": v for key, v in values.items() if isinstance(v, np.ndarray)}
    plain = {key: v for key, v in values.items() if not isinstance(v, np.ndarray)}
    return {"predictor": type(one).__name__, "numbers": plain}, arrays


def _under(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the arrays whose names start with a prefix and a dot, without it."""
    start = f"{prefix}."
    return {key.removeprefix(start): v for key, v in arrays.items() if key.startswith(start)}


def load_policy(file: FilePath | str, *, encoder: Encoder | None = None) -> Policy:
    """Read a policy that `save_policy` wrote; nothing in the file is executed.

    `encoder` embeds new queries, by default the default encoder. Raises a `LabError` if it has
    another name than the one the policy was fitted with, or the file is missing, cut short, no
    policy, or of another version.
    """
    path = resolved(file)
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
            arrays = dict(stored)
        header: dict[str, Any] = json.loads(arrays.pop("header").tobytes())
        if header["format"] != "ecollm_lab policy":
            raise ValueError("another format")
    except OSError as error:
        raise LabError(f"Cannot read the policy {file}: {error.strerror or error}.") from error
    except Exception as error:  # numpy, zipfile and json raise many kinds on damaged bytes
        raise LabError(
            f"{file} is no policy file of this lab, or cut short. Write one with"
            " save_policy(policy, file)."
        ) from error
    if header.get("version") not in READABLE:
        raise LabError(
            f"{file} has version {header.get('version')}; this edition reads versions"
            f" {' and '.join(map(str, READABLE))}. Fit and save it again."
        )
    encoder = _reader(header, encoder)
    found, wanted = encoder.name if encoder else DEFAULT_ENCODER, header.get("encoder")
    if found != wanted:
        raise LabError(
            f"{file} was fitted with the encoder {wanted}, got {found}; their embeddings do not"
            " mix. Give the one it was fitted with: load_policy(file, encoder=…)."
        )
    try:
        if header["version"] == 2:
            _upgrade(header, arrays)
        policy = _put_together(header, arrays, encoder)
        _require_fit(policy)
        _require_likely(policy)
    except (KeyError, TypeError, AttributeError) as error:
        raise LabError(
            f"{file} lacks a part of a policy ({error}). Fit and save it again."
        ) from error
    except (ValueError, IndexError) as error:
        raise LabError(
            f"{file} holds arrays that do not fit each other ({error}). Fit and save it again."
        ) from error
    return policy


def _reader(header: dict[str, Any], encoder: Encoder | None) -> Encoder | None:
    """Return the encoder of a policy that reads the words of a query, else the one given."""
    name, about = str(header.get("encoder")), header.get("provenance")
    if encoder and encoder.name == name:
        return encoder
    asked = Characteristics(about.get("characteristics") if isinstance(about, dict) else None)
    if name == asked.name:
        return asked
    if name.endswith(f" and {asked.name}"):
        return Beside(encoder, asked)
    if re.search(r"\bcharacteristics [0-9a-f]{8}$", name):
        raise LabError(
            f"The policy {header.get('name')} was fitted with questions about a query that its"
            " file does not hold, or holds otherwise. Fit and save it again."
        )
    return encoder


def _upgrade(header: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Turn what a file of version 2 holds into what one of version 3 holds."""
    header["forecasts"] = {}
    header["terms"] = {key: header[key] for key in ("violation_rate", "tolerance")}
    header["best_effort"] = header["name"].removesuffix("_router") == "cloud_only"
    header["reads_text"] = False
    header["gate"] = {"numbers": {}} if _under(arrays, "gate") else None
    if header["predictor"] == _LINEAR:
        moved = arrays.pop("predictor.centre") @ arrays["predictor.queries"]
        arrays["predictor.quality"] = (
            arrays["predictor.quality"] - moved @ arrays["predictor.paths"]
        )


def _put_together(
    header: dict[str, Any], arrays: dict[str, Any], encoder: Encoder | None
) -> Policy:
    def predictor(one: dict[str, Any], prefix: str) -> Predictor:
        parts, numbers, name = _under(arrays, prefix), dict(one["numbers"]), one["predictor"]
        if name == _LINEAR:
            parts["projections"] = parts.pop("queries")
            parts["coefficients"] = parts.pop("paths")
        numbers.pop("bandwidth", None)  # of a radial part, whose landmarks come first
        if n := numbers.pop("n_landmarks", 0):
            if parts["coefficients"][:n].any():
                raise LabError(
                    f"The policy {header.get('name')} has a radial part, which this edition does"
                    " not know. Fit and save it again."
                )
            parts["projections"] = parts["projections"][:, n:]
            parts["coefficients"] = parts["coefficients"][n:]
        return _PREDICTORS[name](**parts, **numbers)

    quality, left_out = arrays["quality"], arrays["left_out"]
    forecasts = {}
    for name, one in header["forecasts"].items():
        parts = _under(arrays, f"forecast.{name}")
        found = predictor(one, f"forecast.{name}.predictor")
        forecasts[name] = Forecast(found, parts["left_out"], parts["sd"])
    spends = {key: Spend(*(arrays[name] for name in names)) for key, names in _SPENDS.items()}
    pair = _under(arrays, "pair")
    if header["gate"] is not None:
        pair["gate"] = Gate(**_under(arrays, "gate"), **header["gate"]["numbers"])
    # files of before hold a margin as well, which nothing reads any more
    terms = Terms(**{key: one for key, one in header["terms"].items() if key != "margin"})
    if pair or header["order"] != "quality":  # they cannot weigh it
        terms = replace(terms, violation_cost=None)
    return (PairPolicy if pair else Policy)(
        training=Training(
            path_ids=np.array(header["path_ids"], dtype=object),
            quality=quality,
            expected=np.where(np.isnan(quality), left_out, quality),
            mean=arrays.get("mean", left_out.mean(axis=0)),  # earlier files lack it
            **spends,
        ),
        predictor=predictor(header, "predictor"),
        left_out=left_out,
        allowed=arrays["allowed"],
        forecasts=forecasts,
        terms=terms,
        encoder=encoder,
        details=header["details"],
        **{word: header[word] for word in _WORDS},
        **pair,
    )


def _require_likely(policy: Policy) -> None:
    """Raise a `LabError` for a policy of estimates that lacks the outcomes that are likely."""
    for name in ("cost_usd", "latency_s"):
        spend = policy.training.spend(name)
        if spend.estimated and spend.recorded and np.isnan(spend.outcomes).all():
            raise LabError(
                f"The policy {policy.name} rests on estimates of {name} without the outcomes that"
                " are likely, which earlier editions left out. Fit and save it again."
            )


def _require_fit(policy: Policy) -> None:
    """Raise a `ValueError` unless all arrays are of the same queries, paths and dimension."""
    training, forecasts = policy.training, policy.forecasts.values()
    n_queries, n_paths = len(training.quality), len(training.path_ids)
    tables = [training.quality, policy.left_out, *(one.left_out for one in forecasts)]
    rows = [policy.allowed, training.mean, *(one.sd for one in forecasts)]
    for spend in (training.cost, training.latency):
        tables.append(spend.outcomes)
        rows += [spend.mean, spend.p95, spend.p95_log_sd]
    shapes = {one.shape for one in tables}, {one.shape for one in rows}
    if shapes != ({(n_queries, n_paths)}, {(n_paths,)}):
        raise ValueError(f"{n_queries} queries and {n_paths} paths, but shapes {shapes}")
    if isinstance(policy, PairPolicy):
        if policy.confidence.shape != (n_queries, *policy.candidates.shape):
            raise ValueError(f"the confidence has the shape {policy.confidence.shape}")
        if not np.isin(policy.candidates, np.arange(n_paths)).all():
            raise ValueError("a candidate is none of the paths")
        if gate := policy.gate:
            width = 5 if gate.reads == "signs" else 3 * (policy.dimension or 0)
            if gate.weights.shape not in ((width,), (width + 1,)):  # the last reads log-probability
                raise ValueError(f"the weights of the gate have the shape {gate.weights.shape}")
            if (gate.quality.shape, gate.centre.shape) != ((n_paths,), gate.weights.shape):
                raise ValueError("the arrays of the gate have unequal lengths")
    for predictor in (policy.predictor, *(one.predictor for one in forecasts)):
        known = getattr(predictor, "embeddings", getattr(predictor, "centroids", None))
        if known is not None and len(known) != len(predictor.quality):
            raise ValueError("the predictor's tables have unequal lengths")
        foreseen = predictor.predict(np.zeros((1, policy.dimension or 1), dtype=np.float32))
        if foreseen.shape != (1, n_paths):
            raise ValueError(f"the predictor gives the shape {foreseen.shape} for one query")
