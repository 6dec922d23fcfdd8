"""Check an optimizer of your own: whether it learns, repeats, continues from a checkpoint, and what else runs rely on.

optlab conformance mine.MyOptimizer               a class of mine.py in this folder, with its defaults
optlab conformance mine.MyOptimizer lr=0.1        with other arguments
optlab conformance Lion Adan                      classes of pytorch_optimizer, a line each
optlab conformance                                all of them: which may be used, and why the others may not
"""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optlab.errors import UserError
from optlab.rules.arguments import Parser
from optlab.rules.commands import program, tool


def parser() -> Parser:
    parser = Parser(tool("conformance"), __doc__)
    parser.add_argument("words", nargs="*", metavar="CLASS", help="package.Class, with its arguments as key=value")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    words = parser().parse_args(arguments).words
    from optlab.adapters.torch import on_threads

    try:
        with on_threads(1):  # on a few hundred weights more of them only wait
            return carry_out(words)
    except UserError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return 1


def carry_out(words: Sequence[str]) -> int:
    """Check what the words name; returns the process' exit code."""
    values = values_of([word for word in words if "=" in word])
    paths = [word for word in words if "=" not in word]
    own = [path for path in paths if "." in path]
    if values and not own:
        raise UserError(f"{'='.join(map(str, next(iter(values.items()))))}: of which class? type package.Class too")
    listed = [name for name in paths if "." not in name]
    passed = [examined(path, values) for path in own]
    if listed or not paths:
        passed.append(judged(listed))
    return 0 if all(passed) else 1


def values_of(words: Sequence[str]) -> dict[str, Any]:
    """Arguments as they are typed: numbers, true, false, null and lists by YAML."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        found = OmegaConf.to_container(OmegaConf.from_dotlist([word.removeprefix("optimizer.") for word in words]))
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise UserError(f"{' '.join(words)}: not key=value; type lr=0.1 'betas=[0.9,0.99]'") from error
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def class_at(path: str) -> Any:
    """The class at a dotted path, also of a module in this folder.

    Raises:
        UserError: there is none, or it is no optimizer.
    """
    import torch

    from optlab.adapters.process import import_from
    from optlab.config import places
    from optlab.config.signature import locate

    import_from(places.current().import_paths)
    cls = locate("optimizer", path)
    if not (inspect.isclass(cls) and issubclass(cls, torch.optim.Optimizer)):
        raise UserError(f"{path}: not a subclass of torch.optim.Optimizer, which optimizers derive from")
    return cls


def examined(path: str, values: Mapping[str, Any]) -> bool:
    """Print what each check says of a class; returns whether it passes all."""
    from optlab import conformance, optimizers

    cls = class_at(path)
    if unknown := [key for key in values if key not in optimizers.arguments_of(cls)]:
        known = ", ".join(optimizers.arguments_of(cls))
        raise UserError(f"{unknown[0]}: {cls.__name__} takes no such argument; it takes {known}")
    if missing := [name for name in optimizers.required_by(cls) if name not in values]:
        raise UserError(f"{path}: {cls.__name__} needs {', '.join(missing)}; type {missing[0]}=VALUE behind it")
    count = failures = 0
    for check, reason in conformance.examine(cls, values):
        count += 1
        if reason is None:
            print(f"passed  {check.title}", flush=True)
        else:
            failures += 1
            print(f"FAILED  {check.title}: {reason}\n        {check.advice}", flush=True)
    for note in conformance.notes(cls):
        print(f"note    {note}")
    if failures:
        print(f"{path}: {failures} of {count} checks failed")
        return False
    typed = "".join(f" optimizer.{key}={value}" for key, value in values.items())
    print(f"{path}: all {count} checks passed; {program()} optimizer._target_={path}{typed} trains with it")
    return True


def judged(names: Sequence[str]) -> bool:
    """Print a line about each of these classes of pytorch_optimizer, or about all of them.

    Returns:
        Whether all that were named pass; what the package holds besides is no failure of anyone's.
    """
    from optlab.conformance import verdict

    known = {cls.__name__: cls for cls in classes()}
    passed = True
    for name in names or known:
        reason = verdict(known[name]) if name in known else "no such class of pytorch_optimizer; type package.Class"
        passed = passed and reason is None
        print(f"{name:24}{reason or 'passes'}", flush=True)
    return passed or not names


def classes() -> Iterator[Any]:
    """The optimizers of pytorch_optimizer.

    Raises:
        UserError: it is not installed.
    """
    import torch

    from optlab.rules.commands import install

    try:
        import pytorch_optimizer
    except ImportError as error:
        raise UserError(f"pytorch_optimizer is not installed: {install('optimizers')}") from error
    for _, cls in sorted(vars(pytorch_optimizer).items()):
        if not (inspect.isclass(cls) and issubclass(cls, torch.optim.Optimizer)):
            continue
        if cls.__module__.startswith("pytorch_optimizer"):
            yield cls
