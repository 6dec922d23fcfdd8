"""Warnings in words: what in a comparison could mislead, and what to do about it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from optlab.analysis.judge import tuning
from optlab.analysis.judge.compare import Comparison
from optlab.analysis.judge.contest import Contender, Contest
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import MOST_SEEDS
from optlab.analysis.read.plans import Study, arm_name, arm_of, still_tuning
from optlab.analysis.read.runs import Run
from optlab.rules.words import enumerated, plural

EXPLORATORY = 5  # fewer seeds than this explore
ALARM = 3.0  # standard errors between validation and test
SETTLED = 5  # epochs before training accuracy can be set against validation


def cautions(contest: Contest, comparisons: Sequence[Comparison], found: Sequence[Study] = ()) -> list[str]:
    """Every warning that holds, the gravest first; of a study that still tunes, those that its end cannot take back."""
    if still_tuning(contest, found):
        return [*failed(contest), *diverged(contest), *said_by_studies(contest, found)]
    return [
        *unfinished(contest),
        *failed(contest),
        *diverged(contest),
        *edges(contest, found),
        *budgets(contest),
        *test_alarm(contest),
        *train_alarm(contest),
        *seeds(contest, comparisons, found),
        *disputed(comparisons),
        *unpaired(comparisons),
        *still_improving(contest),
        *chosen_on_the_same(contest),
        *several_plans(contest),
    ]


def unfinished(contest: Contest) -> list[str]:
    count = contest.unfinished
    if not count:
        return []
    return [f"Provisional: {plural(count, 'run')} of {len(contest.runs)} not finished yet."]


def failed(contest: Contest) -> list[str]:
    count = sum(run.record.status == "failed" for run in contest.runs)
    if not count:
        return []
    return [f"{plural(count, 'run')} failed with an exception and {'is' if count == 1 else 'are'} left out."]


def diverged(contest: Contest) -> list[str]:
    found = []
    for c in contest.contenders:
        count = sum(run.record.status == "diverged" for run in c.entered)
        if count:
            score = contest.metric.text(contest.metric.floor(c.entered[0].record))
            where = f"{count} of {len(c.entered)} seeds at {label(c)}"
            found.append(f"{c.name} diverged in {where}; each counts as {score}.")
    return found


def edges(contest: Contest, found: Sequence[Study]) -> list[str]:
    """Winners on an edge of what was searched, and what the studies themselves have to say besides."""
    arms = {c.name: arm_of(c, found) for c in contest.contenders}
    on_edge = {c.name: where for c in contest.contenders if (where := tuning.on_the_edge(c, arms[c.name]))}
    said = tuple(f"{arm_name(arms[name])} is not tuned:" for name in on_edge)
    return [
        *(
            f"{name} is not tuned: its winner is on the edge of what was searched ({'; '.join(where)})."
            for name, where in on_edge.items()
        ),
        *(line for line in said_by_studies(contest, found, edges=True) if not line.startswith(said)),
    ]


def said_by_studies(contest: Contest, found: Sequence[Study], *, edges: bool = False) -> list[str]:
    """What the studies themselves warn of, each line once; `edges`: also of winners on an edge."""
    own = dict.fromkeys(line for study in found for line in study.warnings(contest))
    return [f"{line.removesuffix('.')}." for line in own if edges or " is not tuned: " not in line]


def budgets(contest: Contest) -> list[str]:
    """Unequal numbers of tuned configurations, or of epochs a trial."""
    trials = {c.name: tuning.spent(c)[0].trials for c in contest.contenders}
    if len(set(trials.values())) > 1:
        so_far = " so far" if contest.unfinished else ""
        return [f"Unequal tuning budgets{so_far}: {counted(trials, 'trial')}."]
    runs = {c.name: len(c.tuning) for c in contest.contenders}
    if len(set(runs.values())) > 1 and not contest.unfinished:
        return [f"Unequal tuning budgets: {counted(runs, 'run')}."]
    return []


def test_alarm(contest: Contest) -> list[str]:
    return _alarm(contest, "val", "test", "chosen or leaked from validation")


def train_alarm(contest: Contest) -> list[str]:
    """Validation above training, where neither augmentation nor the way it is measured explains it.

    Training accuracy is a running mean over an epoch in which the weights improve: it lags until its curve is flat.
    """
    if any(_augment(run) != "none" for run in contest.runs):
        return []
    settled = [c for c in contest.contenders if _flat(c, contest.selection)]
    return _alarm(contest, "val", "train", "look for training samples in the validation split", settled)


def _flat(contender: Contender, selection: Metric) -> bool:
    """Whether training no longer moves: five epochs or more, the last two within a standard error of each other.

    The standard error is that of the validation accuracy of a run, from the number of its samples.
    """
    for run in contender.entered:
        curve = run.history.get(selection.of_part("train").name, np.empty(0))
        curve, samples = curve[np.isfinite(curve)], run.record.data.get("val")
        value = selection.of_part("val").final(run.record)
        if run.record.status != "finished" or value is None or not samples:
            continue
        if len(curve) < SETTLED or abs(curve[-1] - curve[-2]) > math.sqrt(value * (1 - value) / float(samples)):
            return False
    return True


def _alarm(
    contest: Contest, high: str, low: str, meaning: str, contenders: Sequence[Contender] | None = None
) -> list[str]:
    """Accuracy on one part more than three standard errors of sampling above that on another."""
    if contest.selection.kind != "acc":
        return []
    found = []
    for c in contest.contenders if contenders is None else contenders:
        above, below = (mean_of(c, contest.selection.of_part(part)) for part in (high, low))
        sizes = [c.entered[0].record.data.get(part) for part in (high, low)] if c.entered else []
        if above is None or below is None or not all(sizes):
            continue
        error = math.sqrt(sum(p * (1 - p) / float(n) for p, n in zip((above, below), sizes, strict=True) if n))
        if error and (above - below) / error > ALARM:
            gap = contest.selection.gap(above - below)
            names = [contest.selection.of_part(part).label for part in (high, low)]
            found.append(
                f"{c.name}: {names[0]} is {gap} above {names[1]}, {(above - below) / error:.1f} standard errors: "
                f"{meaning}."
            )
    return found


def seeds(contest: Contest, comparisons: Sequence[Comparison], found: Sequence[Study]) -> list[str]:
    """Too few seeds: under five they explore; else too few for the gap between the first two."""
    if not comparisons:
        return []
    n = min(c.n for c in comparisons)
    if n < EXPLORATORY:
        more = "seed=0,1,2,3,4"
        if found:  # a study refuses another plan in its folder
            more = f"hydra.sweeper.confirmation_seeds={EXPLORATORY} sweep=another-name"
        return [f"Exploratory: {plural(n, 'seed')} only; {more} runs more."]
    lead = comparisons[0]
    if lead.differ or lead.seeds_needed is None:  # then more seeds are not what is missing
        return []
    apart = f"{lead.better} and {lead.worse} are {contest.metric.gap(lead.difference)} apart"
    return [f"Few seeds for the gap: {apart}, here are {lead.n} seeds; {settle(lead)}"]


def disputed(comparisons: Sequence[Comparison]) -> list[str]:
    return [
        f"{c.better} and {c.worse}: the t-test says {'differ' if c.differ else 'cannot be told apart'}, the sign-flip "
        f"test does not agree (p {c.t_p_holm:.3f} and {c.sign_flip_p_holm:.3f} after Holm). Look at the single seeds."
        for c in comparisons
        if c.disputed
    ]


def unpaired(comparisons: Sequence[Comparison]) -> list[str]:
    """Pairs whose seeds differ; with one seed each there is nothing to pair."""
    pairs = [f"{c.better} and {c.worse}" for c in comparisons if not c.paired and c.n > 1]
    if not pairs:
        return []
    return [f"Not paired by seed, so less sharp: {'; '.join(pairs)}. Run all optimizers with the same seeds."]


def still_improving(contest: Contest) -> list[str]:
    """The best epoch is the last one in most seeds: the order may change with more epochs."""
    found = []
    for c in contest.contenders:
        over = [run for run in c.entered if run.record.status == "finished" and run.record.best.get("epoch")]
        last = sum(run.record.best["epoch"] == run.horizon for run in over)
        if over and 2 * last > len(over):
            found.append(f"{c.name} ({last} of {len(over)} seeds)")
    if not found:
        return []
    return [f"The best epoch is the last one: {enumerated(found)}. More epochs may turn the order round."]


def chosen_on_the_same(contest: Contest) -> list[str]:
    if contest.confirmed or all(len(c.tried) < 2 for c in contest.contenders):
        return []
    return [
        "Configurations were chosen and compared on the same seeds, which flatters those that tried more. "
        "hydra/sweeper=study confirms the winners on fresh seeds."
    ]


def several_plans(contest: Contest) -> list[str]:
    plans = {str(run.record.config.get("protocol")) for c in contest.contenders for run in c.entered}
    if len(plans) < 2:
        return []
    return ["Runs of several plans are compared together; budgets and seeds may not be those of one study."]


# -- words


def settle(comparison: Comparison) -> str:
    """How many seeds would tell a pair apart that cannot be told apart yet."""
    if comparison.sd is None:
        return "more seeds are needed to say anything."
    if comparison.seeds_needed is None:
        return f"if the true gap is this small, even {MOST_SEEDS:,} seeds would not settle it."
    return f"about {comparison.seeds_needed:,} seeds would settle it if the true gap is this large."


def counted(numbers: Mapping[str, int], noun: str) -> str:
    """`adam 9 trials, the others 7`."""
    usual = Counter(numbers.values()).most_common(1)[0][0]
    groups = {n: [name for name, k in numbers.items() if k == n] for n in sorted({*numbers.values()} - {usual})}
    shown = [f"{enumerated(names)} {plural(n, noun)}" for n, names in groups.items()]
    rest = [name for name, number in numbers.items() if number == usual]
    return f"{'; '.join(shown)}; {'the others' if len(rest) > 1 else rest[0]} {usual}"


def label(contender: Contender) -> str:
    return contender.chosen.label if contender.chosen else "–"


def mean_of(contender: Contender, metric: Metric) -> float | None:
    """Mean of the runs that finished: a sampling alarm has no use for chance levels."""
    values = [
        value
        for run in contender.entered
        if run.record.status == "finished" and (value := metric.final(run.record)) is not None
    ]
    return float(np.mean(values)) if values else None


def _augment(run: Run) -> str:
    dataset = run.record.config.get("dataset")
    return str(dataset.get("augment", "none")) if isinstance(dataset, dict) else "none"
