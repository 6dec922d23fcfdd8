"""`hydra/sweeper=grid`, the default of a multirun. Light at import: Hydra imports every plugin at every start."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser


class GridSweeper(BasicSweeper):
    """Hydra's own expansion of commas and ranges; optlab.sweep runs what comes of it.

    Args:
        params: sweeps that stand in a config instead of on the command line, as in `{optimizer.lr: "0.1,0.01"}`.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def sweep(self, arguments: list[str]) -> None:
        from optlab.sweep.grid import sweep

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        loader = self.hydra_context.config_loader
        words = OverridesParser.create(config_loader=loader).parse_overrides([*self._parse_config(), *arguments])
        [combinations] = self.split_arguments(words, max_batch_size=None)
        sweep(loader, self.config, self.launcher, combinations)
