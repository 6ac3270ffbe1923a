"""A country's key holder: its share of each of its pairs' keys, and a count of what was asked. No person stands here.

requests.py  whether a request may be answered at all, pure
book.py      what was asked and counted, kept before anything is answered
holder.py    one round: read, count, evaluate, prove, answer
views.py     what its pages show
"""
