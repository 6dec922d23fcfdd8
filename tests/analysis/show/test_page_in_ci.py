"""On a machine of CI the report's page is tested, or the tests fail: a missing browser does not pass in silence."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_in_ci_the_tests_of_the_page_fail_without_a_browser() -> None:
    options = ["-n", "0", "--noconftest", "-p", "no:cacheprovider"]
    typed = [sys.executable, "-m", "pytest", *options, "tests/analysis/show/test_page.py::test_it_prints"]
    environment = {**os.environ, "CI": "true", "PATH": "/nowhere"}
    done = subprocess.run(typed, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert "needs Debian's chromium" in done.stdout
