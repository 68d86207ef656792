"""`python -m peerd` is `peerd`."""

from peerd.cli import main

main()
