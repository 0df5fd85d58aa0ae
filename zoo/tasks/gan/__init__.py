"""A generator against a discriminator: restoration and generation."""

from zoo.tasks.gan.adversarial import Adversarial, AdversarialOptions, GeneratorOutput
from zoo.tasks.gan.colourisation import Colourisation
from zoo.tasks.gan.degradations import Degradation, Downscale, Grey, Mask
from zoo.tasks.gan.generation import Generation
from zoo.tasks.gan.restoration import Restoration

__all__ = [
    "Adversarial",
    "AdversarialOptions",
    "Colourisation",
    "Degradation",
    "Downscale",
    "Generation",
    "GeneratorOutput",
    "Grey",
    "Mask",
    "Restoration",
]
