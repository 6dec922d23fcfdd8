"""Paths of the configured optimizers over functions of two weights: `python scripts/surfaces.py`.

`functions` has the surfaces, `walk` takes an optimizer over one, `search` tunes its lr, `record` is what is kept of it;
`pictures`, `animation` and `page` show it.
"""
