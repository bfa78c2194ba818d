"""Batches of samples: datasets, splits, and a loader with threads, under the names of `torch.utils.data`.

Reading files and changing samples is left to the tools that users have.
"""

from .collate import default_collate, default_convert
from .dataset import Dataset, Subset, TensorDataset, random_split
from .loader import DataLoader

__all__ = [
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "default_collate",
    "default_convert",
    "random_split",
]
