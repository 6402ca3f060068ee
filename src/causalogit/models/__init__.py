"""Classifiers by name: ours for small images, and every model of timm."""

from causalogit.models.build import MODELS, build_model, known_normalisation, seeded
from causalogit.models.cifar_resnet import CifarResNet
from causalogit.models.cnn import SmallCNN
from causalogit.models.elsewhere import is_function, read_function
from causalogit.models.lenet import LeNet
from causalogit.models.mask_net import MaskNet
from causalogit.models.normalized import Normalized
from causalogit.models.weights import load_weights
from causalogit.models.wide_resnet import WideResNet

__all__ = [
    "MODELS",
    "CifarResNet",
    "LeNet",
    "MaskNet",
    "Normalized",
    "SmallCNN",
    "WideResNet",
    "build_model",
    "is_function",
    "known_normalisation",
    "load_weights",
    "read_function",
    "seeded",
]
