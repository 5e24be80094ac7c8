"""Runs that a provider refused or cut off: their error text is no answer, and no wrong one."""

from __future__ import annotations

import re

import pandas as pd

# Errors that say nothing of the model: quotas, rates, timeouts, outages, accounts. Words alone are
# not enough ("quota" or "timeout" may be what is asked about), so each names an event.
_ERRORS = (
    r"\b429\b.{0,40}\b(too many|resource|rate|quota)",
    r"\b(too many requests|resource_?exhausted|insufficient_quota|overloaded_error)\b",
    r"\b(exceeded|exceeds|over|reached) (your|the|its) (current |daily |monthly )?quota\b",
    r"\bquota (was |has been |is )?(exceeded|exhausted|reached)\b",
    r"\brate.?limit(ed\b|.{0,12}\b(exceeded|reached|error|hit)\b)",
    r"\b(request|connection|gateway|read|server|api) (has )?(timed?.?out|timeout)\b",
    r"\b(api)?(time_?out|connect(ion)?) ?error\b|\bdeadline exceeded\b",
    r"\bconnection (refused|reset|aborted)\b|\b(service|model) (is )?(temporarily )?unavailable\b",
    r"\b(internal server error|bad gateway|gateway time-?out)\b",
    r"\b(invalid|incorrect|missing) api.?key\b|\bcredit balance is too low\b",
)
_FAILED = re.compile("|".join(f"(?:{error})" for error in _ERRORS), re.IGNORECASE | re.DOTALL)
# A dishwasher has error codes too: one counts beside a word of a provider's, or its error object.
_CODE = re.compile(
    r"\b(error|status|http|code)\b\W{0,6}(code\W{0,6})?(401|402|403|408|429|5\d\d)\b", re.I
)
_PROVIDER = re.compile(
    r"\b(open ?ai|anthropic|azure|google|gemini|bedrock|mistral|provider|api|quota|rate.?limit"
    r"|overloaded|unauthori[sz]ed|authentication|billing|bad request|server error)\w*"
    r"|[\"'](error|message)[\"']\s*:",
    re.IGNORECASE,
)
_START = 400  # characters of an answer that are looked at
_BEGINS = 80  # characters within which an error begins, or it is what an answer speaks of


def are_failed(answers: pd.Series, quality: pd.Series) -> pd.Series:
    """Tell which runs failed, by their recorded answers.

    A run failed if its answer begins with a provider's error (a quota, a rate limit, a timeout, an
    outage, a refused key). A run that was judged right did not, whatever its answer says.

    Parameters
    ----------
    answers
        Recorded answers; what is not recorded is no failure.
    quality
        Of the same runs, in [0, 1].

    Returns
    -------
    Mask of the same index.

    """
    wrong = ~(quality >= 1) & answers.notna()
    text = answers[wrong].astype(str).str[:_START]
    errors = {one for one in text.unique() if _is_error(one)}
    return text.isin(errors).reindex(answers.index, fill_value=False)


def _is_error(text: str) -> bool:
    """Tell whether a text begins with an error of a provider."""
    if text.lstrip().startswith("Traceback (most recent call last)"):
        return True  # of whatever called the model
    found = [_FAILED.search(text), _CODE.search(text) if _PROVIDER.search(text) else None]
    return any(match is not None and match.start() < _BEGINS for match in found)
