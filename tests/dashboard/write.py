"""Write the golden workspace anew, after a change that is meant: python -m tests.dashboard.write"""

import json
import re
import tempfile
from pathlib import Path

from optlab.dashboard.mirrored import read
from optlab.dashboard.workspace import as_json, build, in_words
from tests.dashboard.sweeps import study

GOLDEN = Path(__file__).with_name("workspace.json")


def workspace_of(sweep: Path) -> str:
    """The workspace as `--dry-run` prints it, without its random ids and without the verdict's own words."""
    mirrored = read(sweep)
    text = as_json(build(mirrored, "team", "optlab"))
    for contest, verdict in zip(mirrored.summary.contests, mirrored.summary.verdicts, strict=True):
        words = json.dumps(in_words(contest, verdict, several=False), ensure_ascii=False)
        assert words in text
        text = text.replace(words, '"THE VERDICT IN WORDS"')
    return without_ids(text)


def without_ids(text: str) -> str:
    """Ids of panels and of the set of runs are drawn anew each time; each is replaced by its place."""
    ids = dict.fromkeys(re.findall(r'"(?:__id__|id)": "(\w+)"', text))
    for place, each in enumerate(ids):
        text = text.replace(each, f"ID{place}")
    return text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text(workspace_of(study(Path(folder) / "which")), encoding="utf-8")
    print(f"wrote {GOLDEN}; look at the difference before you keep it")
