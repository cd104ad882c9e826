"""Settings of decisions as JSON, from which pages are made on demand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from similarity_lab.relevance import DecisionSettings, SiteFailure
from similarity_lab.relevance.rules.calibration import Calibration, LikelihoodRatio
from similarity_lab.relevance.rules.mean_distance import ReferenceDraw
from similarity_lab.relevance.settings import TextBasis
from similarity_lab.relevance.tables import SiteResult


def encode_settings(result: SiteResult) -> str:
    """Return the settings and versions of a decision as JSON; "" for a failure."""
    if isinstance(result, SiteFailure):
        return ""
    return json.dumps({"settings": asdict(result.settings), "versions": result.versions})


def decode_settings(text: str) -> tuple[DecisionSettings, dict[str, str]]:
    """Return the settings and versions that `encode_settings` wrote.

    Examples
    --------
    >>> settings = DecisionSettings("learned", "lite0", 0.5, 0.25, words=("almonds",))
    >>> text = json.dumps({"settings": asdict(settings), "versions": {}})
    >>> decode_settings(text)[0] == settings
    True
    """
    content = json.loads(text)
    values: dict[str, Any] = _with_tuples(content["settings"])
    if values["calibration"]:
        line = LikelihoodRatio(**values["calibration"]["line"])
        values["calibration"] = Calibration(**{**values["calibration"], "line": line})
    if values["text"]:
        values["text"] = TextBasis(**values["text"])
    if values["reference_draw"]:
        values["reference_draw"] = ReferenceDraw(**values["reference_draw"])
    return DecisionSettings(**values), content["versions"]


def _with_tuples(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """Return a value with tuples for lists, as the dataclasses have them."""
    if isinstance(value, dict):
        return {name: _with_tuples(each) for name, each in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value
