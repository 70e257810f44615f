"""``python -m medlab`` is the command ``medlab``."""

from medlab.cli import main

main()
