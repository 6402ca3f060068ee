"""Sources, biases, splits and the batch."""

from causalogit.data.batch import Batch, Split
from causalogit.data.build import Data, build_data
from causalogit.data.images import Images, InMemory
from causalogit.data.samples import Samples
from causalogit.data.streams import (
    ALONE,
    Part,
    Stream,
    endless_batches,
    epoch_batches,
    epoch_order,
    read_ahead,
    steps_in_epoch,
)

__all__ = [
    "ALONE",
    "Batch",
    "Data",
    "Images",
    "InMemory",
    "Part",
    "Samples",
    "Split",
    "Stream",
    "build_data",
    "endless_batches",
    "epoch_batches",
    "epoch_order",
    "read_ahead",
    "steps_in_epoch",
]
