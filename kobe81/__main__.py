"""`python -m kobe81` is `kobe`."""

from kobe81.app.cli import main

main()
