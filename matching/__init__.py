"""Who is the same: identifiers to tokens, tokens to candidates, candidates to who is told.

Clear identifiers enter `normalise` in the country that holds them and leave `tokens` as indices; `engine`, `index` and
`policy` run at the matcher, which sees neither a name nor a token.
"""
