"""What the figures of one setting are made from."""

from dataclasses import dataclass

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.read.published import Published
from optlab.analysis.show.colors import Palette


@dataclass(frozen=True, eq=False)
class Subject:
    """One setting: what is compared, what is said of it, published curves behind it, and the report's colours."""

    contest: Contest
    verdict: Verdict
    published: Published | None
    palette: Palette
