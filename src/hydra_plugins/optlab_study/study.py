"""`hydra/sweeper=study`. Light at import: Hydra imports every plugin at every start."""

from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from optlab.adapters.hydra import closing, launcher_of


class StudySweeper(Sweeper):
    """Tunes each optimizer on validation with an equal budget and confirms the winners on fresh seeds.

    Args:
        settings: conf/hydra/sweeper/study.yaml says what they are.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config: DictConfig = config
        self.hydra_context: HydraContext = hydra_context
        self.launcher: Launcher = launcher_of(hydra_context, config, task_function)

    def sweep(self, arguments: list[str]) -> None:
        from omegaconf import OmegaConf

        from optlab.sweep.study.conduct import sweep

        settings = OmegaConf.to_container(OmegaConf.create(self.settings), resolve=True)
        assert isinstance(settings, dict)
        named = {str(key): value for key, value in settings.items()}
        with closing(self.launcher):
            sweep(self.hydra_context.config_loader, self.config, self.launcher, arguments, named)
