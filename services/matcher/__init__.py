"""The matcher: which records of two countries are alike, and which side may hear of it. No identifier stands here.

intake.py      what countries submit, grant and revoke, and what waits for the next day
heard.py       what each handle's country said of it last: what is new, and what is said again
account.py     how much each country has handed in: today, and in all
telling.py     at each tick: who is told now
notices.py     what was told, in order, and the fixed size it travels in
statistics.py  counts for analysts, and who asked for them
cells.py       which counts may be seen, pure
matcher.py     one round of all of it
"""
