"""What breaks when an upgrade of Aim takes away what it never promised, in words."""

from pathlib import Path

import pytest

aim = pytest.importorskip("aim")


def test_a_closed_run_is_put_into_the_index_else_aim_s_sdk_reads_nothing_of_it(tmp_path: Path) -> None:
    from optlab.adapters.aim import put_into_index

    run = aim.Run(repo=str(tmp_path), system_tracking_interval=None, log_system_params=False)
    run["status"] = "finished"
    repo, name = run.repo, run.hash
    run.close()
    put_into_index(repo, name)
    (found,) = aim.Repo(str(tmp_path)).iter_runs()
    assert (found["status"], found.active) == ("finished", False)
