"""Every algorithm can be explained, also those whose numbers are old."""

import re

import pytest

from contexts.workout import analysis
from contexts.workout.analysis.derived import UnknownAlgorithm, declare

TAKEN_OVER = {"device", "device-timer", "duration", "measured", "custom-zones"}
"""Values that nobody computed: there is no version of them."""


def test_every_algorithm_says_its_formula_and_where_it_comes_from():
    assert len(analysis.algorithms()) > 50
    for algorithm in analysis.algorithms():
        assert algorithm.formula
        assert algorithm.source
        assert algorithm.name in TAKEN_OVER or re.fullmatch(r"[a-z0-9-]+@\d+", algorithm.name)


def test_explain_tells_what_stands_behind_a_name():
    riegel = analysis.explain("riegel-1981@1")
    assert riegel.formula == "T₂ = T₁·(D₂/D₁)^1.06"
    assert (riegel.unit, riegel.parameters, riegel.replaced_by) == ("s", {"exponent": 1.06}, None)
    assert "Riegel 1981" in riegel.source


def test_a_name_that_never_computed_is_refused_with_a_code():
    with pytest.raises(UnknownAlgorithm) as refused:
        analysis.explain("riegel-1981@9")
    assert refused.value.code == "unknown_algorithm"


def test_what_computes_no_more_is_explained_and_names_its_successor():
    old = analysis.explain("median9-hysteresis1@1")
    assert analysis.explain(old.replaced_by).name == "turning-points@1"


def test_a_version_is_declared_once():
    with pytest.raises(ValueError, match="new version"):
        declare("riegel-1981@1", unit="s", formula="another", source="another")
