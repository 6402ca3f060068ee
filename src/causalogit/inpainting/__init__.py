"""Training of the inpainter that takes objects out of their images, and how well fills do it."""

from causalogit.inpainting.config import InpaintingConfig
from causalogit.inpainting.measure import Reconstruction, reconstruction
from causalogit.inpainting.train import train_inpainter

__all__ = ["InpaintingConfig", "Reconstruction", "reconstruction", "train_inpainter"]
