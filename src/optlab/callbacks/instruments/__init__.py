"""Instruments: what a training step does to each layer, measured at single steps of a run that stays what it is.

`layers` says what a layer is, `measures` has the formulas, `again` computes on the step's batch once more without a
trace, `steps` says which steps are measured, `writing` keeps what was found, and `callback` puts it together.
"""

from optlab.callbacks.instruments.callback import Instruments

__all__ = ["Instruments"]
