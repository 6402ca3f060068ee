"""Sources, biases, splits and the batch."""

from causalogit.data.batch import Batch, Split
from causalogit.data.build import Data, build_data
from causalogit.data.streams import endless_batches, epoch_order

__all__ = ["Batch", "Data", "Split", "build_data", "endless_batches", "epoch_order"]
