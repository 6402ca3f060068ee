"""Where images come from; one file a source."""

from causalogit.data.sources.registry import SOURCES, Source, find_source

__all__ = ["SOURCES", "Source", "find_source"]
