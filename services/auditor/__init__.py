"""The auditor: whoever wants to check the region's streams, with the charter and nothing else.

It holds no secret, writes nothing, and takes nobody's word: not the carrier's, not a party's. It cannot open a sealed
body, so it sees who wrote when, in which order and how much, and on `keys.*` what everybody is told.

reading.py        every record of every topic, up to the end as it is at the start
streams.py        records and charter to a report
chains.py         one stream: numbers, links, gaps, forks, pure
ticks.py          who was heard in which tick, pure
announcements.py  what `keys.*` said: sealing keys, shares with their proofs, totals
totals.py         totals against each other and against the quotas, pure
findings.py       what is amiss: a closed list of codes, a sentence each
report.py         what a report holds
tables.py         a report for people
command.py        `samaki audit streams`
"""
