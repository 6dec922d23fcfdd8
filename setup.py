"""What pyproject.toml cannot say: conf/, which stands at the top level of a checkout, is packed as optlab/conf."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CONF = Path("conf")


class WithConf(build_py):
    """Leaves an editable install alone: there conf/ is read where it stands."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.rmtree(self.packed(CONF), ignore_errors=True)  # an earlier build's files that are no more
            for file in self.files():
                self.mkpath(str(self.packed(file).parent))
                self.copy_file(str(file), str(self.packed(file)))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        ours = [] if self.editable_mode else [str(self.packed(file)) for file in self.files()]
        return [*super().get_outputs(include_bytecode), *ours]

    def files(self) -> list[Path]:
        return sorted(CONF.rglob("*.yaml"))

    def packed(self, path: Path) -> Path:
        return Path(self.build_lib, "optlab", path)


setup(cmdclass={"build_py": WithConf})
