"""A country's key holder: its share of each of its pairs' keys, and a count of what was asked. No person stands here.

requests.py   whether a request may be answered at all, pure
book.py       what was asked and counted, kept before anything is answered
shares.py     its shares: drawn, introduced, destroyed
refreshes.py  new shares of the same keys, with the other holder of the pair
holder.py     one round: read, answer, refresh, tick, send
views.py      what its pages show
"""
