"""A class that is named and cannot be found: one line that says where it was looked for and what is wrong there."""

from pathlib import Path

import pytest

from optlab.config.signature import locate
from optlab.errors import UserError

FILES = {
    "own_net.py": "class Net:\n    class Block:\n        pass\n",
    "own_broken.py": "x = 1\ndef f(:\n",
    "own_raises.py": "import math\n\nvalue = 1 / 0\n",
    "own_needs.py": "import nothing_of_that_name\n",
}


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in FILES.items():
        Path(name).write_text(text)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("own_net.Nte", "own_net (own_net.py) has no 'Nte'; did you mean own_net.Net?"),
        ("own_nte.Net", "cannot be imported (No module named 'own_nte' in"),
        ("own_nte.Net", "nor installed; did you mean own_net?)"),
        ("own_net.Net.Blok", "own_net.Net has no 'Blok'; did you mean own_net.Net.Block?"),
        ("own_broken.Net", "SyntaxError: invalid syntax, in own_broken.py:2"),
        ("own_raises.Net", "ZeroDivisionError: division by zero, in own_raises.py:3"),
        ("own_needs.Net", "No module named 'nothing_of_that_name', in own_needs.py:1"),
        ("Net", "type package.module.Class"),
        ("own_net..Net", "type package.module.Class"),
        ("torch.optm.Adam", "has no 'optm'; did you mean torch.optim.Adam?"),
    ],
)
def test_a_class_that_is_not_found_costs_one_line(path: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        locate("model", path)
    assert str(raised.value).startswith(f"model._target_={path}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_there_is_found_however_deep() -> None:
    assert locate("model", "own_net.Net.Block").__name__ == "Block"
    assert locate("loss", "os.path.join").__name__ == "join"
