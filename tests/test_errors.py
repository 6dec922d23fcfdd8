"""What a record calls an exception."""

from optlab.errors import Interrupted, UserError, name_of
from optlab.record import OtherSchema


def test_whatever_refused_a_run_its_record_says_so_in_one_word() -> None:
    assert name_of(UserError("no")) == name_of(OtherSchema("no")) == "UserError"
    assert name_of(ValueError("oh")) == "ValueError"
    assert name_of(Interrupted(2)) == "Interrupted"
