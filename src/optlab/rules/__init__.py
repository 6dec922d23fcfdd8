"""What a study and a report must agree on, said once, and the words that both say it in.

Pure: functions of records and plans, on the standard library alone, without torch and Hydra. `sweep` and `analysis`
both stand on this room.
"""
