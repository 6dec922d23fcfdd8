"""Where Hydra looks for config; which folders these are stands in optlab.config.places."""
