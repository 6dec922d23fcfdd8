"""The network of a run that is over, from its checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from optlab import checkpoint, lightning_class, objects, trust
from optlab.api.objects import as_option, described
from optlab.config import overrides as typed
from optlab.config import places
from optlab.config.schema import Config
from optlab.engine import users
from optlab.errors import UserError


def network_of(path: Path, config: Mapping[str, Any], given: Any, *, trusted: bool) -> nn.Module:
    """The network of a checkpoint on the CPU, in eval mode; of a LightningModule of a user's own the module.

    Args:
        config: of the run, for messages.
        given: the class of it, where the program hands it over.
        trusted: whether the checkpoint may name any class.

    Raises:
        UserError: a class that is not here or not trusted, or a checkpoint that is damaged.
    """
    group = "module" if config.get("module") else "model"
    name, target = config[group].get("name"), str(config[group]["_target_"])
    also = set()
    if given is not None:
        as_option(group, given)
        also.add(described(group, given)[2].get("_target_", ""))
    if not objects.is_there(target):
        which = "is another one than this run's" if given is not None else "lies in no module"
        raise UserError(f"network(): {name} {which} ({target}); give its class as network(model=...)")
    with places.using(typed.places_of([])):
        saved = checkpoint.read(path)
        if not trusted:
            check_trusted(path, group, saved.config.get(group), also)
        network = module_of(saved) if saved.config.get("module") else saved.network()
    return network.eval()


def check_trusted(path: Path, group: str, options: Any, also: set[str]) -> None:
    """Raise UserError where the checkpoint names a class that no program or config file named."""
    target = str((options or {}).get("_target_", ""))
    if target.startswith(f"{objects.HERE}."):  # is there, so the program handed it over
        also = also | {target}
    try:
        trust.check_options(f"ckpt={path}", group, options, also=also)
    except UserError as error:
        how = f"{error}".partition("; if you trust")[0]
        raise UserError(f"{how}; give its class as network(model=...), or network(trust=True)") from error


def module_of(saved: checkpoint.Checkpoint) -> nn.Module:
    config = Config.parse(saved.config)
    assert config.module is not None
    module: nn.Module = users.make(config, saved.data, lightning_class.class_of(config.module))
    saved.check_state(module, {"name": config.module.label})
    module.load_state_dict(saved.state_dict)
    return module
