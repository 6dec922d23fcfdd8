"""The plotly.js that a report carries: what it says it is, and of the version that the figures are checked against."""

import gzip
import hashlib
import re
from importlib.resources import files

VENDOR = files("optlab.analysis.show") / "page" / "vendor"


def test_the_vendored_plotly_is_the_file_that_its_readme_names() -> None:
    script = gzip.decompress((VENDOR / "plotly-basic.min.js.gz").read_bytes())
    readme = (VENDOR / "README.md").read_text()
    assert f"`{hashlib.sha256(script).hexdigest()}`" in readme
    [version] = re.findall(rb"plotly\.js \(basic - minified\) v([\d.]+)", script[:200])
    assert f"| version | {version.decode()} |" in readme
    assert "MIT License" in (VENDOR / "LICENSE").read_text()


def test_its_version_is_that_of_the_schema_that_figures_are_checked_against() -> None:
    whole = (files("plotly") / "package_data" / "plotly.min.js").read_text()[:200]
    [version] = re.findall(r"plotly\.js v([\d.]+)", whole)
    assert f"| version | {version} |" in (VENDOR / "README.md").read_text()
