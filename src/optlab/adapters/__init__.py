"""What other libraries do not promise: each private name of theirs, and each change to the process, with its reason.

One module a library; the rest of the code calls these functions. The tests beside them (tests/adapters) say in words
what broke when an upgrade takes one away.
"""
