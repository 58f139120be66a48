"""Static rules of our own: what no line of the product may do. Each rule is shown a line that breaks it."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("kernel", "contexts", "config", "device_bridge", "payment_sandbox")

MAY_CALL_OUT = {
    "config/demo.py": "speaks to our own API",
    "config/running/procfile.py": "asks our own web process whether it is up",
    "contexts/health/integrations/calling.py": "vendors the operator has named",
    "contexts/identity/external_providers.py": "sign-in providers the operator has named",
    "device_bridge/answers.py": "what the platform answers to the bridge",
    "device_bridge/enrolling.py": "the bridge asks the platform for its credentials",
    "device_bridge/uplink.py": "the bridge posts readings to the platform",
    "kernel/keys.py": "the JWKS of the platform, by an extracted context",
    "kernel/access.py": "the session check of the platform, by an extracted context",
    "kernel/objects.py": "the store of cold files the operator has named",
    "kernel/payments/sandbox.py": "the payment sandbox the operator has named",
    "kernel/payments/stripe.py": "Stripe, or whom the operator has named for it",
    "payment_sandbox/webhooks.py": "the sandbox tells the shop that the operator has named",
    "kernel/service_tokens.py": "the services of the platform, by an extracted context",
}
HTTP_CLIENTS = {"httpx", "requests", "urllib.request", "http.client", "aiohttp", "urllib3", "stripe", "boto3"}


@cache
def _called(node: ast.AST) -> str:
    """`a.b.c` of a call `a.b.c(…)`."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


@cache
def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return set()


def _runs_text(node: ast.AST) -> bool:
    return _called(node) in {"eval", "exec", "compile"}


def _unpickles(node: ast.AST) -> bool:
    return bool(_imported(node) & {"pickle", "marshal", "shelve", "dill", "joblib", "yaml"})


def _trusts_markup(node: ast.AST) -> bool:
    return bool(_imported(node) & {"django.utils.safestring.mark_safe", "django.utils.html.html_safe"})


def _writes_sql_into_querysets(node: ast.AST) -> bool:
    if _imported(node) & {"django.db.models.expressions.RawSQL"}:
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"extra", "raw"}


def _shows_every_field(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "fields" for target in node.targets)
        and isinstance(node.value, ast.Constant)
        and node.value.value == "__all__"
    )


def _waives_csrf(node: ast.AST) -> bool:
    return bool(_imported(node) & {"django.views.decorators.csrf.csrf_exempt"})


def _waives_certificates(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg == "verify" and ast.unparse(node.value) == "False"


def _uses_weak_hash(node: ast.AST) -> bool:
    return _called(node) in {"hashlib.md5", "hashlib.sha1"}


def _calls_out(node: ast.AST) -> bool:
    return bool(_imported(node) & HTTP_CLIENTS)


RULES: dict[str, tuple[Callable[[ast.AST], bool], str]] = {
    "text is never run as code": (_runs_text, "eval(text)"),
    "nothing is unpickled": (_unpickles, "import pickle"),
    "markup is escaped by templates": (_trusts_markup, "from django.utils.safestring import mark_safe"),
    "querysets carry no SQL text": (_writes_sql_into_querysets, "User.objects.extra(where=[text])"),
    "a form names its fields": (_shows_every_field, "fields = '__all__'"),
    "CSRF protection is not waived": (_waives_csrf, "from django.views.decorators.csrf import csrf_exempt"),
    "certificates are verified": (_waives_certificates, "httpx.get(url, verify=False)"),
    "MD5 and SHA-1 protect nothing": (_uses_weak_hash, "hashlib.md5(text)"),
    "only named modules call out": (_calls_out, "import httpx"),
}


LOOKED_AT = (ast.Call, ast.Import, ast.ImportFrom, ast.Assign, ast.keyword)


def nodes(text: str) -> list[ast.AST]:
    """The nodes of a module that any rule looks at."""
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, LOOKED_AT)]


@cache
def sources() -> dict[str, list[ast.AST]]:
    """Path and nodes of each of the product's modules."""
    paths = [path for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): nodes(path.read_text()) for path in paths}


def broken(rule: Callable[[ast.AST], bool], among: list[ast.AST]) -> list[int]:
    """Lines that break a rule."""
    return [getattr(node, "lineno", 0) for node in among if rule(node)]


@pytest.mark.parametrize("name", RULES)
def test_the_product_keeps(name: str) -> None:
    rule, _ = RULES[name]
    exempt = MAY_CALL_OUT if rule is _calls_out else {}
    found = {
        path: lines for path, among in sources().items() if path not in exempt and (lines := broken(rule, among))
    }
    assert found == {}


@pytest.mark.parametrize("name", RULES)
def test_a_line_that_breaks_it_is_seen(name: str) -> None:
    rule, sample = RULES[name]
    assert broken(rule, nodes(sample)) != []
    assert broken(rule, nodes("answer = ask(politely=True)")) == []


def test_who_may_call_out_exists() -> None:
    assert [path for path in MAY_CALL_OUT if not (ROOT / path).is_file()] == []
