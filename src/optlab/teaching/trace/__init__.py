"""The step, taken apart: `mode=trace` watches the first steps of a run and shows what each line of it computes.

`command` is the mode; `watch` the callback that copies what it sees; `measure` and `follow` make numbers of it;
`record` is the form of trace.json, and `terminal` one of its views.
"""
