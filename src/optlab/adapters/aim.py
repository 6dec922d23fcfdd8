"""What Aim does not promise: how a closed run gets into the index of its repository.

`tests/adapters/test_aim.py` says what breaks without it.
"""

from typing import Any

from aim.sdk.index_manager import RepoIndexManager


def put_into_index(repo: Any, run: str) -> None:
    """Let Aim's SDK read a run: it reads an index (3.29), which `aim up` alone keeps, and finds nothing before.

    Args:
        repo: the `aim.Repo`; a server keeps the index of its own.
        run: the hash of the run, which must be closed.

    Raises:
        Exception: of any kind, where another process holds the index.
    """
    if not repo.is_remote_repo:
        RepoIndexManager.get_index_manager(repo).index(run)
