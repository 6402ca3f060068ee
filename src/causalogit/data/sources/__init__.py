"""Where images come from; one file a source."""

from causalogit.data.sources.registry import OTHERS, SOURCES, Source, find_source

__all__ = ["OTHERS", "SOURCES", "Source", "find_source"]
