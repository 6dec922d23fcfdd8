"""The launchers that Hydra must find here; what they do stands in optlab.sweep.launchers."""
