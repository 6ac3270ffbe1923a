"""`python -m services`: the same as `samaki`."""

from services.cli import main

main()
