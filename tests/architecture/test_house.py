"""House rule 4: no whales and no empty rooms."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("kernel", "contexts", "config", "device_bridge", "payment_sandbox", "tests", "benchmarks")
MAX_LINES = 500


def files(*endings: str, below: tuple[str, ...] = OURS) -> Iterator[Path]:
    """Our own source files."""
    for folder in below:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in endings and path.is_file() and "__pycache__" not in path.parts:
                yield path


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_empty(module: ast.Module) -> bool:
    """True when nothing but a docstring stands there."""
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in module.body)


def function_lengths(path: Path) -> list[int]:
    """Lines of each function, from its first decorator to its last statement."""
    return [
        (node.end_lineno or 0) - min([node.lineno, *(d.lineno for d in node.decorator_list)]) + 1
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_longer_than_500_lines() -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for path in files(".py", ".js", ".css", ".html")}
    assert len(lengths) > 100
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_functions_fit_a_screen() -> None:
    """Median at most 10 lines, 95th percentile at most 40."""
    sources = [path for path in files(".py", below=OURS[:4]) if "migrations" not in path.parts]
    lengths = [lines for path in sources for lines in function_lengths(path)]
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=20)[-1] <= 40


def test_no_room_is_empty() -> None:
    empty = [
        shown(path) for path in files(".py") if path.name != "__init__.py" and is_empty(ast.parse(path.read_text()))
    ]
    assert empty == []


def test_rooms_that_attract_junk_do_not_exist() -> None:
    junk = {"serializers.py", "selectors.py", "repositories.py", "dto.py", "utils.py", "helpers.py", "constants.py"}
    assert [shown(path) for path in files(".py") if path.name in junk] == []
