"""The matcher: which records of two countries are alike, and which side may hear of it. No identifier stands here.

intake.py      what countries submit, grant and revoke: quotas, and what waits for the next day
telling.py     at each tick: who is told now, and of what is over
notices.py     what was told, in order, and the fixed size it travels in
statistics.py  counts for analysts, and who asked for them
cells.py       which counts may be seen, pure
matcher.py     one round of all of it
"""
