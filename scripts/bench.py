"""How fast optlab trains, beside the loops that it replaces, measured in turn on this machine.

    python scripts/bench.py              everything, about 20 minutes on two cores; let the machine do nothing else
    python scripts/bench.py --quick      fewer cases, fewer and shorter turns, in about four minutes
    python scripts/bench.py --only cnn-128 --only start

Each case starts optlab's own command (`python train.py`, with metrics, progress bar, CSV and checkpoints on), the same
with `cpu_kernels=true` (`trainer.compile=true` where there is a GPU), and its rivals (scripts/benchmark/rivals.py) as
processes, and lets them train in turn: 20 short epochs, 3 or a long one each; on a GPU 5 of 50,000 images. Ratios are
of one round, so that what disturbs the machine disturbs both; shown are the median, the smallest and the largest.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from benchmark import start
from benchmark.turns import PROJECT, Contestant, Failed, compete, ratio
from rich.console import Console
from rich.table import Table

RIVALS = ("notes", "textbook", "bare", "bare_channels_last")
GPU_RIVALS = ("captured", "airbench")
# A GPU trains on the small sets above in milliseconds, in which everything but training shows.
GPU_SAMPLES, GPU_EPOCHS = 50_000, 5
TOO_SLOW = ("notes", "textbook")  # loops bound by Python, which would take minutes for so many images


@dataclass(frozen=True)
class Case:
    """A network on images of one size, with one batch size, precision and optimizer."""

    name: str
    network: str = "cnn"
    batch: int = 128
    bf16: bool = False
    optimizer: str = "sgd"
    size: int = 32
    channels: int = 3
    samples: int = 4096
    epochs: int = 1  # in a turn: one alone should take a good part of a second, or waking up is all that it shows
    rivals: tuple[str, ...] = RIVALS

    def on_gpu(self) -> "Case":
        """The case as a GPU trains it: as many images as CIFAR-10 has, and no rival that takes a minute for them."""
        rivals = tuple(loop for loop in self.rivals if loop not in TOO_SLOW)
        return replace(self, samples=GPU_SAMPLES, epochs=GPU_EPOCHS, rivals=rivals + GPU_RIVALS)

    def optlab(self, *more: str) -> list[str]:
        """The words behind `python` that train this case with optlab, and with these overrides."""
        return [
            str(PROJECT / "train.py"),
            *start.gate("epochs"),
            f"model={self.network}",
            f"optimizer={self.optimizer}",
            "optimizer.lr=0.001",
            "dataset=fake",
            f"dataset.samples={self.samples}",
            "dataset.test_samples=10",
            f"dataset.image_size={self.size}",
            f"dataset.channels={self.channels}",
            "dataset.val_size=0",
            f"batch_size={self.batch}",
            f"trainer.precision={'bf16-mixed' if self.bf16 else '32-true'}",
            "trainer.max_epochs=100000",
            "logger=csv",
            "hydra.run.dir=run",
            *more,
        ]

    def rival(self, loop: str) -> list[str]:
        words = [str(PROJECT / "scripts" / "benchmark" / "rivals.py"), loop, *(["--bf16"] if self.bf16 else [])]
        settings = {
            "network": self.network,
            "optimizer": self.optimizer,
            "batch": self.batch,
            "samples": self.samples,
            "channels": self.channels,
            "size": self.size,
        }
        return [*words, *(f"--{key}={value}" for key, value in settings.items())]


DIGITS = {"batch": 64, "size": 8, "channels": 1, "samples": 1437, "epochs": 20}
LOOPS_ONLY = ("bare", "bare_channels_last")
CASES = (
    Case("digits-64", **DIGITS),  # type: ignore[arg-type]
    Case("digits-64-bf16", bf16=True, rivals=("textbook", "bare_channels_last"), **DIGITS),  # type: ignore[arg-type]
    Case("digits-64-adam", optimizer="adam", rivals=("textbook", "bare_channels_last"), **DIGITS),  # type: ignore[arg-type]
    Case("digits-64-rmsprop", optimizer="rmsprop", rivals=("textbook", "bare_channels_last"), **DIGITS),  # type: ignore[arg-type]
    Case("cnn-32", batch=32, epochs=3),
    Case("cnn-32-bf16", batch=32, epochs=3, bf16=True, rivals=("notes", "textbook", "bare_channels_last")),
    Case("cnn-128"),
    Case("cnn-128-bf16", bf16=True, rivals=("textbook", *LOOPS_ONLY)),
    Case("cnn-128-adam", optimizer="adam", rivals=("textbook", "bare_channels_last")),
    Case("cnn-128-rmsprop", optimizer="rmsprop", rivals=("textbook", "bare_channels_last")),
    Case("cnn-512", batch=512, rivals=LOOPS_ONLY),
    Case("cnn-512-bf16", batch=512, bf16=True, rivals=LOOPS_ONLY),
    Case("3c3d-128", network="cnn_3c3d", samples=2048, rivals=LOOPS_ONLY),
    Case("3c3d-128-bf16", network="cnn_3c3d", bf16=True, samples=2048, rivals=LOOPS_ONLY),
)
ROUNDS, QUICK_ROUNDS = 5, 3  # of what is measured in turn, unless --rounds says it
INSTRUMENTED = ("digits-64", "cnn-128")
QUICK = ("digits-64", "cnn-32", "cnn-128", "start")


def measure(
    case: Case, rounds: int, starts: int, peaks: dict[bool, float], without: Sequence[str] = ()
) -> dict[str, Any]:
    """Let optlab and its rivals compete, `without` those; returns what the table shows."""
    from benchmark.machine import training_flops

    commands = {"optlab": case.optlab(), **{name: case.optlab(word) for name, word in faster(without).items()}}
    commands |= {loop: case.rival(loop) for loop in case.rivals if loop not in without}
    contestants = compete(commands, rounds, case.epochs, starts)
    flops = training_flops(case.network, (case.channels, case.size, case.size))
    seconds_at_peak = flops / peaks[case.bf16]
    return {name: describe(case, one, contestants, seconds_at_peak) for name, one in contestants.items()}


def faster(without: Sequence[str] = ()) -> dict[str, str]:
    """What is asked of optlab besides, by the name that the table gives it."""
    words = {"compiled": "trainer.compile=true"} if on_gpu() else {"kernels": "cpu_kernels=true"}
    return {name: word for name, word in words.items() if name not in without}


def on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def here(case: Case, quick: bool = False) -> Case:
    """The case as it is measured on this machine."""
    if on_gpu():
        return case.on_gpu()
    return replace(case, epochs=-(-case.epochs // 3)) if quick else case


def describe(
    case: Case, one: Contestant, contestants: Mapping[str, Contestant], seconds_at_peak: float
) -> dict[str, Any]:
    seconds = statistics.median(one.seconds)
    ours = [name for name in contestants if name in ("optlab", *faster())]
    against = {name: ratio(one.seconds, contestants[name].seconds) for name in ours}
    return {
        "images_per_second": case.samples / seconds,
        "milliseconds_per_step": 1000 * seconds / -(-case.samples // case.batch),
        "share_of_peak": case.samples * seconds_at_peak / seconds,
        "peak_mib": one.peak_mib,
        "epoch_seconds": one.seconds,
        **{f"time_against_{name}": [it.median, it.low, it.high] for name, it in against.items()},
    }


def show(console: Console, name: str, rows: dict[str, dict[str, Any]]) -> None:
    table = Table(title=f"{name} (in brackets: lowest and highest of the rounds)", title_justify="left")
    ours = [who for who in rows if who in ("optlab", *faster())]
    columns = ("", "images/s", "ms/step", "of matmul peak", "peak MiB", *(f"time / {name}'s" for name in ours))
    for column in columns:
        table.add_column(column, justify="left" if not column else "right")
    for who, row in rows.items():
        ratios = [row[f"time_against_{name}"] for name in ours]
        table.add_row(
            f"optlab, {who}" if who in faster() else who.replace("_", " "),
            f"{row['images_per_second']:,.0f}",
            f"{row['milliseconds_per_step']:.2f}",
            f"{row['share_of_peak']:.0%}",
            f"{row['peak_mib']:,.0f}",
            *("" if low == high == 1 else f"{median:.2f} ({low:.2f}-{high:.2f})" for median, low, high in ratios),
        )
    console.print(table)


# -- what is not an epoch


def batches(rounds: int) -> dict[str, Any]:
    """Batch 512 against batch 128, both from a plain `python train.py`: images a second."""
    small, large = here(Case("128")), here(Case("512", batch=512))
    both = compete({one.name: one.optlab() for one in (small, large)}, rounds, small.epochs)
    quotient = ratio(both["128"].seconds, both["512"].seconds)
    return {"batch 512 / batch 128, images/s": [quotient.median, quotient.low, quotient.high]}


def starting(rounds: int) -> dict[str, Any]:
    seconds = start.start_up(rounds)
    imports = "import torch, lightning"
    pairs = [("--cfg job", "import hydra"), ("first step", imports), ("the same, not collecting", imports)]
    return seconds_and_ratios(seconds, pairs)


def instruments(rounds: int) -> dict[str, Any]:
    """Epochs with `callbacks=instruments` as it comes, one measured step an epoch, against epochs without."""
    found: dict[str, Any] = {}
    for case in (here(case) for case in CASES if case.name in INSTRUMENTED):
        both = compete({"without": case.optlab(), "with": case.optlab("callbacks=instruments")}, rounds, case.epochs)
        quotient = ratio(both["with"].seconds, both["without"].seconds)
        found[f"{case.name}: epoch with instruments / without"] = [quotient.median, quotient.low, quotient.high]
    return found


def wandb(rounds: int) -> dict[str, Any]:
    seconds = start.wandb_cost(rounds)
    return seconds_and_ratios(seconds, [("wandb: training", "csv: training")])


def seconds_and_ratios(seconds: dict[str, list[float]], pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {f"{name}, s": spread(values) for name, values in seconds.items()}
    for above, below in pairs:
        quotient = ratio(seconds[above], seconds[below])
        found[f"{above} / {below}"] = [quotient.median, quotient.low, quotient.high]
    return found


def fixed_cost(rounds: int) -> dict[str, Any]:
    return {
        "fixed cost of a run in a sweep, s": spread(start.fixed_cost_of_a_run(2 * rounds + 2)[1:]),
        "planning a run of a grid, processor ms": spread(start.planning_of_a_run(rounds)),
    }


def sweep(rounds: int) -> dict[str, Any]:
    """Whole sweeps, which take minutes: one round in five is enough."""
    from benchmark.sweep import measure

    measured = measure(-(-rounds // 5), quick=rounds < ROUNDS)
    return {name: spread(values) for name, values in measured}


def turns(rounds: int) -> dict[str, Any]:
    """What workers gain that compute for long at a time, where others want their cores."""
    from benchmark.sweep import CORES
    from benchmark.sweep import turns as measure

    return {f"{2 * CORES} loops on {CORES} cores, turns of 100 ms / the system's own": spread(measure(rounds))}


def threads(rounds: int) -> dict[str, Any]:
    """What a second thread brings: two rounds in five are enough."""
    from benchmark.threads import measure

    return {name: spread(values) for name, values in measure(-(-2 * rounds // 5))}


def memory(rounds: int) -> dict[str, Any]:
    return {"peak of a run on 60,000 images of 32x32, MiB": spread([start.peak_of_cifar10()])}


def spread(values: Sequence[float]) -> list[float]:
    return [statistics.median(values), min(values), max(values)]


SECTIONS = {
    "batches": batches,
    "start": starting,
    "fixed_cost": fixed_cost,
    "sweep": sweep,
    "threads": threads,
    "turns": turns,
    "wandb": wandb,
    "memory": memory,
    "instruments": instruments,
}


# -- the command


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*(case.name for case in CASES), *SECTIONS]
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} alone, with fewer and shorter turns")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}; may be repeated"
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=[*RIVALS, *GPU_RIVALS, "compiled", "kernels"],
        metavar="NAME",
        help="leave out a contestant, such as airbench or compiled, whose compiling takes a minute; may be repeated",
    )
    parser.add_argument(
        "--rounds",
        type=at_least_one,
        help="epochs of each contestant that count; default 5, quick 3; fewer than 5: smaller sweeps",
    )
    parser.add_argument(
        "--starts",
        type=at_least_one,
        default=1,
        help="how often a case is run from new processes; some are faster than others",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every number there")
    return parser


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: type a whole number from 1 on")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    chosen = options.only or (QUICK if options.quick else [*(case.name for case in CASES), *SECTIONS])
    console = Console(width=120 if not sys.stdout.isatty() else None)
    from benchmark.machine import matmul_peak

    peaks = {bf16: matmul_peak(bf16) for bf16 in (False, True)}
    results: dict[str, Any] = {"machine": machine(peaks), "rounds": rounds, "starts": options.starts}
    console.print(results["machine"])
    try:
        for case in CASES:
            if case.name in chosen:
                it = here(case, options.quick)
                results[case.name] = measure(it, rounds, options.starts, peaks, options.without)
                show(console, case.name, results[case.name])
        for name, section in SECTIONS.items():
            if name in chosen:
                results[name] = section(rounds)
                for what, (median, low, high) in results[name].items():
                    console.print(f"{what}: {median:,.3f} ({low:,.3f}-{high:,.3f})", highlight=False)
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        if options.json:
            options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


def machine(peaks: dict[bool, float]) -> dict[str, Any]:
    import torch

    return {
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "matmul_gflops_fp32": round(peaks[False] / 1e9),
        "matmul_gflops_bf16": round(peaks[True] / 1e9),
    }


if __name__ == "__main__":
    sys.exit(main())
