"""Sources, biases, splits and the batch."""

from causalogit.data.batch import Batch, Split
from causalogit.data.build import Data, build_data
from causalogit.data.images import Images, InMemory
from causalogit.data.samples import Samples
from causalogit.data.streams import endless_batches, epoch_batches, epoch_order

__all__ = [
    "Batch",
    "Data",
    "Images",
    "InMemory",
    "Samples",
    "Split",
    "build_data",
    "endless_batches",
    "epoch_batches",
    "epoch_order",
]
