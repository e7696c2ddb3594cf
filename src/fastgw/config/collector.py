"""The collector of cycles, kept away from where many objects are made that stay."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

MANY = 100_000  # new objects; fewer are soon looked at


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Without the collector: it would look at all that is being made again and again, in vain.

    What was made in the meantime counts as old afterwards if it is much, or all of it would be looked at once
    more at the end.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            if gc.get_count()[0] > MANY and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()
