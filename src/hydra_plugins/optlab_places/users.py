"""The user's config folders, for Hydra to look into. Light at import: Hydra imports every plugin at every start."""

from hydra.plugins.search_path_plugin import SearchPathPlugin

from optlab.adapters.hydra import ConfigSearchPath
from optlab.config import places


class UsersFolders(SearchPathPlugin):
    """Adds the folders that are in force, behind optlab's own; none to another program that uses Hydra."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        found = places.chosen()
        for folder in found.users if found is not None else ():
            search_path.append(provider="optlab", path=f"file://{folder}")
