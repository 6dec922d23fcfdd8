"""Warnings of a comparison: what in it could mislead, and what to do about it. Their words stand in `optlab.rules`."""

import math
from collections.abc import Sequence

import numpy as np

from optlab.analysis.judge import tuning
from optlab.analysis.judge.compare import Comparison
from optlab.analysis.judge.contest import Contender, Contest, passed_over
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.qualify import SHOWN, typical_runs, unfinished
from optlab.analysis.judge.seconds import HOW, about_seconds, shared
from optlab.analysis.judge.statistics import MOST_SEEDS
from optlab.analysis.judge.stopped import crossed
from optlab.analysis.judge.studies import arm_of, still_tuning, warnings_of
from optlab.analysis.read.plans import Study
from optlab.analysis.read.runs import Run
from optlab.rules.ends import EARLY
from optlab.rules.messages import Message, message, phrase
from optlab.rules.warnings import EDGE_KINDS
from optlab.rules.words import counted, enumerated

EXPLORATORY = 5  # fewer seeds than this explore
ALARM = 3.0  # standard errors between validation and test
WORTH_TYPING = 100  # seeds: a command for more is not offered
SETTLED = 5  # epochs before training accuracy can be set against validation


def cautions(contest: Contest, comparisons: Sequence[Comparison], found: Sequence[Study] = ()) -> list[Message]:
    """Every warning that holds, the gravest first; of a study that still tunes, those that its end cannot take back."""
    if still_tuning(contest, found):
        return [*failed(contest), *cut(contest), *diverged(contest), *without_edges(contest, found)]
    return [
        *unfinished(contest),
        *failed(contest),
        *cut(contest),
        *held_back(contest),
        *diverged(contest),
        *edges(contest, found),
        *budgets(contest),
        *ended_early(contest),
        *crossed(contest, found),
        *test_alarm(contest),
        *train_alarm(contest),
        *seeds(contest, comparisons, found),
        *disputed(comparisons),
        *typical_runs(contest, comparisons),
        *unpaired(comparisons),
        *numerics(contest),
        *about_seconds(contest, differing(contest)),
        *still_improving(contest),
        *chosen_on_the_same(contest),
        *several_plans(contest, found),
        *extended(contest, found),
        *shared(contest),  # which is so by default, and no fault
    ]


def failed(contest: Contest) -> list[Message]:
    count = sum(run.record.status == "failed" for run in contest.runs)
    return [message("failed_runs", n=count)] if count else []


def cut(contest: Contest) -> list[Message]:
    """Runs whose history is not whole: what they came to stands in run.json, but their curves end early."""
    curves = [run.folder.name for run in contest.runs if run.is_cut]
    within = [run.folder.name for run in contest.runs if run.is_cut_within]
    said = [message("cut_history", n=len(curves), runs=some_of(curves))] if curves else []
    return [*said, *([message("cut_instruments", n=len(within), runs=some_of(within))] if within else [])]


def some_of(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names if len(names) <= SHOWN else [*names[:SHOWN], "..."])


def held_back(contest: Contest) -> list[Message]:
    """Configurations that would have been chosen but for a failed run; of a study, its own warnings say so."""
    over = {c.name: missed for c in contest.contenders if (missed := passed_over(c, contest.selection)) is not None}
    return [message("passed_over", name, configuration=missed.label) for name, missed in over.items()]


def diverged(contest: Contest) -> list[Message]:
    found = []
    for c in contest.contenders:
        count = sum(run.record.status == "diverged" for run in c.entered)
        if count:
            record, metric = c.entered[0].record, contest.metric
            score = metric.text(metric.floor(record))
            fields: dict[str, object] = {"n": count, "seeds": len(c.entered), "configuration": label(c), "score": score}
            if metric.has_chance_level(record):
                found.append(message("diverged", c.name, **fields))
            else:
                found.append(
                    message("diverged_without_chance_level", c.name, metric=metric.label.capitalize(), **fields)
                )
    return found


def edges(contest: Contest, found: Sequence[Study]) -> list[Message]:
    """Winners on an edge of what was searched, and what the studies themselves have to say besides."""
    arms = {c.name: arm_of(c, found) for c in contest.contenders}
    on_edge = {c.name: where for c in contest.contenders if (where := tuning.on_the_edge(c, arms[c.name]))}
    known = {arm.name for name in on_edge if (arm := arms[name]) is not None}
    return [
        *(message("not_tuned", name, edges="; ".join(where)) for name, where in on_edge.items()),
        *(said for said in warnings_of(contest, found) if said.kind not in EDGE_KINDS or said.subject not in known),
    ]


def without_edges(contest: Contest, found: Sequence[Study]) -> list[Message]:
    """What the studies warn of, save edges: a study that still tunes may leave them."""
    return [said for said in warnings_of(contest, found) if said.kind not in EDGE_KINDS]


def budgets(contest: Contest) -> list[Message]:
    """Unequal numbers of tuned configurations, or of epochs a trial."""
    trials = {c.name: tuning.spent(c)[0].trials for c in contest.contenders}
    if len(set(trials.values())) > 1:
        kind = "unequal_trials_so_far" if contest.unfinished else "unequal_trials"
        return [message(kind, trials=counted(trials, "trial"))]
    runs = {c.name: len(c.tuning) for c in contest.contenders}
    if len(set(runs.values())) > 1 and not contest.unfinished:
        return [message("unequal_runs", runs=counted(runs, "run"))]
    return []


def ended_early(contest: Contest) -> list[Message]:
    """Runs that ended before their planned number of epochs, so that what is compared had unequal budgets."""
    found = []
    for c in contest.contenders:
        ends = [end for run in c.entered if (end := run.record.ended or {}).get("reason") in EARLY]
        if ends:
            epochs = sorted({int(end.get("epoch") or 0) for end in ends})
            after = f"{epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else str(epochs[0])
            reasons = enumerated(list(dict.fromkeys(str(end["reason"]) for end in ends)))
            fields = {"part": len(ends), "seeds": len(c.entered), "epochs": after, "reasons": reasons}
            found.append(phrase("ended_early_of", name=c.name, **fields))
    return [message("ended_early", contenders="; ".join(found))] if found else []


def test_alarm(contest: Contest) -> list[Message]:
    return _alarm(contest, "validation_above_test", "test", contest.contenders)


def train_alarm(contest: Contest) -> list[Message]:
    """Validation above training, where neither augmentation nor the way it is measured explains it.

    Training accuracy is a running mean over an epoch in which the weights improve: it lags until its curve is flat.
    """
    if any(_augment(run) != "none" for run in contest.runs):
        return []
    settled = [c for c in contest.contenders if _flat(c, contest.selection)]
    return _alarm(contest, "validation_above_training", "train", settled)


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


def _alarm(contest: Contest, kind: str, part: str, contenders: Sequence[Contender]) -> list[Message]:
    """Accuracy on validation more than three standard errors of sampling above that on another part."""
    if contest.selection.kind != "acc":
        return []
    found = []
    for c in contenders:
        above, below = (mean_of(c, contest.selection.of_part(name)) for name in ("val", part))
        sizes = [c.entered[0].record.data.get(name) for name in ("val", part)] if c.entered else []
        if above is None or below is None or not all(sizes):
            continue
        error = math.sqrt(sum(p * (1 - p) / float(n) for p, n in zip((above, below), sizes, strict=True) if n))
        if error and (above - below) / error > ALARM:
            high, low = (contest.selection.of_part(name).label for name in ("val", part))
            gap, errors = contest.selection.gap(above - below), (above - below) / error
            found.append(message(kind, c.name, high=high, low=low, gap=gap, errors=errors))
    return found


def seeds(contest: Contest, comparisons: Sequence[Comparison], found: Sequence[Study]) -> list[Message]:
    """Too few seeds: under five they explore; else too few for the gap between the first two."""
    if not comparisons:
        return []
    n = min(c.n for c in comparisons)
    if n < EXPLORATORY:
        more = "seed=0,1,2,3,4"
        if found:
            more = found[0].with_seeds(EXPLORATORY) or f"hydra.sweeper.confirmation_seeds={EXPLORATORY}"
        return [message("exploratory", n=n, command=more)]
    lead = comparisons[0]
    if lead.differ or lead.seeds_needed is None:  # then more seeds are not what is missing
        return []
    gap = contest.metric.gap(lead.difference)
    pair = {"better": lead.better, "worse": lead.worse}
    typed = (
        found[0].with_seeds(roughly(lead.seeds_needed))
        if found and lead.n < lead.seeds_needed <= WORTH_TYPING
        else None
    )
    how = " " + phrase("adds_seeds", command=typed) if typed else ""
    return [message("few_seeds", gap=gap, seeds=lead.n, settle=settle(lead), how=how, **pair)]


def disputed(comparisons: Sequence[Comparison]) -> list[Message]:
    return [
        message(
            "disputed",
            c.better,
            better=c.better,
            worse=c.worse,
            decision=phrase("differ" if c.differ else "not_told_apart"),
            t_p=c.t_p_holm,
            sign_flip_p=c.sign_flip_p_holm,
        )
        for c in comparisons
        if c.disputed
    ]


def unpaired(comparisons: Sequence[Comparison]) -> list[Message]:
    """Pairs whose seeds differ; with one seed each there is nothing to pair."""
    pairs = [enumerated((c.better, c.worse)) for c in comparisons if not c.paired and c.n > 1]
    every = phrase("pairs_of", pairs=len(pairs), all=len(comparisons))
    return [message("not_paired", pairs="; ".join(pairs) if len(pairs) <= SHOWN else every)] if pairs else []


def numerics(contest: Contest) -> list[Message]:
    """What changes bits, where the compared runs differ in it; of most of that seconds do not compare either."""
    found = differing(contest)
    named = [phrase("numerics_of", name=name, values=enumerated(values)) for name, values in found.items()]
    seconds = " " + phrase("nor_seconds") if set(found) & set(HOW) else ""
    return [message("numerics", differences="; ".join(named), seconds=seconds)] if found else []


def differing(contest: Contest) -> dict[str, list[str]]:
    """The values of what the compared runs differ in, by name; runs from before this was recorded are left out.

    The engines eager and loop take the same steps with the same bits (tests/engine), so they count as one.
    """
    recorded = [run.record.numerics for c in contest.contenders for run in c.entered]
    known = [each | {"engine": "eager"} if each.get("engine") == "loop" else each for each in recorded]
    names = dict.fromkeys(name for each in known for name in each)
    values = {name: list(dict.fromkeys(shown(each[name]) for each in known if name in each)) for name in names}
    return {name: several for name, several in values.items() if len(several) > 1}


def still_improving(contest: Contest) -> list[Message]:
    """The best epoch is the last one in most seeds: the order may change with more epochs."""
    found = []
    for c in contest.contenders:
        over = [run for run in c.entered if run.record.status == "finished" and run.record.best.get("epoch")]
        last = sum(run.record.best["epoch"] == run.horizon for run in over)
        if over and 2 * last > len(over):
            found.append(phrase("seeds_of", name=c.name, part=last, seeds=len(over)))
    return [message("still_improving", contenders=enumerated(found))] if found else []


def chosen_on_the_same(contest: Contest) -> list[Message]:
    if contest.confirmed or all(len(c.tried) < 2 for c in contest.contenders):
        return []
    return [message("chosen_on_the_same")]


def several_plans(contest: Contest, found: Sequence[Study] = ()) -> list[Message]:
    """Runs of studies that are not one; the versions of an extended one are."""
    known = {plan: str(sorted(study.hashes)) for study in found for plan in study.hashes}
    typed = (str(run.record.config.get("protocol")) for c in contest.contenders for run in c.entered)
    plans = {known.get(plan, plan) for plan in typed}
    return [message("several_plans")] if len(plans) > 1 else []


def extended(contest: Contest, found: Sequence[Study]) -> list[Message]:
    """Seeds that were added to a study: who adds some until two differ finds differences where there are none."""
    looks = [seeds for study in found if len(seeds := study.seeds) > 1]
    return [message("extended", before=enumerated(map(str, seeds[:-1])), seeds=seeds[-1]) for seeds in looks[:1]]


# -- what they are about


def settle(comparison: Comparison) -> str:
    """How many seeds would tell a pair apart that cannot be told apart yet."""
    if comparison.sd is None:
        return phrase("settle_unknown")
    if comparison.seeds_range is None:
        return phrase("settle_never", most=MOST_SEEDS)
    return phrase("settle_about", seeds=seeds_in_words(*comparison.seeds_range))


def seeds_in_words(fewest: int, most: int | None) -> str:
    """`20 to 350 seeds`, no more exact than they are known."""
    low = roughly(fewest)
    if most is None:
        return phrase("seeds_least", low=low, most=MOST_SEEDS)
    high = roughly(most)
    return phrase("seeds_exact", low=low) if low == high else phrase("seeds_range", low=low, high=high)


def roughly(seeds: int) -> int:
    """Two digits of a number of seeds: 352 is 350."""
    return seeds if seeds < 100 else round(seeds, 1 - math.floor(math.log10(seeds)))


def shown(value: object) -> str:
    """A value in run.json, in a few words."""
    if isinstance(value, dict):
        return ", ".join(f"{number} x {kind}" for kind, number in value.items()) or phrase("none")
    return phrase("none") if value is None else str(value).lower() if isinstance(value, bool) else str(value)


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
