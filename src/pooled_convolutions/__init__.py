"""Convolutions with the max-pooling and the ReLU behind them as one operation, for PyTorch on CPUs (README.md)."""

from pooled_convolutions.network import Report, accelerate

__all__ = ["Report", "accelerate"]
