"""One frozen, typed config: the config file, the command line's flags and a run's record alike."""

from causalogit.config.clp import ClpConfig, InpainterConfig, NetworkConfig
from causalogit.config.controls import ControlsConfig
from causalogit.config.data import (
    AttributeConfig,
    DataConfig,
    LongTailConfig,
    MetaConfig,
    NoiseConfig,
)
from causalogit.config.names import ExpertName, FillName, FormName, LookName, PlainFillName
from causalogit.config.optimizer import OptimizerConfig
from causalogit.config.run import RunConfig, config_from_dict, config_to_dict

__all__ = [
    "AttributeConfig",
    "ClpConfig",
    "ControlsConfig",
    "DataConfig",
    "ExpertName",
    "FillName",
    "FormName",
    "InpainterConfig",
    "LongTailConfig",
    "LookName",
    "MetaConfig",
    "NetworkConfig",
    "NoiseConfig",
    "OptimizerConfig",
    "PlainFillName",
    "RunConfig",
    "config_from_dict",
    "config_to_dict",
]
