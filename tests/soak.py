"""Whether the faults are staged in full number, as `make soak` does, or in a share of it, as `make test` does."""

import os

SOAK = os.environ.get("KOBE_SOAK") == "1"
