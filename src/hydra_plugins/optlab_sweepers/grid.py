"""`hydra/sweeper=grid`, the default of a multirun. Light at import: Hydra imports every plugin at every start."""

from collections.abc import Mapping

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from optlab.adapters.hydra import closing, launcher_of


class GridSweeper(Sweeper):
    """Hydra's own expansion of commas and ranges; optlab.sweep runs what comes of it.

    Args:
        params: sweeps that stand in a config instead of on the command line, as in `{optimizer.lr: "0.1,0.01"}`.
    """

    def __init__(self, params: Mapping[str, str] | None = None) -> None:
        self.params = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config: DictConfig = config
        self.hydra_context: HydraContext = hydra_context
        self.launcher: Launcher = launcher_of(hydra_context, config, task_function)

    def sweep(self, arguments: list[str]) -> None:
        from optlab.sweep.grid import sweep

        presets = [f"{key}={values}" for key, values in self.params.items()]
        with closing(self.launcher):
            sweep(self.hydra_context.config_loader, self.config, self.launcher, [*presets, *arguments])
