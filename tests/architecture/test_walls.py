"""The walls stand, and they fall over when somebody climbs through: a planted violation is named."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PACKAGES = ("kernel", "contexts", "config", "device_bridge", "payment_sandbox")

VIOLATIONS = {
    "Contexts meet only at services and events": ("contexts/social/planted.py", "contexts.workout.rules"),
    "The map of who may ask whom": ("contexts/identity/planted.py", "contexts.health.services"),
    "The rooms of a context": ("contexts/workout/rules.py", "contexts.workout.models"),
    "The rooms of workout": ("contexts/workout/series/planted.py", "contexts.workout.recording.tracking"),
    "The rooms of health": ("contexts/health/worn/planted.py", "contexts.health.alerts.alerting"),
    "Edges are called from outside only": ("contexts/social/rooms.py", "contexts.social.api"),
    "The kernel knows no context": ("kernel/planted.py", "contexts.identity.services"),
    "Rules and events know no framework": ("contexts/gamification/rules.py", "django"),
    "The payment sandbox stands alone": ("payment_sandbox/planted.py", "kernel.events"),
    "The device bridge stands alone": ("device_bridge/planted.py", "kernel.events"),
}
"""Contract → the file that breaks it, and what it must not import."""


def copy_of_the_house(place: Path) -> Path:
    """Our packages and the walls' plan, to be damaged."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / ".importlinter", place)
    return place


def lint_imports(folder: Path) -> str:
    """What the import linter says about the packages in a folder."""
    command = [BIN / "lint-imports", "--config", folder / ".importlinter", "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def verdicts(report: str) -> dict[str, str]:
    """Contract → KEPT or BROKEN."""
    return {name.strip(): verdict for name, verdict in re.findall(r"^(.+?) (KEPT|BROKEN)\b", report, re.MULTILINE)}


def test_import_contracts_hold() -> None:
    assert verdicts(lint_imports(ROOT)) == dict.fromkeys(VIOLATIONS, "KEPT")


def test_a_planted_import_breaks_its_contract(tmp_path: Path) -> None:
    house = copy_of_the_house(tmp_path)
    for file, forbidden in VIOLATIONS.values():
        with (house / file).open("a") as planted:
            planted.write(f"\nimport {forbidden}\n")
    report = lint_imports(house)
    assert verdicts(report) == dict.fromkeys(VIOLATIONS, "BROKEN")
    for contract, (file, forbidden) in VIOLATIONS.items():
        importer = file.removesuffix(".py").replace("/", ".")
        assert re.search(rf"{re.escape(importer)} -> {re.escape(forbidden)}", section(report, contract)), contract


def section(report: str, contract: str) -> str:
    """What the report says about one broken contract."""
    (text,) = re.findall(
        rf"^{re.escape(contract)}\n-+\n(.*?)(?=^\S[^\n]*\n-{{3,}}$|\Z)", report, re.MULTILINE | re.DOTALL
    )
    return str(text)


@pytest.fixture
def ruff() -> Callable[[str], str]:
    """What ruff, with our configuration, says about a text that stood in a context."""

    def check(source: str) -> str:
        command = [BIN / "ruff", "check", "--no-cache", "--output-format", "concise", "--stdin-filename"]
        where = ROOT / "contexts" / "social" / "planted.py"
        return subprocess.run([*command, where, "-"], input=source, cwd=ROOT, capture_output=True, text=True).stdout

    return check


@pytest.mark.parametrize(
    "source",
    [
        "from django.db import transaction\n\nwith transaction.atomic():\n    pass\n",
        "from django.db.transaction import atomic\n\nwith atomic():\n    pass\n",
        "from django.db import transaction\n\ntransaction.on_commit(print)\n",
        "from django.db.transaction import on_commit\n\non_commit(print)\n",
    ],
)
def test_a_bare_transaction_is_refused(ruff: Callable[[str], str], source: str) -> None:
    """Without `using` they silently hit identity's database."""
    assert "TID251" in ruff(source)


def test_a_unit_of_work_is_not_refused(ruff: Callable[[str], str]) -> None:
    assert "TID251" not in ruff("from kernel.databases import unit_of_work\n\nunit_of_work('social')(print)\n")
