"""`python -m config.messages`: the catalogues of what people read, brought up to date with the code.

Collected are the first lines of refusals (`Refused`), gettext literals of Python, templates and page scripts, and the
words of a few tables. `--check` fails where a Russian text is missing, is left over, or has not been compiled.
"""

# ruff: noqa: T201
from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import django
import polib

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("kernel", "contexts", "config")
SERVER = ROOT / "locale" / "ru" / "LC_MESSAGES" / "django.po"
SCRIPTS = SERVER.with_name("djangojs.po")
CALLS = {"_", "gettext", "gettext_lazy"}
SENTENCES = {"InvalidInput", "TryAgain", "TokenInvalid", "BadJson", "Text", "ValidationError", "_plain_problem"}
"""Calls whose first argument is read by people: it is looked up in the catalogue when the answer is written."""
AFTER_CODE = {"Flaw", "Unopenable"}
"""Calls that name a code first, then what people read."""
IN_TEMPLATE = re.compile(r"""{%\s*translate\s+(["'])(.+?)\1""")
IN_BLOCK = re.compile(r"{%\s*blocktranslate[^%]*%}(.+?){%\s*endblocktranslate", re.DOTALL)
IN_SCRIPT = re.compile(r"""\bt\(\s*"((?:[^"\\]|\\.)+)"\s*[,)]""")


def main() -> int:
    """Update and compile, or check; the exit code says whether all is well."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    wanted = {SERVER: sorted(set(server_texts())), SCRIPTS: sorted(set(script_texts()))}
    if "--check" in sys.argv:
        faults = [*untranslatable(), *(fault for file, texts in wanted.items() for fault in faults_of(file, texts))]
        print(*faults, sep="\n")
        return 1 if faults else 0
    for file, texts in wanted.items():
        update(file, texts)
    return 0


def server_texts() -> Iterator[str]:
    """What the server says."""
    yield from refusals()
    for path in _files("*.py"):
        yield from literals(path)
    for path in _files("*.html", "*.txt"):
        text = path.read_text()
        yield from (found[1] for found in IN_TEMPLATE.findall(text))
        yield from (" ".join(found.split()) for found in IN_BLOCK.findall(text))
    yield from tables()


def refusals() -> Iterator[str]:
    """The sentence of every refusal."""
    from kernel.errors import Refused

    for package in ("kernel", "contexts"):
        for module in pkgutil.walk_packages([str(ROOT / package)], prefix=f"{package}."):
            if not any(part in module.name for part in (".migrations", ".management", ".__main__")):
                importlib.import_module(module.name)
    waiting: list[type[Refused]] = [Refused]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.partition(".")[0] in SOURCES and kind.__doc__:
            yield kind.__doc__.strip().partition("\n")[0]


def literals(path: Path) -> Iterator[str]:
    """The texts a module marks with gettext, and what its refusals say instead of their first line."""
    for text in _spoken(path):
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield text.value


def untranslatable() -> Iterator[str]:
    """Sentences put together before anybody could translate them."""
    for path in _files("*.py"):
        for text in _spoken(path):
            if isinstance(text, ast.JoinedStr):
                yield f"{path.relative_to(ROOT)}:{text.lineno}: name the values instead of an f-string"


def _spoken(path: Path) -> Iterator[ast.expr]:
    sentences = SENTENCES | unreadable().keys() if path.parent.name == "recordings" else SENTENCES
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        name = function.rpartition(".")[2]
        if function in CALLS or name in sentences:
            yield from node.args[:1]
        elif name in AFTER_CODE:
            yield from node.args[1:2]


@cache
def unreadable() -> dict[str, str]:
    """Why a recording is refused: the exceptions of the readers, which know no framework, and what each says."""
    from contexts.workout.recordings.recording import Unreadable

    kinds: list[type[Unreadable]] = [Unreadable, *Unreadable.__subclasses__()]
    return {kind.__name__: (kind.__doc__ or "").strip() for kind in kinds}


def tables() -> Iterator[str]:
    """Words that stand in tables of modules which know no framework."""
    from contexts.health.reports.words import TITLES as METRIC_TITLES
    from contexts.health.trends.formulas import ALGORITHMS
    from contexts.identity import rules
    from contexts.workout import analysis
    from contexts.workout.numbers import telling
    from kernel.http import TITLES

    yield from TITLES.values()
    yield from rules.SCOPES.values()
    yield from METRIC_TITLES.values()
    yield from (algorithm.formula for algorithm in ALGORITHMS.values())
    for algorithm in analysis.algorithms():
        yield algorithm.formula
        yield algorithm.source
    yield from telling.SENTENCES.values()
    yield from unreadable().values()


def script_texts() -> Iterator[str]:
    """What the pages' scripts say."""
    for path in _files("*.js"):
        yield from (found.replace('\\"', '"') for found in IN_SCRIPT.findall(path.read_text()))


def _files(*patterns: str) -> Iterator[Path]:
    for folder in SOURCES:
        for pattern in patterns:
            yield from sorted((ROOT / folder).rglob(pattern))


def update(file: Path, texts: Iterable[str]) -> None:
    """Add what is new, drop what is gone, keep every translation, compile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    known = {entry.msgid: entry.msgstr for entry in polib.pofile(str(file))} if file.exists() else {}
    catalogue = polib.POFile()
    catalogue.metadata = {"Language": "ru", "MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8"}
    for text in texts:
        catalogue.append(polib.POEntry(msgid=text, msgstr=known.get(text, "")))
    catalogue.save(str(file))
    catalogue.save_as_mofile(str(file.with_suffix(".mo")))
    missing = [entry.msgid for entry in catalogue if not entry.msgstr]
    print(f"{file.relative_to(ROOT)}: {len(catalogue)} texts, {len(missing)} to translate")


def faults_of(file: Path, texts: list[str]) -> Iterator[str]:
    """What is missing, left over or not compiled in a catalogue."""
    catalogue = polib.pofile(str(file)) if file.exists() else polib.POFile()
    known = {entry.msgid: entry.msgstr for entry in catalogue}
    name = file.relative_to(ROOT)
    yield from (f"{name}: not translated: {text}" for text in texts if not known.get(text))
    yield from (f"{name}: no longer said: {text}" for text in known if text not in texts)
    compiled = file.with_suffix(".mo")
    spoken = {entry.msgid: entry.msgstr for entry in polib.mofile(str(compiled))} if compiled.exists() else {}
    if spoken != {text: said for text, said in known.items() if said}:
        yield f"{name}: not compiled: python -m config.messages"


if __name__ == "__main__":
    sys.exit(main())
