"""What other libraries do not promise is used in optlab/adapters alone, where a test says what breaks without it.

Read from the source: private names of others, modules of theirs that are not for users, changes to the whole process.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commandline import ROOT

KERNELS = "src/pooled_convolutions/"  # it stands alone: it has an adapter of its own, and a command
ADAPTERS = ("src/optlab/adapters/", f"{KERNELS}adapter.py", f"{KERNELS}__main__.py")
OURS = ("optlab", "hydra_plugins", "pooled_convolutions", "benchmark", "tests", "scripts")
NOT_FOR_USERS = ("hydra.core", "joblib.externals", "ray._private", "submitit.core")
FOR_USERS = ("hydra.core.hydra_config", "hydra.core.config_store")  # Hydra's documentation names it
PROMISED = {"_replace", "_asdict", "_fields", "_exit"}  # by the standard library

# Calls and assignments that change this process for everybody in it.
CALLS = {
    "os": {"chdir", "putenv", "unsetenv", "setpgrp", "setsid", "umask", "nice", "sched_setaffinity"},
    "signal": {"signal", "set_wakeup_fd", "pthread_sigmask"},
    "gc": {"collect", "disable", "enable", "freeze", "unfreeze", "set_threshold"},
    "atexit": {"register"},
    "warnings": {"filterwarnings", "simplefilter"},
    "torch": {
        *("set_num_threads", "set_num_interop_threads", "set_float32_matmul_precision", "set_default_dtype"),
        *("set_default_device", "use_deterministic_algorithms", "manual_seed", "seed", "set_rng_state"),
    },
    "torch.random": {"manual_seed", "seed", "set_rng_state", "fork_rng"},
    "torch.default_generator": {"manual_seed", "seed", "set_state"},
    "torch.cuda": {"manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state", "set_rng_state_all"},
    "random": {"seed", "setstate"},
    "numpy.random": {"seed", "set_state"},
    "logging": {"disable", "basicConfig", "captureWarnings"},
    "omegaconf.OmegaConf": {"register_new_resolver", "clear_resolver", "clear_resolvers"},
}
OF_LOGGERS = {"setLevel", "addHandler", "removeHandler", "addFilter"}  # called on what the process has one of
STATE = {
    *("os.environ", "sys.argv", "sys.path", "sys.modules", "sys.excepthook", "sys.stdout", "sys.stderr", "sys.stdin"),
    *("matplotlib.rcParams", "matplotlib.pyplot.rcParams"),
}
CHANGING = {"update", "setdefault", "pop", "append", "insert", "extend", "clear", "remove"}
# What Lightning counts with and holds, under names without an underscore that it promises nobody.
COUNTERS = {"fit_loop", "epoch_loop", "precision_plugin", "callback_metrics"}


def sources() -> list[Path]:
    files = [ROOT / "train.py", *(ROOT / "src").rglob("*.py")]
    return [path for path in files if not str(path.relative_to(ROOT)).startswith(ADAPTERS)]


def findings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each use in a file."""
    own, imported = own_names(tree), imports(tree)
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
        elif isinstance(node, ast.Attribute) and is_counter(node, imported):
            yield node.lineno, ast.unparse(node)
        if isinstance(node, (ast.stmt, ast.expr)) and is_change(node, imported):
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


def is_counter(node: ast.Attribute, imported: dict[str, str]) -> bool:
    ours = is_self(node.value) or (isinstance(node.value, ast.Name) and node.value.id in imported)
    return node.attr in COUNTERS or (node.attr.endswith("_progress") and not ours)


def imports(tree: ast.Module) -> dict[str, str]:
    """What each imported name of a file stands for: `environ` for `os.environ`, `mpl` for `matplotlib`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.asname: each.name for each in node.names if each.asname}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return names


def full_name(node: ast.expr, imported: dict[str, str]) -> str:
    """A dotted name with what was imported written out."""
    first, dot, rest = ast.unparse(node).partition(".")
    return imported.get(first, first) + dot + rest


def is_change(node: ast.AST, imported: dict[str, str]) -> bool:
    """Whether this changes what the whole process shares."""
    if isinstance(node, ast.Call):
        owner, _, name = full_name(node.func, imported).rpartition(".")
        if name in CALLS.get(owner, ()) or (name in OF_LOGGERS and isinstance(node.func, ast.Attribute)):
            return True
        return isinstance(node.func, ast.Attribute) and name in CHANGING and is_state(node.func.value, imported)
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    elif isinstance(node, ast.Delete):
        targets = node.targets
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return any(is_state(part.value if isinstance(part, ast.Subscript) else part, imported) for part in parts)


def is_state(node: ast.expr, imported: dict[str, str]) -> bool:
    name = full_name(node, imported)
    return name in STATE or name.startswith("torch.backends.")


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "src/optlab/adapters").glob("[!_]*.py")))
def test_every_function_of_an_adapter_has_a_test(name: str) -> None:
    tree = ast.parse((ROOT / f"src/optlab/adapters/{name}.py").read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not is_private(node.name)}
    test = ast.parse((ROOT / f"tests/adapters/test_{name}.py").read_text(encoding="utf-8"))
    used = {getattr(node, "id", None) or getattr(node, "attr", None) for node in ast.walk(test)}
    programs = " ".join(
        node.value for node in ast.walk(test) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    assert functions
    assert not {each for each in functions - used if f"{each}(" not in programs}


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
        "torch.set_float32_matmul_precision('high')",
        "torch.set_num_interop_threads(1)",
        "torch.set_rng_state(state)",
        "torch.cuda.set_rng_state(state, device)",
        "torch.manual_seed(1)",
        "torch.default_generator.manual_seed(1)",
        "with torch.random.fork_rng(devices=[]):\n    pass",
        "import numpy as np\nnp.random.seed(1)",
        "from gc import disable\ndisable()",
        "from gc import disable as rest\nrest()",
        "from os import environ\nenviron['A'] = '1'",
        "from os import environ\nenviron.update(A='1')",
        "os.sched_setaffinity(0, {1})",
        "sys.excepthook = tell",
        "sys.stdout = file",
        "sys.stdout, before = file, sys.stdout",
        "import matplotlib as mpl\nmpl.rcParams['font.size'] = 8",
        "from matplotlib import rcParams\nrcParams.update({'font.size': 8})",
        "import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 8",
        "logging.getLogger('optlab').setLevel(logging.WARNING)",
        "handler.setLevel(logging.WARNING)",
        "from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('a', f)",
        "trainer.fit_loop.setup_data()",
        "loop.epoch_loop",
        "loop.batch_progress.increment_by(1)",
        "trainer.fit_loop.epoch_progress",
        "trainer.precision_plugin",
        "trainer.callback_metrics.update(a)",
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
        "sys.stdout.write('a')",
        "environ = {}\nenviron['A'] = '1'",
        "generator.manual_seed(1)",
        "torch.get_rng_state()",
        "def disable(): ...\ndisable()",
        "from optlab import resume\nresume.check_progress()",
    ],
)
def test_what_is_promised_or_ours_is_left_alone(line: str) -> None:
    assert not list(findings(ast.parse(line)))
