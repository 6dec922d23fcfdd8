"""Why a run ended, in one word: `ended.reason` in run.json."""

from typing import Literal

End = Literal["max_epochs", "max_steps", "early_stopping", "max_time", "callback", "until"]

# Before the planned number of epochs or steps, so that the runs of a comparison may have had unequal budgets.
EARLY = ("early_stopping", "max_time", "callback", "until")
