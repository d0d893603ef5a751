"""``python -m tideline``."""

from tideline.cli import main

main()
