"""Carrying a study out: its plan is shown and written, its rounds are executed, and what was chosen is written down."""

import json
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from rich.console import Console

from optlab.adapters.hydra import ConfigLoader, choices, parse
from optlab.console import console_for
from optlab.errors import UserError
from optlab.record import METRICS_FILE, finite, read_metrics, write_whole
from optlab.rules.choice import Score, score_of
from optlab.rules.files import PLAN_FILE, REPORT_FILE, RESULT_FILE
from optlab.rules.messages import Message
from optlab.rules.metrics import part_of
from optlab.rules.stopping import score_at
from optlab.rules.warnings import study_warnings
from optlab.sweep.conclude import conclude, import_meanwhile
from optlab.sweep.execute import execute, side_by_side
from optlab.sweep.folder import LOCKS, open_sweep, write_plan, write_planned
from optlab.sweep.job import Job, Outcome, SweepInterrupted, check, plan
from optlab.sweep.price.asked import asked_by
from optlab.sweep.price.fit import patience, why_alone
from optlab.sweep.price.plan import at_once, left
from optlab.sweep.price.quote import downloads, quote
from optlab.sweep.price.show import estimate_lines
from optlab.sweep.price.study import seen_from_here
from optlab.sweep.progress import Watch, watching_plan
from optlab.sweep.study import command, extend, show
from optlab.sweep.study.options import Options
from optlab.sweep.study.protocol import OURS, Protocol, read, standing, write
from optlab.sweep.study.rounds import Round, Trial, Tuning, Words, expected_runs, next_round, run_words, tune
from optlab.sweep.study.samplers import TreeParzen
from optlab.sweep.threads import Threads, decide


def sweep(
    config_loader: ConfigLoader,
    config: DictConfig,
    launcher: Launcher,
    arguments: Sequence[str],
    settings: Mapping[str, Any],
) -> None:
    """Plan the study that a command line asks for, carry it out, and conclude it.

    Args:
        config: of the multirun.
        arguments: the overrides that were typed.
        settings: of conf/hydra/sweeper/study.yaml.

    Raises:
        UserError: the study cannot be planned, or its folder holds something else; nothing was written.
        SystemExit: see `optlab.sweep.conclude`.
    """
    if config.mode != "train":
        raise UserError(
            f"mode={config.mode}: a study tries lrs by training with each; leave mode out, or type hydra/sweeper=grid"
        )
    options = Options.parse(settings)
    presets = [f"{key}={listed(value)}" for key, value in (options.params or {}).items()]
    typed = command.read(parse(arguments, config_loader), parse(presets, config_loader))
    with open_sweep(config) as folder:
        planned = command.build(
            typed,
            options,
            choices(config),
            lambda words: plan(config_loader, config, words).config,
        )
        found = standing(planned, folder)
        is_new = found is None
        study = Study(planned, folder, config_loader, config, launcher, typed.sweep)
        if found is None or found["hash"] != planned.hash:
            study.check_arms()
        console = console_for("words")
        show.print_protocol(planned, folder, console, found)
        threads = study.decide_threads()
        console.print(threads.line, markup=False, soft_wrap=True)
        if config.dry_run:
            price_of(study)
            return
        study.foresee(console, is_new=is_new)
        import_meanwhile(launcher)
        write_plan(config, folder)
        write(planned, folder, threads.number)
        try:
            conclude(folder, lambda: study.run(console), live=config.report.live)
        except Refused:
            if is_new:
                study.discard()
            raise


def price_of(study: "Study") -> None:
    """Print what is left of a study, and what it takes."""
    from optlab.sweep.price.dry import of_study

    of_study(study, str(choices(study.config)["hydra/launcher"]), bool(study.config.retry))


def listed(value: Any) -> str:
    """What a preset compares, as it would be typed: `sgd,adam`, from a text or a list."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


class Refused(UserError):
    """No run of the study can do what is asked for."""


class Study:
    """A study under way: its plan, the sweep it runs in, and the runs that are over."""

    def __init__(
        self,
        protocol: Protocol,
        folder: Path,
        config_loader: ConfigLoader,
        config: DictConfig,
        launcher: Launcher,
        words: Sequence[str] = (),
    ) -> None:
        self.protocol = protocol
        self.folder = folder
        self.config_loader = config_loader
        self.config = config
        self.launcher = launcher
        self.words = list(words)  # about the sweep: retry=true
        self.threads: int | None = None  # of each run
        self.jobs: dict[Words, Job] = {}
        self.known: dict[Words, Score | None] = {}
        self.ends: dict[Path, Outcome] = {}  # the last word on each run folder
        self.launched = 0
        self.foreseen = False  # whether runs like all those to come were measured, or made before
        options = protocol.options
        uses_tpe = options.sampler == "tpe" and protocol.trials > 0
        self.propose = TreeParzen(folder, options.sampler_seed, protocol.trials) if uses_tpe else None

    @cached_property
    def plans(self) -> set[str]:
        """The hashes of the plan and of those that it extends: their runs are runs of this study."""
        content = read(self.folder / PLAN_FILE) if (self.folder / PLAN_FILE).exists() else {}
        return {self.protocol.hash, *(str(version.get("hash")) for version in (content, *extend.earlier(content)))}

    @property
    def outcomes(self) -> list[Outcome]:
        return list(self.ends.values())

    @property
    def metric(self) -> str | None:
        """What runs are judged by, as one that ended says it: a record of one that was killed may not."""
        said = (each.record.data.get("metric") for each in self.outcomes if each.record and each.settled)
        return next((str(each) for each in said if each), self.protocol.options.metric)

    def next_round(self) -> Round | None:
        return next_round(self.protocol, self.known, self.propose)

    def check_arms(self) -> None:
        """Raise UserError for a config that cannot work, seen from the middle of each arm's space."""
        check(self.middles(), self.launcher)

    def middles(self) -> list[Job]:
        """A run of each arm, in the middle of its space."""
        seed = self.protocol.options.confirmation_seeds[0]
        trials = [
            (arm, Trial(0, middle, arm.space.settings(middle)))
            for arm in self.protocol.arms
            for middle in [(0.5,) * len(arm.space.ranges)]
        ]
        return [self.job(run_words(self.protocol, arm, trial, seed, "confirm")) for arm, trial in trials]

    def decide_threads(self) -> Threads:
        """On how many CPU threads each run computes; its words say so from here on."""
        configs = [job.config for job in self.middles()]
        threads = decide(self.folder, self.config, configs, self.protocol.side_by_side).beside(self.launcher)
        threads.tell(self.launcher)
        self.threads, self.jobs = threads.number, {}
        return threads

    def like(self) -> "Study":
        """Another study of this plan and folder that knows of no run yet; configs that were composed are shared."""
        other = Study(self.protocol, self.folder, self.config_loader, self.config, self.launcher, self.words)
        other.threads, other.jobs = self.threads, self.jobs
        return other

    def foresee(self, console: Console, *, is_new: bool) -> None:
        """Say what is left of the study and what it will take; ten steps of each arm show whether its runs can be made.

        Raises:
            Refused: they cannot; nothing was written.
        """
        retry, name = bool(self.config.retry), str(choices(self.config)["hydra/launcher"])
        rounds = seen_from_here(self, retry=retry)
        say = partial(console.print, markup=False, soft_wrap=True)
        with asked_by(self.launcher, at_once(left(rounds, retry=retry))) as ask:
            try:
                lines = downloads(rounds, retry=retry, ask=ask)
                for line in lines:
                    say(line)
                how: dict[str, Any] = {"retry": retry, "strict": is_new, "ask": ask, "patience": patience(lines)}
                seen = quote(rounds, self.launcher, name, **how)
            except UserError as error:
                raise Refused(f"no run of this study can be made: {error}") from error
            for cost in seen.measured:
                self.check_choice(cost.metric)
            self.foreseen = seen.is_whole
            for line in [*estimate_lines(seen, self.protocol, is_new=is_new), *why_alone(self.launcher, seen)]:
                say(line)

    def job(self, words: Words) -> Job:
        if words not in self.jobs:  # composing a config takes a while
            self.jobs[words] = plan(self.config_loader, self.config, [*words, *self.words]).on_threads(self.threads)
        return self.jobs[words]

    def run(self, console: Console) -> list[Outcome]:
        """Execute round after round until the study is complete.

        Raises:
            SweepInterrupted: the user stopped it; its outcomes are those of the whole study so far.
        """
        if not (self.folder / RESULT_FILE).exists():
            self.write_result()  # whoever looks while the first round is under way sees that it is not complete
        try:
            with watching_plan(self.protocol.fewest_runs, self.folder.name, spared=self.protocol.spared) as watch:
                while (upcoming := self.next_round()) is not None:
                    if upcoming.phase == "confirm":
                        show.print_chosen(self.tunings(), self.protocol, console)
                    if upcoming.note:
                        console.print(upcoming.note, soft_wrap=True)
                    self.execute(upcoming, watch)
        except SweepInterrupted as stop:
            self.ends |= {outcome.job.folder: outcome for outcome in stop.outcomes}
            raise SweepInterrupted(stop.signum, self.outcomes) from stop
        return self.outcomes

    def execute(self, upcoming: Round, watch: Watch) -> None:
        """Execute a round; where no steps could be taken beforehand, the first run goes ahead to learn if it works."""
        runs = list(upcoming.runs)
        self.write_planned(self.job(words) for words in runs)
        if not self.outcomes and not self.foreseen:
            self.settle(runs[:1], "first run", watch)
            self.check_first_result(self.outcomes[0])
            show.print_estimate(self.protocol, self.outcomes[0], watch.console)
            runs = runs[1:]
        if runs:
            self.settle(runs, upcoming.title, watch)

    def settle(self, runs: Sequence[Words], title: str, watch: Watch) -> None:
        jobs = [self.job(words) for words in runs]
        check(jobs, self.launcher)
        by_folder = dict(zip((job.folder for job in jobs), runs, strict=True))
        total = expected_runs(self.protocol, self.tunings())
        for line in side_by_side(self.launcher, jobs):
            watch.console.print(line, markup=False, soft_wrap=True)
        done = execute(
            self.launcher,
            jobs,
            retry=bool(self.config.retry),
            first=self.launched,
            watch=partial(watch.during, title=title, total=total),
        )
        self.launched += len(jobs)
        self.ends |= {outcome.job.folder: outcome for outcome in done}
        for outcome in done:
            self.known[by_folder[outcome.job.folder]] = score(outcome, self.plans, self.metric)
        self.write_result()
        self.write_planned()

    def write_planned(self, jobs: Iterable[Job] = ()) -> None:
        expected = expected_runs(self.protocol, self.tunings())
        write_planned(self.folder, [job.planned(self.folder) for job in jobs], expected)

    def check_first_result(self, outcome: Outcome) -> None:
        """Raise Refused when the first run shows that none can be made, or none be judged."""
        record = outcome.record
        if record is None:
            return
        error = record.error or {}
        if outcome.state == "failed" and error.get("type") == UserError.__name__:
            raise Refused(f"the first run was refused: {error.get('message')}")
        self.check_choice(str(record.data.get("metric", "")))

    def check_choice(self, chosen_on: str) -> None:
        """Raise Refused where runs are judged by what they train on."""
        if self.protocol.trials and self.protocol.options.metric is None and part_of(chosen_on) == "train":
            raise Refused(
                "dataset.val_size=0 leaves a study nothing to choose on; type dataset.val_size=0.1, "
                "or fix every optimizer's values with hydra.sweeper.spaces"
            )

    def discard(self) -> None:
        """Remove what a refused study has written, so that its name is free for the command without the mistake."""
        for outcome in self.outcomes:
            shutil.rmtree(outcome.job.folder, ignore_errors=True)
        for name in (*OURS, REPORT_FILE):  # report.live may have written the page
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / LOCKS, ignore_errors=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def tunings(self) -> list[Tuning]:
        return [tune(self.protocol, arm, self.known, self.propose) for arm in self.protocol.arms]

    def write_result(self) -> None:
        content = result(self.protocol, self.tunings(), complete=self.next_round() is None)
        write_whole(self.folder / RESULT_FILE, json.dumps(finite(content), indent=2, allow_nan=False) + "\n")


def score(outcome: Outcome, plans: Collection[str], metric: str | None = None) -> Score | None:
    """What a run is worth in choosing, at its end or at the rung that it was to reach; None where it failed.

    Args:
        plans: the hashes that runs of the study carry.
        metric: what is judged by, where the record does not say it.

    Raises:
        UserError: the run belongs to another plan, or what it came to at the rung is not there any more.
    """
    record, folder, rung = outcome.record, outcome.job.folder, outcome.job.config.until
    if record is None or not (outcome.settled if rung is not None else outcome.state in ("finished", "diverged")):
        return None
    if record.config.get("protocol") not in plans:
        raise UserError(
            f"{outcome.job.folder.name} is a run of another plan ({record.config.get('protocol')}); "
            "type sweep=another-name for a folder of its own"
        )
    if rung is None:
        return score_of(record)
    try:
        return score_at(record, read_metrics(folder / METRICS_FILE), rung, metric)
    except UserError as error:
        raise UserError(f"{folder.name}: {error}") from error


# -- what is written down


def result(protocol: Protocol, tunings: Sequence[Tuning], *, complete: bool) -> dict[str, Any]:
    """The content of study.json: what was chosen for each arm, on what evidence, and what is to be said about it.

    `edges` names each searched hyperparameter of the winner that lies on the "low" or "high" edge of what was tried
    (see `optlab.rules.edges`); `tuned` is true only of a winner on no edge; `space` is what was searched, extensions
    included, as in protocol.yaml. Each warning has a kind, a subject (the arm's name) and a text.
    """
    return {
        "schema": 1,
        "protocol": protocol.hash,
        "complete": complete,
        "target": protocol.options.target,
        "arms": [described(tuning) for tuning in tunings],
        "warnings": [asdict(each) for each in warnings(tunings)],
    }


def described(tuning: Tuning) -> dict[str, Any]:
    """An arm of study.json."""
    return {
        **dict(tuning.arm.factors),
        "trials": len(tuning.trials) if tuning.arm.tuned else 0,
        "extensions": tuning.extensions,
        "tuned": tuning.tuned,
        "edges": dict(tuning.edges),
        "space": tuning.space.to_dict(),
        "failed_trials": tuning.failed,
        **({"stopped_trials": tuning.stopped} if tuning.stopped else {}),
        "winner": None if tuning.winner is None else tuning.winner.settings,
        "score": tuning.score,
    }


def warnings(tunings: Sequence[Tuning]) -> list[Message]:
    """What a reader must know before believing a winner."""
    return [warning for tuning in tunings for warning in study_warnings(described(tuning))]
