"""Real recordings: our numbers beside the devices' own, where a folder of recordings is at hand."""

import os
import statistics

import pytest

from benchmarks import corpus
from benchmarks.figures import percentile

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (corpus.FOLDER.is_dir() and corpus.files()),
        reason="no sample recordings; STAYER_SAMPLES names a folder",
    ),
]


LARGE = int(os.environ.get("STAYER_CORPUS_BYTES", "400000"))
"""Larger files keep the decoder that tells the devices' power busy for minutes; `benchmarks.corpus` reads them."""


def test_climbs_agree_with_barometers_to_5_percent_in_the_median():
    ours, naive = corpus.climbs()
    print(corpus.table({"turning-points@1": ours, "sum of all rises": naive}))
    errors = [abs(each.error) for each in ours]
    assert len(errors) >= 40
    assert statistics.median(errors) <= 5
    assert percentile(errors, 90) <= 20


def test_normalised_power_agrees_with_the_devices_to_half_a_percent_in_the_median():
    found = corpus.powers(largest=LARGE)
    print(corpus.table({"normalised-power@1": found}))
    assert len(found) >= 10
    assert statistics.median(abs(each.error) for each in found) <= 0.5
