"""Numbers in the reader's language: beside the code of every reason stands what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext

from contexts.workout.analysis import quality, reasons

SENTENCES: Final[Mapping[str, str]] = reasons.LEFT_OUT | reasons.SUMMARY | reasons.BELIEVED | quality.REASONS
_CODES: Final = {sentence: code for code, sentence in SENTENCES.items()}
"""Numbers computed before reasons had codes keep the sentence itself."""


def told(numbers: Any) -> Any:
    """Numbers as an analysis keeps them, each reason with its `code` and, as `reason`, its sentence."""
    if isinstance(numbers, list):
        return [told(each) for each in numbers] if numbers and isinstance(numbers[0], dict | list) else numbers
    if not isinstance(numbers, dict):
        return numbers
    inner = {name: told(each) for name, each in numbers.items()}
    code = _code_of(numbers)
    return inner | {"code": code, "reason": gettext(SENTENCES[code])} if code else inner


def _code_of(said: dict[str, Any]) -> str | None:
    code, sentence = said.get("code"), said.get("reason")
    if isinstance(code, str) and code in SENTENCES:
        return code
    return _CODES.get(sentence) if isinstance(sentence, str) else None
