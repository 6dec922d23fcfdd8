"""The command line: python train.py optimizer=adam. Everything else stands in src/optlab."""

import hydra
from omegaconf import DictConfig

from optlab import cli


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    return cli.task(cfg)


if __name__ == "__main__":
    cli.start(main)
