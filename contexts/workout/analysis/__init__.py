"""Every formula of training analysis: plain values in, plain values out, numpy inside. Pure; needs no Django.

Modules are topics; units are SI unless a name says otherwise. Each number is a `Derived` that names its algorithm,
and `explain` tells what stands behind the name. Athlete's settings (thresholds, maxima, zones) are given by the
caller as they were at the date of the session.
"""

from . import (
    compendium,
    coupling,
    efforts,
    elevation,
    energy,
    heart,
    load,
    path,
    power,
    quality,
    ramp,
    reasons,
    running,
    session,
    standstill,
    stepping,
    strength,
    swimming,
    times,
    variability,
    zones,
)
from .derived import Algorithm, Derived, DerivedSeries, Exclusion, UnknownAlgorithm, algorithms, explain, superseded
from .session import Analysis, Settings, analyse

__all__ = [
    "Algorithm",
    "Analysis",
    "Derived",
    "DerivedSeries",
    "Exclusion",
    "Settings",
    "UnknownAlgorithm",
    "algorithms",
    "analyse",
    "compendium",
    "coupling",
    "efforts",
    "elevation",
    "energy",
    "explain",
    "heart",
    "load",
    "path",
    "power",
    "quality",
    "ramp",
    "reasons",
    "running",
    "session",
    "standstill",
    "stepping",
    "strength",
    "superseded",
    "swimming",
    "times",
    "variability",
    "zones",
]
