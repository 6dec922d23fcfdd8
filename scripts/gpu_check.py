"""Tries on a GPU what was built without one: the tests, the speed, and eight runs side by side, in under ten minutes.

    python scripts/gpu_check.py              on one NVIDIA GPU that does nothing else
    python scripts/gpu_check.py --rehearse   every step small and on the CPU: does the check itself work?

It writes gpu_check.json (every number), gpu_check.md (one table) and what each step printed to a folder of its own
under outputs/gpu_check. A step that fails, or takes longer than it may, does not stop the others. The exit code is 0
where all went well, 1 where a step did not, 2 where there is no GPU.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
TRAIN, BENCH = str(PROJECT / "train.py"), str(PROJECT / "scripts" / "bench.py")
MINUTES = 9.5  # of all steps together
GRACE = 10.0  # seconds that a step gets to end after it was told to
SIDE_BY_SIDE = 8
MPS = "nvidia-cuda-mps-control"
Found = dict[str, Any]


@dataclass
class Step:
    """A command with a time limit, and what is read from what it leaves.

    Args:
        words: behind `python`; it runs in the step's own folder.
        limit: seconds.
        read: from the step's folder and the seconds that it took, to what the table shows first and foremost.
        mps: with NVIDIA MPS running.
    """

    name: str
    words: list[str]
    limit: float
    read: Callable[[Path, float], Found]
    mps: bool = False


@dataclass
class Result:
    """How a step ended: `passed`, `failed`, `too slow`, or `left out`, where no time was left or something is missing.

    `found` is what was read from it, `why` what went wrong, in a line.
    """

    name: str
    status: str
    seconds: float = 0.0
    command: str = ""
    found: Found = field(default_factory=dict)
    why: str | None = None


# -- the steps


def steps(rehearse: bool = False) -> list[Step]:
    """In the order of what one wants to know first."""
    return [
        *engines(rehearse),
        Step("tests marked gpu", tests(), 150, read_tests),
        *benches(rehearse),
        *sweeps(rehearse),
        Step("bench of what is compiled", bench("cnn-128", rehearse, ["bare", "bare_channels_last"]), 150, read_bench),
    ]


def training(rehearse: bool, *words: str) -> list[str]:
    """A run on images of the size of CIFAR-10's."""
    data = ["dataset=fake", "model=cnn", "optimizer=adam", "batch_size=128", "logger=none", "callbacks=quiet"]
    size = ["dataset.samples=300", "dataset.image_size=8", "trainer=cpu", "trainer.max_epochs=1", "batch_size=64"]
    full = ["dataset.samples=50000", "dataset.test_samples=10000", "trainer=gpu", "trainer.max_epochs=4"]
    return [TRAIN, *data, *(size if rehearse else full), *words]


def engines(rehearse: bool) -> Iterator[Step]:
    """The same run in each engine, and what makes its step longer."""
    variants = {
        "graph": ["engine=auto"],
        "loop": ["engine=loop"],
        "eager": ["engine=eager"],
        "graph, bf16": ["engine=auto", "trainer.precision=bf16-mixed"],
        "graph, crop_flip": ["engine=auto", "dataset.augment=crop_flip"],
        "graph, clipped": ["engine=auto", "trainer.gradient_clip_val=1.0"],
        "float16": ["engine=auto", "trainer.precision=bf16-mixed" if rehearse else "trainer.precision=16-mixed"],
    }
    for name, words in variants.items():
        yield Step(f"run: {name}", training(rehearse, *words, "hydra.run.dir=run"), 60, read_run)


def tests() -> list[str]:
    """The tests marked gpu, from the files that have any: to collect the others takes as long as to run these."""
    # A capture that fails may spoil the process for others; the test of it in adapters comes last.
    files = sorted((PROJECT / "tests").rglob("test_*.py"), key=lambda file: ("adapters" in file.parts, file))
    marked = [str(file) for file in files if "mark.gpu" in file.read_text(encoding="utf-8")]
    config = [f"--rootdir={PROJECT}", f"--config-file={PROJECT / 'pyproject.toml'}", "-p", "no:cacheprovider"]
    return ["-m", "pytest", "-m", "gpu", "-n", "0", "-q", *config, "--junitxml=tests.xml", *marked]


def benches(rehearse: bool) -> Iterator[Step]:
    """A step a case, so that one that fails costs no other; without what is compiled, which takes a minute to."""
    slow = ["compiled", "airbench", "bare"]
    cases = {"cnn-128": 70, "cnn-128-bf16": 70, "cnn-512-bf16": 60, "digits-64": 60}
    for case, limit in list(cases.items())[: 1 if rehearse else None]:
        yield Step(f"bench {case}", bench(case, rehearse, slow), limit, read_bench)


def bench(case: str, rehearse: bool, without: Sequence[str]) -> list[str]:
    without = [*without, *(["kernels", "notes", "textbook"] if rehearse else [])]
    left_out = [word for name in without for word in ("--without", name)]
    return [BENCH, "--only", case, *left_out, "--rounds", "1" if rehearse else "3", "--json", "bench.json"]


def sweeps(rehearse: bool) -> Iterator[Step]:
    """Eight small runs: one after the other, side by side, and side by side under MPS."""
    runs = 2 if rehearse else SIDE_BY_SIDE
    seeds = f"seed={','.join(map(str, range(runs)))}"

    def words(launcher: str, *more: str) -> list[str]:
        return training(rehearse, "-m", seeds, "sweep=sweep", f"hydra/launcher={launcher}", *more)

    together = words("auto", f"hydra.launcher.n_jobs={runs}")
    yield Step(f"{runs} runs one by one", words("basic"), 100, read_sweep)
    yield Step(f"{runs} runs side by side", together, 80, read_sweep)
    yield Step(f"{runs} runs side by side, MPS", together, 80, read_sweep, mps=True)


# -- what they leave


def read_run(folder: Path, seconds: float) -> Found:
    record = json.loads((folder / "run" / "run.json").read_text())
    return {
        "status": record["status"],
        "engine": record["environment"]["engine"],
        "milliseconds a step": record["timing"]["step_milliseconds"],
        "images/s": record["timing"]["samples_per_second"],
        **{name: round(record["metrics"][name], 4) for name in ("train/loss", "test/acc") if name in record["metrics"]},
        "costs": record.get("costs"),
    }


def read_tests(folder: Path, seconds: float) -> Found:
    ended: dict[str, list[str]] = {"passed": [], "skipped": [], "failed": []}
    for case in ElementTree.parse(folder / "tests.xml").iter("testcase"):
        kinds = {child.tag for child in case}
        kind = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        ended[kind].append(case.get("name", "?"))
    return {kind: len(names) for kind, names in ended.items()} | {"which": ended["failed"]}


def read_bench(folder: Path, seconds: float) -> Found:
    content = json.loads((folder / "bench.json").read_text())
    shown: Found = {}
    for rows in content.values():
        if isinstance(rows, dict) and "optlab" in rows:
            for who, row in rows.items():
                shown[f"{who} images/s"] = round(row["images_per_second"])
                shown[f"{who} time / optlab's"] = round(row["time_against_optlab"][0], 3)
    return shown | {"all": content}


def read_sweep(folder: Path, seconds: float) -> Found:
    records = [json.loads(file.read_text()) for file in sorted(folder.glob("outputs/sweeps/sweep/*/run.json"))]
    ended = [record for record in records if record["status"] == "finished"]
    speeds = [record["timing"]["samples_per_second"] or 0.0 for record in ended]
    samples = sum(record["data"]["train"] * record["epochs"] for record in ended)
    return {
        "finished": f"{len(ended)} of {len(records)}",
        "images/s, start to report": round(samples / seconds),
        "images/s of a run": round(statistics.median(speeds)) if speeds else None,
        "engines": sorted({record["environment"]["engine"] for record in ended}),
        "costs": [record.get("costs") for record in ended],
    }


# -- carrying them out


def carry_out(step: Step, folder: Path, limit: float) -> Result:
    """Run a step for at most `limit` seconds; whatever it does, it has a result."""
    command = " ".join(["python", *step.words])
    folder.mkdir(parents=True)
    if step.mps and shutil.which(MPS) is None:
        return Result(step.name, "left out", command=command, why=f"{MPS} is not installed")
    began = time.monotonic()
    with mps(folder) if step.mps else no_mps() as variables:
        code = run(step.words, folder, limit, variables)
    seconds = time.monotonic() - began
    result = Result(step.name, "passed" if code == 0 else "failed", round(seconds, 1), command)
    if code is None:
        result.status, result.why = "too slow", f"stopped after {limit:.0f} s"
    elif code:
        result.why = last_line(folder / "log.txt") or f"exit code {code}"
    try:
        result.found = step.read(folder, seconds)
    except (OSError, ValueError, KeyError, TypeError, ElementTree.ParseError) as error:
        if result.status == "passed":
            result.status, result.why = "failed", f"left nothing to read ({type(error).__name__}: {error})"
    return result


def run(words: Sequence[str], folder: Path, limit: float, variables: Mapping[str, str]) -> int | None:
    """The exit code; None where it took longer than `limit` seconds and was ended, with all that it started."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1", **variables}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            end(process, signal.SIGINT)
            return None
        except BaseException:  # Ctrl-C of this program
            end(process, signal.SIGKILL)
            raise


def end(process: "subprocess.Popen[bytes]", first: signal.Signals) -> None:
    """End a process and its children: ask, wait, and make sure."""
    for number in (first, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(GRACE)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


@contextmanager
def mps(folder: Path) -> Iterator[dict[str, str]]:
    """NVIDIA's daemon that lets processes share a GPU, with pipes of its own; gives what they find it by."""
    with tempfile.TemporaryDirectory(prefix="mps") as pipes:  # short: it is the path of a socket
        variables = {"CUDA_MPS_PIPE_DIRECTORY": pipes, "CUDA_MPS_LOG_DIRECTORY": str(folder)}
        with (folder / "mps.txt").open("wb") as log:
            options: dict[str, Any] = {"env": os.environ | variables, "stdout": log, "stderr": log, "timeout": 20}
            subprocess.run([MPS, "-d"], check=False, **options)
            try:
                yield variables
            finally:
                subprocess.run([MPS], input=b"quit\n", check=False, **options)


@contextmanager
def no_mps() -> Iterator[dict[str, str]]:
    yield {}


def last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


# -- what is written


def write(folder: Path, facts: Mapping[str, Any], results: Sequence[Result]) -> None:
    """After each step, so that what is known stays known."""
    content = {**facts, "steps": [asdict(result) for result in results]}
    (folder / "gpu_check.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    rows = [f"| {each.name} | {each.status} | {each.seconds:.0f} | {in_words(each)} |" for each in results]
    title = "; ".join(f"{name} {value}" for name, value in facts["machine"].items())
    table = ["| step | | s | found |", "|---|---|---|---|", *rows]
    (folder / "gpu_check.md").write_text("\n".join([title, "", *table, ""]), encoding="utf-8")


def in_words(result: Result) -> str:
    said = [] if result.why is None else [result.why]
    for name, value in result.found.items():
        if name not in ("all", "costs") and value not in (None, []):
            said.append(f"{name} {', '.join(value) if isinstance(value, list) else value}")
    return "; ".join(said).replace("|", "/")


def machine() -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        return {"device": "cpu", "torch": torch.__version__, "cores": os.cpu_count()}
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": properties.name,
        "GiB": round(properties.total_memory / 2**30, 1),
        "capability": f"{properties.major}.{properties.minor}",
        "torch": torch.__version__,
        "CUDA": torch.version.cuda,
        "driver": driver(),
        "cores": os.cpu_count(),
    }


def driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "?"


# -- the command


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu_check.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rehearse", action="store_true", help="every step small, on the CPU")
    parser.add_argument(
        "--only", action="append", metavar="WORD", help="steps with this in their name; may be repeated"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all steps together; default {MINUTES:g}")
    parser.add_argument("--folder", type=Path, help="where to write; default outputs/gpu_check/DATE_TIME")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    facts: dict[str, Any] = {"machine": machine(), "rehearsed": options.rehearse, "began": time.strftime("%F %T")}
    if facts["machine"]["device"] == "cpu" and not options.rehearse:
        print("gpu_check: PyTorch finds no GPU on this machine; --rehearse tries the check on the CPU", file=sys.stderr)
        return 2
    chosen = [s for s in steps(options.rehearse) if not options.only or any(word in s.name for word in options.only)]
    if not chosen:
        names = ", ".join(step.name for step in steps(options.rehearse))
        print(f"gpu_check: --only {' '.join(options.only)} names no step; they are: {names}", file=sys.stderr)
        return 2
    folder = (options.folder or Path("outputs", "gpu_check", time.strftime("%Y-%m-%d_%H-%M-%S"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    ends = time.monotonic() + 60 * options.minutes
    for number, step in enumerate(chosen, 1):
        left = ends - time.monotonic()
        if left < GRACE:
            result = Result(step.name, "left out", why="no time was left")
        else:
            place = folder / f"{number:02d}-{''.join(c if c.isalnum() else '-' for c in step.name)}"
            result = carry_out(step, place, min(step.limit, left))
        results.append(result)
        write(folder, facts, results)
        print(
            f"{number}/{len(chosen)} {step.name}: {result.status}, {result.seconds:.0f} s. {in_words(result)}",
            flush=True,
        )
    print(f"written: {folder / 'gpu_check.json'} and gpu_check.md beside it")
    return 0 if all(result.status in ("passed", "left out") for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
