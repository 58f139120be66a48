"""The exercises everybody finds in the library from the first day on: names in English and Russian, what they train.

A migration plants them; the identifier follows from the English name, so that it is the same in every installation
and plans can travel. Anatomy after the usual textbooks of strength training; the first muscle is the one most worked.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

LIBRARY: Final = UUID("6f0e9d0c-3f1b-5b5e-9a3e-0c6f5d1d2a77")
"""The name space of the identifiers."""


class Known(NamedTuple):
    """An exercise; muscles and equipment in words of `models.MUSCLES` and `EQUIPMENT`, apart by spaces."""

    english: str
    russian: str
    muscles: str
    equipment: str

    @property
    def id(self) -> UUID:
        """The same everywhere."""
        return uuid5(LIBRARY, self.english)


EXERCISES: Final = (
    Known("Back squat", "Приседания со штангой", "quadriceps glutes lower_back", "barbell"),
    Known("Front squat", "Фронтальные приседания", "quadriceps glutes abdominals", "barbell"),
    Known("Goblet squat", "Гоблет-приседания", "quadriceps glutes", "kettlebell"),
    Known("Bodyweight squat", "Приседания без веса", "quadriceps glutes", "none"),
    Known("Bulgarian split squat", "Болгарские приседания", "quadriceps glutes", "dumbbell bench"),
    Known("Lunge", "Выпады", "quadriceps glutes hamstrings", "none"),
    Known("Dumbbell walking lunge", "Ходьба выпадами с гантелями", "quadriceps glutes hamstrings", "dumbbell"),
    Known("Step-up", "Зашагивания на тумбу", "quadriceps glutes", "box"),
    Known("Pistol squat", "Приседания на одной ноге", "quadriceps glutes", "none"),
    Known("Leg press", "Жим ногами", "quadriceps glutes", "machine"),
    Known("Leg extension", "Разгибание ног в тренажёре", "quadriceps", "machine"),
    Known("Leg curl", "Сгибание ног в тренажёре", "hamstrings", "machine"),
    Known("Deadlift", "Становая тяга", "lower_back glutes hamstrings traps", "barbell"),
    Known("Sumo deadlift", "Становая тяга сумо", "glutes adductors hamstrings", "barbell"),
    Known("Trap bar deadlift", "Становая тяга с трэп-грифом", "quadriceps glutes lower_back", "trap_bar"),
    Known("Romanian deadlift", "Румынская тяга", "hamstrings glutes lower_back", "barbell"),
    Known("Single-leg Romanian deadlift", "Румынская тяга на одной ноге", "hamstrings glutes", "dumbbell"),
    Known("Good morning", "Наклоны со штангой", "hamstrings lower_back", "barbell"),
    Known("Hip thrust", "Ягодичный мост со штангой", "glutes hamstrings", "barbell bench"),
    Known("Glute bridge", "Ягодичный мост", "glutes hamstrings", "none"),
    Known("Nordic hamstring curl", "Нордические сгибания ног", "hamstrings", "none"),
    Known("Back extension", "Гиперэкстензия", "lower_back glutes hamstrings", "machine"),
    Known("Standing calf raise", "Подъёмы на носки стоя", "calves", "none"),
    Known("Seated calf raise", "Подъёмы на носки сидя", "calves", "machine"),
    Known("Hip abduction", "Отведение бедра", "abductors glutes", "band"),
    Known("Copenhagen plank", "Копенгагенская планка", "adductors obliques", "bench"),
    Known("Kettlebell swing", "Махи гирей", "glutes hamstrings lower_back", "kettlebell"),
    Known("Power clean", "Взятие на грудь в стойку", "full_body traps quadriceps", "barbell"),
    Known("Clean and jerk", "Толчок штанги", "full_body shoulders quadriceps", "barbell"),
    Known("Snatch", "Рывок штанги", "full_body shoulders traps", "barbell"),
    Known("Thruster", "Трастеры", "quadriceps shoulders glutes", "barbell"),
    Known("Box jump", "Прыжки на тумбу", "quadriceps calves glutes", "box"),
    Known("Burpee", "Бёрпи", "full_body", "none"),
    Known("Bench press", "Жим лёжа", "chest triceps shoulders", "barbell bench"),
    Known("Incline bench press", "Жим на наклонной скамье", "chest shoulders triceps", "barbell bench"),
    Known("Close-grip bench press", "Жим лёжа узким хватом", "triceps chest", "barbell bench"),
    Known("Dumbbell bench press", "Жим гантелей лёжа", "chest triceps shoulders", "dumbbell bench"),
    Known("Dumbbell fly", "Разведение гантелей лёжа", "chest", "dumbbell bench"),
    Known("Cable crossover", "Сведение рук в кроссовере", "chest", "cable"),
    Known("Push-up", "Отжимания", "chest triceps shoulders", "none"),
    Known("Dip", "Отжимания на брусьях", "triceps chest", "parallel_bars"),
    Known("Overhead press", "Жим штанги стоя", "shoulders triceps", "barbell"),
    Known("Push press", "Жимовой швунг", "shoulders triceps quadriceps", "barbell"),
    Known("Dumbbell shoulder press", "Жим гантелей сидя", "shoulders triceps", "dumbbell bench"),
    Known("Lateral raise", "Махи гантелями в стороны", "shoulders", "dumbbell"),
    Known("Face pull", "Тяга к лицу", "shoulders upper_back", "cable"),
    Known("Upright row", "Тяга к подбородку", "shoulders traps", "barbell"),
    Known("Shrug", "Шраги", "traps", "dumbbell"),
    Known("Pull-up", "Подтягивания", "lats biceps upper_back", "pull_up_bar"),
    Known("Chin-up", "Подтягивания обратным хватом", "lats biceps", "pull_up_bar"),
    Known("Lat pulldown", "Тяга верхнего блока", "lats biceps", "cable"),
    Known("Barbell row", "Тяга штанги в наклоне", "upper_back lats biceps", "barbell"),
    Known("Dumbbell row", "Тяга гантели в наклоне", "lats upper_back biceps", "dumbbell bench"),
    Known("Seated cable row", "Тяга горизонтального блока", "upper_back lats biceps", "cable"),
    Known("Inverted row", "Австралийские подтягивания", "upper_back lats biceps", "barbell"),
    Known("Barbell curl", "Подъём штанги на бицепс", "biceps forearms", "barbell"),
    Known("Hammer curl", "Молотковые сгибания", "biceps forearms", "dumbbell"),
    Known("Triceps pushdown", "Разгибание рук на блоке", "triceps", "cable"),
    Known("Skull crusher", "Французский жим лёжа", "triceps", "barbell bench"),
    Known("Farmer's walk", "Прогулка фермера", "forearms traps full_body", "dumbbell"),
    Known("Plank", "Планка", "abdominals obliques", "none"),
    Known("Side plank", "Боковая планка", "obliques abdominals", "none"),
    Known("Crunch", "Скручивания", "abdominals", "none"),
    Known("Hanging leg raise", "Подъёмы ног в висе", "abdominals hip_flexors", "pull_up_bar"),
    Known("Russian twist", "Русские скручивания", "obliques abdominals", "medicine_ball"),
    Known("Pallof press", "Жим Паллофа", "obliques abdominals", "cable"),
    Known("Dead bug", "Мёртвый жук", "abdominals hip_flexors", "none"),
    Known("Bird dog", "Птица-собака", "lower_back abdominals glutes", "none"),
    Known("Battle ropes", "Канаты", "shoulders full_body", "rope"),
    Known("Medicine ball slam", "Броски медбола в пол", "full_body abdominals lats", "medicine_ball"),
)


def plant(model: Any, *, using: str) -> None:
    """Put the library into the database; what is there already stays as it is."""
    model.objects.using(using).bulk_create((model(**values) for values in _rows()), ignore_conflicts=True)


def _rows() -> Iterator[dict[str, Any]]:
    for known in EXERCISES:
        yield {
            "id": known.id,
            "state": "library",
            "name_en": known.english,
            "name_ru": known.russian,
            "muscles": known.muscles.split(),
            "equipment": known.equipment.split(),
        }
