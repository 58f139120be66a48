"""numpy arrays in PostgreSQL's binary form, as `array_send` writes it."""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HEAD: Final = struct.Struct(">iiIii")
"""Of a binary array: dimensions, whether there are nulls, type of an element, elements, number of the first."""


def laid_out(letters: str) -> np.dtype[np.void]:
    """How each element of that numpy type lies in a binary array: its size, then its value."""
    return np.dtype([("size", ">i4"), ("value", letters)])


def packed(values: Any, *, element: int, layout: np.dtype[np.void]) -> bytes:
    """An array of one dimension and without nulls; `element` is PostgreSQL's number for the type of its elements."""
    elements: NDArray[np.void] = np.empty(len(values), dtype=layout)
    elements["size"] = layout["value"].itemsize
    elements["value"] = values
    return HEAD.pack(1, 0, element, len(values), 1) + elements.tobytes()
