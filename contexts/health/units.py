"""Units of measurement by their UCUM names (ucum.org), and the way from a told unit to the stored one.

Each way is affine with rational numbers: stored = told × scale + shift. It belongs to a family and not to a pair of
units, because milligrams of glucose and of lactate are different amounts of substance.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Told = TypeVar("Told", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class Way:
    """How a value in one unit becomes one in the stored unit, and back."""

    scale: Fraction
    shift: Fraction = Fraction(0)

    def to_stored(self, told: Told) -> Told:
        """In the stored unit; correct to the last digit but one of a double."""
        return told * self.scale.numerator / self.scale.denominator + float(self.shift)

    def from_stored(self, stored: Told) -> Told:
        """In the told unit."""
        return (stored - float(self.shift)) * self.scale.denominator / self.scale.numerator


SAME = Way(Fraction(1))


@dataclass(frozen=True, slots=True)
class Units:
    """The unit in which values are stored, and every unit in which they may be told, that one among them."""

    stored: str
    ways: dict[str, Way]


def units(stored: str, others: dict[str, str | tuple[str, str]] | None = None) -> Units:
    """A family: for each other unit its scale, or scale and shift, as exact decimal or fraction."""
    ways = {stored: SAME}
    for name, told in (others or {}).items():
        scale, shift = (told, "0") if isinstance(told, str) else told
        ways[name] = Way(Fraction(scale), Fraction(shift))
    return Units(stored, ways)


RATE = units("/min", {"{beats}/min": "1", "{breaths}/min": "1", "{rpm}": "1", "Hz": "60"})
MILLISECONDS = units("ms", {"s": "1000"})
SECONDS = units("s", {"ms": "1/1000", "min": "60", "h": "3600"})
PERCENT = units("%", {"1": "100"})
COUNT = units("1")
STEPS = units("{steps}", {"1": "1"})
FLIGHTS = units("{flights}", {"1": "1"})
LENGTH = units("m", {"mm": "0.001", "cm": "0.01", "km": "1000", "[in_i]": "0.0254", "[ft_i]": "0.3048"})
WAY_LENGTH = units("m", {"cm": "0.01", "km": "1000", "[ft_i]": "0.3048", "[mi_i]": "1609.344", "[yd_i]": "0.9144"})
MASS = units("kg", {"g": "0.001", "[lb_av]": "0.45359237", "[stone_av]": "6.35029318"})
MASS_PER_AREA = units("kg/m2")
TEMPERATURE = units("Cel", {"[degF]": ("5/9", "-160/9"), "K": ("1", "-273.15")})
PRESSURE = units("mm[Hg]", {"kPa": "1000000/133322"})
"""UCUM: a metre of mercury is 133.322 kPa."""
ENERGY = units("kJ", {"J": "0.001", "kcal": "4.184", "[Cal]": "4.184"})
"""UCUM's calorie is the thermochemical one."""
ENERGY_PER_DAY = units("kJ/d", {"kcal/d": "4.184"})
POWER = units("W", {"kW": "1000"})
SPEED = units("m/s", {"km/h": "5/18", "[mi_i]/h": "0.44704"})
VOLUME = units("L", {"mL": "0.001", "[foz_us]": "0.0295735295625"})
FLOW = units("L/min", {"L/s": "60"})
OXYGEN = units("mL/min/kg", {"L/min/kg": "1000"})
RESISTANCE = units("Ohm", {"kOhm": "1000"})
GLUCOSE = units("mmol/L", {"mg/dL": "1000/18016", "mol/L": "1000"})
"""1 mmol/L of glucose is 18.016 mg/dL."""
LACTATE = units("mmol/L", {"mg/dL": "1000/9008"})
"""Of lactate 9.008 mg/dL: a molar mass of 90.08 g/mol."""
KETONES = units("mmol/L", {"mg/dL": "1000/10410"})
"""Of beta-hydroxybutyrate 10.41 mg/dL: a molar mass of 104.1 g/mol."""
HAEMOGLOBIN = units("mmol/mol", {"%": ("100000/9148", "-215200/9148")})
"""IFCC's unit; % is NGSP's, by the master equation NGSP = 0.09148 × IFCC + 2.152."""
