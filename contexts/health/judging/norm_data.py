"""The first version of each norm, as its source states it. What no source is known for is not here.

Bounds of scores that are told in whole numbers stand at the next whole number: NEWS2's "40 or less" is "below 41".
"""

from contexts.health.judging.norms import OLDEST, Band, Norm, Sex, Watch

ESH = "2023 ESH Guidelines for the management of arterial hypertension. J Hypertens 2023;41:1874-2071, table 3"
ESH_URL = "https://doi.org/10.1097/HJH.0000000000003480"
NEWS2 = "Royal College of Physicians. National Early Warning Score (NEWS) 2. London: RCP, 2017, chart 1"
NEWS2_URL = "https://www.rcp.ac.uk/resources/national-early-warning-score-news-2/"
PALS = "American Heart Association. Pediatric Advanced Life Support Provider Manual, vital signs in children"
PALS_URL = "https://doi.org/10.1016/S0140-6736(10)62226-X"
"""The web appendix of this review tabulates the manual's ranges."""
AHA_HR = "American Heart Association. All About Heart Rate (Pulse)"
AHA_HR_URL = (
    "https://www.heart.org/en/health-topics/high-blood-pressure/the-facts-about-high-blood-pressure/"
    "all-about-heart-rate-pulse"
)
WHO_SPO2 = "World Health Organization. Patient Safety: Pulse Oximetry Training Manual. Geneva: WHO, 2011"
WHO_SPO2_URL = "https://www.who.int/publications/i/item/9789241501132"
WHO_BMI = "WHO Technical Report Series 894: Obesity: preventing and managing the global epidemic, 2000, table 2.1"
WHO_BMI_URL = "https://iris.who.int/handle/10665/42330"
WHO_WAIST = "WHO. Waist circumference and waist-hip ratio: report of an expert consultation, 2008, table A1"
WHO_WAIST_URL = "https://iris.who.int/handle/10665/44583"
WHO_GLUCOSE = "WHO/IDF. Definition and diagnosis of diabetes mellitus and intermediate hyperglycaemia, 2006"
ADA = "American Diabetes Association. Standards of Care in Diabetes 2024, sections 2 and 6"
ADA_URL = "https://doi.org/10.2337/dc24-S002"
ADA_CRISES = "Umpierrez et al. Hyperglycemic crises in adults with diabetes. Diabetes Care 2024;47:1257-1275"
CGM = "Battelino et al. Clinical targets for continuous glucose monitoring. Diabetes Care 2019;42:1593-1603"
CGM_URL = "https://doi.org/10.2337/dci19-0028"
HEAT = "Bouchama, Knochel. Heat stroke. N Engl J Med 2002;346:1978-1988"
NUNAN = (
    "Nunan et al. Normal values for short-term heart rate variability. Pacing Clin Electrophysiol 2010;33:1407-1417"
)
NUNAN_URL = "https://doi.org/10.1111/j.1540-8159.2010.02841.x"

SPOT = Watch(hysteresis=0, lasts_s=0, silence_s=12 * 3_600, cool_down_s=1_800)
"""For what is measured now and then: one reading is enough."""


def _spot(hysteresis: float) -> Watch:
    return Watch(hysteresis=hysteresis, lasts_s=SPOT.lasts_s, silence_s=SPOT.silence_s, cool_down_s=SPOT.cool_down_s)


def _steady(hysteresis: float, lasts_s: int) -> Watch:
    """For what a sensor measures all the time: it has to last."""
    return Watch(hysteresis=hysteresis, lasts_s=lasts_s, silence_s=3_600, cool_down_s=900)


def _paediatric(metric: str, ranges: dict[tuple[int, int], tuple[float, float]]) -> tuple[Norm, ...]:
    """One norm for each age: normal within, to be looked at without."""
    return tuple(
        Norm(
            key=f"{metric}.{age_from}_to_{age_below}",
            metric=metric,
            bands=(Band("low", "attention"), Band("normal", "normal", low), Band("high", "attention", high)),
            source=PALS,
            url=PALS_URL,
            age_from=age_from,
            age_below=age_below,
            note="Of children who are awake.",
        )
        for (age_from, age_below), (low, high) in ranges.items()
    )


_WAISTS: tuple[tuple[Sex, float, float], ...] = (("female", 0.80, 0.88), ("male", 0.94, 1.02))
_CHILDREN_BREATHE: dict[tuple[int, int], tuple[float, float]] = {
    (1, 4): (24, 41),
    (4, 6): (22, 35),
    (6, 13): (18, 31),
    (13, 16): (12, 17),
}
_CHILDREN_BEAT: dict[tuple[int, int], tuple[float, float]] = {(2, 10): (60, 141), (10, 16): (60, 101)}
_RESTING = (
    Band("very_low", "critical"),
    Band("low", "attention", 41),
    Band("normal", "normal", 60),
    Band("high", "attention", 101),
    Band("very_high", "critical", 131),
)
_ATHLETES = "Trained athletes may have 40 at rest."

NORMS: tuple[Norm, ...] = (
    *_paediatric("respiratory_rate", _CHILDREN_BREATHE),
    *_paediatric("resting_heart_rate", _CHILDREN_BEAT),
    *(
        Norm(
            key=f"{metric}.adult",
            metric=metric,
            bands=_RESTING,
            source=f"{AHA_HR}; critical: {NEWS2}",
            url=AHA_HR_URL,
            age_from=16,
            note=_ATHLETES,
            watch=_spot(2) if metric == "resting_heart_rate" else None,
        )
        for metric in ("resting_heart_rate", "pulse_rate")
    ),
    Norm(
        key="respiratory_rate.adult",
        metric="respiratory_rate",
        bands=(
            Band("very_low", "critical"),
            Band("low", "attention", 9),
            Band("normal", "normal", 12),
            Band("high", "attention", 21),
            Band("very_high", "critical", 25),
        ),
        source=NEWS2,
        url=NEWS2_URL,
        age_from=16,
        note="At rest.",
        watch=_steady(1, 300),
    ),
    Norm(
        key="oxygen_saturation",
        metric="oxygen_saturation",
        bands=(Band("very_low", "critical"), Band("low", "attention", 90), Band("normal", "normal", 95)),
        source=WHO_SPO2,
        url=WHO_SPO2_URL,
        age_from=1,
        note="At sea level.",
        watch=_steady(2, 60),
    ),
    Norm(
        key="blood_pressure_systolic.adult",
        metric="blood_pressure_systolic",
        bands=(
            Band("very_low", "critical"),
            Band("optimal", "normal", 91),
            Band("normal", "normal", 120),
            Band("high_normal", "attention", 130),
            Band("grade_1", "attention", 140),
            Band("grade_2", "attention", 160),
            Band("grade_3", "critical", 180),
        ),
        source=f"{ESH}; low: {NEWS2}",
        url=ESH_URL,
        age_from=18,
        note="Measured in the office.",
        watch=_spot(5),
    ),
    Norm(
        key="blood_pressure_diastolic.adult",
        metric="blood_pressure_diastolic",
        bands=(
            Band("optimal", "normal"),
            Band("normal", "normal", 80),
            Band("high_normal", "attention", 85),
            Band("grade_1", "attention", 90),
            Band("grade_2", "attention", 100),
            Band("grade_3", "critical", 110),
        ),
        source=ESH,
        url=ESH_URL,
        age_from=18,
        note="Measured in the office.",
        watch=_spot(5),
    ),
    Norm(
        key="body_temperature.adult",
        metric="body_temperature",
        bands=(
            Band("very_low", "critical"),
            Band("low", "attention", 35.1),
            Band("normal", "normal", 36.1),
            Band("raised", "attention", 38.1),
            Band("high", "attention", 39.1),
            Band("very_high", "critical", 40.1),
        ),
        source=f"{NEWS2}; very high: {HEAT}",
        url=NEWS2_URL,
        age_from=16,
        watch=_spot(0.3),
    ),
    Norm(
        key="blood_glucose.fasting",
        metric="blood_glucose",
        condition="fasting",
        bands=(
            Band("very_low", "critical"),
            Band("low", "attention", 3.0),
            Band("normal", "normal", 3.9),
            Band("impaired", "attention", 5.6),
            Band("diabetic_range", "attention", 7.0),
            Band("very_high", "critical", 33.3),
        ),
        source=f"{ADA}; {WHO_GLUCOSE} (impaired from 6.1); very high: {ADA_CRISES}",
        url=ADA_URL,
        age_from=1,
        note="After eight hours without food.",
    ),
    Norm(
        key="blood_glucose.random",
        metric="blood_glucose",
        condition="random",
        bands=(
            Band("very_low", "critical"),
            Band("low", "attention", 3.0),
            Band("normal", "normal", 3.9),
            Band("diabetic_range", "attention", 11.1),
            Band("very_high", "critical", 33.3),
        ),
        source=f"{ADA}; {WHO_GLUCOSE}; very high: {ADA_CRISES}",
        url=ADA_URL,
        age_from=1,
        note="The upper bound diagnoses only with symptoms.",
        watch=_spot(0.3),
    ),
    Norm(
        key="interstitial_glucose",
        metric="interstitial_glucose",
        bands=(
            Band("very_low", "critical"),
            Band("low", "attention", 3.0),
            Band("normal", "normal", 3.9),
            Band("high", "attention", 10.1),
            Band("very_high", "critical", 14.0),
        ),
        source=CGM,
        url=CGM_URL,
        age_from=1,
        note="Targets for people with diabetes.",
        watch=_steady(0.3, 900),
    ),
    Norm(
        key="haemoglobin_a1c",
        metric="haemoglobin_a1c",
        bands=(
            Band("normal", "normal"),
            Band("prediabetic_range", "attention", 39),
            Band("diabetic_range", "attention", 48),
        ),
        source=ADA,
        url=ADA_URL,
        age_from=1,
    ),
    Norm(
        key="body_mass_index.adult",
        metric="body_mass_index",
        bands=(
            Band("severe_thinness", "attention"),
            Band("thinness", "attention", 16),
            Band("normal", "normal", 18.5),
            Band("overweight", "attention", 25),
            Band("obesity_1", "attention", 30),
            Band("obesity_2", "attention", 35),
            Band("obesity_3", "attention", 40),
        ),
        source=WHO_BMI,
        url=WHO_BMI_URL,
        age_from=20,
    ),
    *(
        Norm(
            key=f"waist_circumference.{sex}",
            metric="waist_circumference",
            bands=(
                Band("normal", "normal"),
                Band("raised_risk", "attention", raised),
                Band("high_risk", "attention", high),
            ),
            source=WHO_WAIST,
            url=WHO_WAIST_URL,
            age_from=18,
            age_below=OLDEST,
            sex=sex,
        )
        for sex, raised, high in _WAISTS
    ),
    Norm(
        key="hrv_rmssd.adult",
        metric="hrv_rmssd",
        bands=(Band("low", "attention"), Band("normal", "normal", 19), Band("high", "attention", 75)),
        source=NUNAN,
        url=NUNAN_URL,
        age_from=18,
        note="Five minutes at rest; the range of the means of 44 studies, not of people.",
    ),
)

_OLD_PALS = (
    "These ranges are those of older editions of the manual; the source names none, and later ones have others. The "
    "review behind the address found them at odds with what was measured (Fleming et al., Lancet 2011;377:1011-1018)."
)
NEEDS_REVIEW: dict[str, str] = {
    **{norm.key: _OLD_PALS for norm in NORMS if norm.source == PALS},
    "body_mass_index.adult": (
        "The table named has no grade of thinness under 16; WHO Technical Report Series 854, 1995, has."
    ),
    "hrv_rmssd.adult": "The source has the range of means of studies; as bands for one person it is our own reading.",
}
"""Norms of which a medical reviewer is to look at the source, and why. A further version of the norm settles it."""
