"""What a captured step took from Python and holds on to: noticed where it is another, so that it is captured again."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from optlab.adapters.torch import hooks_on
from optlab.engine.buffers import BufferedStep

PLAIN = frozenset((bool, int, float, str, type(None)))
MAYBE_EMPTY = frozenset((dict, OrderedDict, list, tuple, set))  # as most of what a layer holds is
LONG = 1000  # entries of a list that are looked at one by one; a longer one is only asked whether it is the same
DEEP = 3  # lists within lists


class Frozen:
    """The attributes, parts and hooks of network and loss, and what the optimizer holds beside lr, as they are now.

    Of an object that is no number, text, list or dict it only knows whether it is the same, and of a tensor whether
    it lies in the same memory: what lies there is no constant of a captured step.
    """

    def __init__(self, step: BufferedStep) -> None:
        self.step = step
        self._kept: list[Any] = []  # so that no other object gets the id of one that is gone
        self._facts = list(self.facts())

    def changed(self) -> str | None:
        """The name of something that is another now; None where all is as it was. It takes 1 ms for a `resnet18`."""
        kept, self._kept = self._kept, []
        facts = list(self.facts())
        self._kept = kept
        if facts == self._facts:
            return None
        before, now = dict(self._facts), dict(facts)
        for whose in before | now:
            old, new = before.get(whose, {}), now.get(whose, {})
            for which in old | new:
                if which not in old or which not in new or old[which] != new[which]:
                    return f"{whose}.{which}"
        return "the order of the layers"

    def facts(self) -> Iterator[tuple[str, dict[Any, Any]]]:
        """Whose, and by name what can be compared."""
        module, optimizer = self.step.module, self.step.optimizer
        yield "module", {"network": id(module.network), "loss": id(module.loss)}
        for root in (module.network, module.loss):
            if isinstance(root, nn.Module):
                for name, layer in root.named_modules(prefix="network" if root is module.network else "loss"):
                    yield name, self.held_by(vars(layer))
        own = {key: value for key, value in vars(optimizer).items() if key not in ("state", "param_groups")}
        yield "optimizer", self.held_by(own)
        for i, group in enumerate(optimizer.param_groups):
            facts = self.held_by({key: value for key, value in group.items() if key not in ("lr", "params")})
            yield f"optimizer.param_groups[{i}]", facts | {"params": list(map(id, group["params"]))}
        for i, state in enumerate(optimizer.state.values()):
            if isinstance(state, dict):
                yield f"optimizer.state[{i}]", self.held_by(state)

    def held_by(self, values: Mapping[Any, Any], depth: int = 0) -> dict[Any, Any]:
        return {
            name: value if type(value) in PLAIN else self.held(value, depth)
            for name, value in values.items()
            if type(value) not in MAYBE_EMPTY or value
        }

    def held(self, value: Any, depth: int = 0) -> Any:
        """Something that equals what it was where a captured step would do the same."""
        if isinstance(value, Tensor):
            self._kept.append(value)
            return id(value), value.data_ptr(), value.requires_grad, [id(hook) for hook in hooks_on(value)]
        if isinstance(value, (list, tuple, dict)) and len(value) <= LONG and depth < DEEP:
            if isinstance(value, dict):
                return self.held_by(value, depth + 1)
            return [each if type(each) in PLAIN else self.held(each, depth + 1) for each in value]
        self._kept.append(value)
        return id(value)
