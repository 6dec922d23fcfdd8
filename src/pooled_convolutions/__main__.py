"""How much faster the kernels are on this machine: `python -m pooled_convolutions`.

Training steps (forward and backward, float32 and bfloat16 by autocast) of layers and of a small network take turns
with and without the kernels, so that what disturbs the machine disturbs both. Shown are the medians, and the median,
smallest and largest ratio of two turns that follow each other.
"""

import argparse
import statistics
import time
from copy import deepcopy

import torch
from torch import Tensor, nn

from pooled_convolutions import accelerate


def block(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, outputs, 5, padding=2), nn.MaxPool2d(2), nn.ReLU())


NETWORKS: dict[str, tuple[nn.Module, tuple[int, int, int]]] = {
    "max-pooling and ReLU, 32 channels": (nn.Sequential(nn.MaxPool2d(2), nn.ReLU()), (32, 32, 32)),
    "5x5 from 3 to 32 channels, 2x2 pooling, ReLU": (block(3, 32), (3, 32, 32)),
    "5x5 from 32 to 32 channels, 2x2 pooling, ReLU": (block(32, 32), (32, 16, 16)),
    "network of three such blocks": (
        nn.Sequential(*block(3, 32), *block(32, 32), *block(32, 64), nn.Flatten(), nn.Linear(1024, 10)),
        (3, 32, 32),
    ),
}


def milliseconds(network: nn.Module, images: Tensor, half: bool, steps: int) -> float:
    """Of a training step, over some that follow each other; in one thread, of the processor's time."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output = network(images)
        output.float().sum().backward()
    return 1000 * (clock() - began) / steps


def compare(name: str, batch: int, half: bool, turns: int, steps: int) -> str:
    """A line: what is timed, in which type, milliseconds of PyTorch's and of the kernels, the second over the first."""
    network, shape = NETWORKS[name]
    theirs = deepcopy(network).to(memory_format=torch.channels_last)
    ours = deepcopy(theirs)
    report = accelerate(ours, torch.bfloat16 if half else torch.float32)
    if not report.layers:
        return f"{name}: {report}"
    images = torch.rand(batch, *shape).to(memory_format=torch.channels_last)
    if shape[0] > 3:  # as in the middle of a network
        images = (images.bfloat16() if half else images).requires_grad_()
    pairs = [[milliseconds(one, images, half, steps) for one in (theirs, ours)] for _ in range(turns + 1)][1:]
    ratios = sorted(mine / other for other, mine in pairs)
    other, mine = (statistics.median(each) for each in zip(*pairs, strict=True))
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
    return f"{name:46}  {'bfloat16' if half else 'float32':8}  {other:8.2f}  {mine:8.2f}  {spread}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pooled_convolutions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=128, help="images in a step")
    parser.add_argument("--turns", type=int, default=15, help="of each, besides one to warm up")
    parser.add_argument("--steps", type=int, default=5, help="in a turn")
    parser.add_argument(
        "--threads",
        type=int,
        default=torch.get_num_threads(),
        help="with 1, processor time is shown, which other programs disturb less",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{'a training step of':46}  {'in':8}  {'ms':>8}  {'kernels':>8}  ratio", flush=True)
    for name in NETWORKS:
        for half in (False, True):
            print(compare(name, options.batch, half, options.turns, options.steps), flush=True)


if __name__ == "__main__":
    main()
