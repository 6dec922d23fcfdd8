"""What a record calls an exception."""

import traceback

from optlab.config.mistakes import explain
from optlab.errors import Interrupted, UserError, name_of, own_line
from optlab.record import OtherSchema


def test_whatever_refused_a_run_its_record_says_so_in_one_word() -> None:
    assert name_of(UserError("no")) == name_of(OtherSchema("no")) == "UserError"
    assert name_of(ValueError("oh")) == "ValueError"
    assert name_of(Interrupted(2)) == "Interrupted"


def raised_by(code: str, file: str) -> Exception:
    try:
        exec(compile(code, file, "exec"), {"traceback": traceback})
    except Exception as error:
        return error
    raise AssertionError(code)


def test_an_error_says_where_in_the_users_own_code_it_came_about() -> None:
    assert own_line(raised_by("\n1 / 0", "/home/me/mynet.py")) == "mynet.py, line 2"
    library = "/usr/lib/python3/dist-packages/torch/nn.py"
    assert own_line(raised_by("1 / 0", library)) != "nn.py, line 1"
    # A file that a network of one's own misses is no run folder that cannot be written.
    missing = raised_by("open('/nowhere/labels.txt')", "/home/me/mynet.py")
    assert explain(missing, []).endswith("'/nowhere/labels.txt' (mynet.py, line 1)")
    assert "hydra.run.dir" not in explain(missing, [])
