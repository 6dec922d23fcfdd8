"""Data sets: reading them, splitting them, and turning stored samples into network inputs on the device."""

from optlab.data.arrays import Arrays, DataInfo, Source, Splits
from optlab.data.augment import AUGMENTATIONS, Augmentation, augmentation
from optlab.data.files import find_images
from optlab.data.images import read_images
from optlab.data.sources.downloads import cifar10, cifar100, fashion_mnist, mnist
from optlab.data.sources.embedded import digits, fake, line
from optlab.data.sources.folder import image_folder
from optlab.data.sources.hub import huggingface
from optlab.data.sources.saved import saved_arrays
from optlab.data.sources.table import table

__all__ = [
    "AUGMENTATIONS",
    "Arrays",
    "Augmentation",
    "DataInfo",
    "Source",
    "Splits",
    "augmentation",
    "cifar10",
    "cifar100",
    "digits",
    "fake",
    "fashion_mnist",
    "find_images",
    "huggingface",
    "image_folder",
    "line",
    "mnist",
    "read_images",
    "saved_arrays",
    "table",
]
