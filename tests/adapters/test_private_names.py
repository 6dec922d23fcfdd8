"""What other libraries do not promise is used in optlab/adapters alone, where a test says what breaks without it.

Read from the source: private names of others, modules of theirs that are not for users, changes to the whole process.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commandline import ROOT

ADAPTERS = ("src/optlab/adapters/", "src/pooled_convolutions/")  # the second stands alone, and has its own
OURS = ("optlab", "hydra_plugins", "pooled_convolutions", "benchmark", "tests", "scripts")
NOT_FOR_USERS = ("hydra.core", "joblib.externals", "ray._private", "submitit.core")
FOR_USERS = ("hydra.core.hydra_config",)  # Hydra's documentation names it
PROMISED = {"_replace", "_asdict", "_fields", "_exit"}  # by the standard library

# Calls and assignments that change this process for everybody in it.
CALLS = {
    "os": {"chdir", "putenv", "setpgrp", "setsid", "umask", "nice"},
    "signal": {"signal", "set_wakeup_fd", "pthread_sigmask"},
    "gc": {"collect", "disable", "enable", "freeze", "unfreeze", "set_threshold"},
    "atexit": {"register"},
    "warnings": {"filterwarnings", "simplefilter"},
    "torch": {"set_num_threads", "set_default_dtype", "set_default_device", "use_deterministic_algorithms"},
}
STATE = {("os", "environ"), ("sys", "argv"), ("sys", "path"), ("sys", "modules")}
CHANGING = {"update", "setdefault", "pop", "append", "insert", "extend", "clear", "remove"}


def sources() -> list[Path]:
    files = [ROOT / "train.py", *(ROOT / "src").rglob("*.py")]
    return [path for path in files if not str(path.relative_to(ROOT)).startswith(ADAPTERS)]


def findings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each use in a file."""
    own = own_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if is_hidden(each.name):
                    yield node.lineno, f"import {each.name}"
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for each in node.names:
                if is_hidden(f"{node.module}.{each.name}"):
                    yield node.lineno, f"from {node.module} import {each.name}"
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own | PROMISED:
            yield node.lineno, ast.unparse(node)
        elif (name := asked_for(node)) is not None and is_private(name) and name not in own:
            yield getattr(node, "lineno", 0), ast.unparse(node)
        if isinstance(node, (ast.stmt, ast.expr)) and is_change(node):
            yield node.lineno, ast.unparse(node).splitlines()[0]


def asked_for(node: ast.AST) -> str | None:
    """The attribute in `getattr(object, "name")`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
        return str(node.args[1].value) if isinstance(node.args[1], ast.Constant) else None
    return None


def own_names(tree: ast.Module) -> set[str]:
    """The private names that a file itself gives: functions, and what it assigns to, of itself or of `self`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            names.add(node.attr)
    return names


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def is_hidden(path: str) -> bool:
    if path.startswith(FOR_USERS) or path.partition(".")[0] in OURS:
        return False
    return path.startswith(NOT_FOR_USERS) or any(map(is_private, path.split(".")))


def is_change(node: ast.AST) -> bool:
    """Whether this changes what the whole process shares."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        target, name = node.func.value, node.func.attr
        if isinstance(target, ast.Name) and name in CALLS.get(target.id, ()):
            return True
        return name in CHANGING and is_state(target)
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign):
        targets = [node.target]
    elif isinstance(node, ast.Delete):
        targets = node.targets
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return any(is_state(part.value if isinstance(part, ast.Subscript) else part) for part in parts)


def is_state(node: ast.expr) -> bool:
    if not isinstance(node, ast.Attribute):
        return False
    named = isinstance(node.value, ast.Name) and (node.value.id, node.attr) in STATE
    return named or ast.unparse(node).startswith("torch.backends.")


def test_what_others_do_not_promise_stands_in_the_adapters() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}": text
        for path in sources()
        for line, text in findings(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found, "\n".join(f"{place}  {text}" for place, text in found.items())


@pytest.mark.parametrize(
    "line",
    [
        "import hydra._internal.utils",
        "from hydra.core.singleton import Singleton",
        "from joblib.externals.loky import ProcessPoolExecutor",
        "from torch.nn.modules.batchnorm import _BatchNorm",
        "result._return_value",
        "torch.nn.modules.batchnorm._BatchNorm",
        "getattr(thread, '_child_processes', None)",
        "optimizer._step_supports_amp_scaling = False",
        "os.environ['A'] = '1'",
        "os.environ.setdefault('A', '1')",
        "del os.environ['A']",
        "arguments, sys.argv = sys.argv, []",
        "sys.path += ['a']",
        "sys.modules['triton'] = None",
        "signal.signal(signal.SIGINT, stop)",
        "warnings.filterwarnings('ignore')",
        "gc.disable()",
        "torch.backends.cudnn.allow_tf32 = True",
    ],
)
def test_each_kind_of_use_is_found(line: str) -> None:
    assert list(findings(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "from hydra.core.hydra_config import HydraConfig",
        "from optlab.adapters import hydra",
        "class A:\n    def f(self):\n        self._mine = 1\n        return other._mine",
        "os.environ['A']",
        "os.environ.get('A')",
        "words = sys.argv[1:]",
        "signal.getsignal(signal.SIGINT)",
        "job.__dict__",
    ],
)
def test_what_is_promised_or_ours_is_left_alone(line: str) -> None:
    assert not list(findings(ast.parse(line)))
