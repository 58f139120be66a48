"""What a phone's counter of steps says, by hand."""

import pytest

from contexts.workout.analysis import stepping
from contexts.workout.recordings import Streams


class TestSteps:
    @staticmethod
    def of(times, counts, pauses=()):
        return stepping.Steps.of(Streams(time=times, steps=counts), pauses)

    @pytest.mark.parametrize(
        ("times", "counts", "expected"),
        [
            ([0, 10, 20], [1_000, 1_028, 1_056], 56),
            ([10, 20], [28, 56], 56),  # it began at zero with the session
            ([10, 20], [280, 308], 28),  # it did not
            ([0, 10, 20, 30], [1_000, 1_028, 3, 31], 56),  # the phone was switched off and on
            ([0, 10, 20, 30], [0, 28, 9_000, 9_028], 56),  # another counter
            ([0, 10, 11], [0, 0, 28], 28),  # held back until it was sure
            ([0, 10, 20], [0, None, 56], 56),
        ],
    )
    def test_what_a_counter_says(self, times, counts, expected):
        assert self.of(times, counts).total().value == expected

    def test_what_it_counts_in_a_pause_is_taken_off(self):
        """With and without a reading in the pause, and where it has been read in the pause alone."""
        known = [0, 100, 101, 150, 200, 300], [0, 280, 282, 300, 320, 600]
        assert self.of(*known, [(100, 200)]).total().value == 560
        assert self.of([0, 100, 200, 300], [0, 280, 320, 600], [(100, 200)]).total().value == 560
        assert self.of([110, 120], [5_009, 5_018], [(100, 200)]).total() is None

    def test_nothing_is_known_of_the_pace_across_a_long_silence(self):
        moments, rates = self.of([0, 60, 200, 215], [0, 180, 400, 440]).cadence()
        assert (moments.tolist(), rates.tolist()) == ([60, 215], [180, 160])
