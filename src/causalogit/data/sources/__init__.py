"""Where images come from; one file a source."""

from collections.abc import Callable

from causalogit.data.sources.digits import digits
from causalogit.data.sources.samples import Samples

SOURCES: dict[str, Callable[[], Samples]] = {"digits": digits}

__all__ = ["SOURCES", "Samples", "digits"]
