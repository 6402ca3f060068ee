"""Photos in files: records of them, the checks before training, and reading them lazily."""

from causalogit.data.sources.files.photos import records_of
from causalogit.data.sources.files.record import Record, split_name
from causalogit.data.sources.files.samples import samples_from_records

__all__ = ["Record", "records_of", "samples_from_records", "split_name"]
