"""English: the words of every warning, caution and problem by kind, of the verdict, and how numbers take a noun.

A template is a text with fields in braces, or a pair of texts for one and for many, chosen by the field `n`. Another
language is a module with the same names.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Template = str | tuple[str, str]

MESSAGES: dict[str, Template] = {
    # what a report warns of
    "unfinished": (
        "Provisional: {n:,} run of {runs} not finished yet.",
        "Provisional: {n:,} runs of {runs} not finished yet.",
    ),
    "failed_runs": (
        "{n:,} run failed with an exception and is left out.",
        "{n:,} runs failed with an exception and are left out.",
    ),
    "cut_history": (
        "The metrics.csv of {n:,} run is missing or has fewer rows than the run had epochs ({runs}): its curve and "
        "what is read from it are not whole; its final values are.",
        "The metrics.csv of {n:,} runs are missing or have fewer rows than the runs had epochs ({runs}): their curves "
        "and what is read from them are not whole; their final values are.",
    ),
    "cut_instruments": (
        "The instruments.csv of {n:,} run has no rows for the end of the run ({runs}): its figures of instruments are "
        "not whole.",
        "The instruments.csv of {n:,} runs have no rows for the end of the run ({runs}): their figures of instruments "
        "are not whole.",
    ),
    "passed_over": "{subject}: {configuration} has the better mean, but a failed run, so it was not in the choice.",
    "diverged": "{subject} diverged in {n} of {seeds} seeds at {configuration}; each counts as {score}.",
    "diverged_without_chance_level": (
        "{subject} diverged in {n} of {seeds} seeds at {configuration}. {metric} has no chance level: each counts as "
        "{score}, the worst seen, in means, tests and figures, and is never chosen before a run that finished."
    ),
    "curves_crossed": (
        "{subject}: learning curves crossed behind a rung. Its winner ({configuration}) was number {place} of the "
        "{kept} trials that went on behind epoch {rung}, so one that was stopped there might have come up too."
    ),
    "not_tuned": "{subject} is not tuned: its winner is on the edge of what was searched ({edges}).",
    "unequal_trials": "Unequal tuning budgets: {trials}.",
    "unequal_trials_so_far": "Unequal tuning budgets so far: {trials}.",
    "unequal_runs": "Unequal tuning budgets: {runs}.",
    "validation_above_test": (
        "{subject}: {high} is {gap} above {low}, {errors:.1f} standard errors: chosen or leaked from validation."
    ),
    "validation_above_training": (
        "{subject}: {high} is {gap} above {low}, {errors:.1f} standard errors: look for training samples in the "
        "validation split."
    ),
    "exploratory": (
        "Exploratory: {n} seed only; {command} runs more.",
        "Exploratory: {n} seeds only; {command} runs more.",
    ),
    "few_seeds": ("Few seeds for the gap: {better} and {worse} are {gap} apart, here are {seeds} seeds; {settle}{how}"),
    "extended": (
        "Seeds were added: the study had {before} confirmation seeds and was extended to {seeds}. The p values take no "
        "account of the looks before: who adds seeds until two differ finds differences where there are none."
    ),
    "disputed": (
        "{better} and {worse}: the t-test says {decision}, the sign-flip test does not agree (p {t_p:.3f} and "
        "{sign_flip_p:.3f} after Holm). Look at the single seeds."
    ),
    "not_paired": "Not paired by seed, so less sharp: {pairs}. Run all optimizers with the same seeds.",
    "numerics": (
        "Not computed alike: {differences}. Such runs are rounded differently, and that grows as they train; to rule "
        "it out, repeat them alike.{seconds}"
    ),
    "seconds_unlike": (
        "Seconds do not compare, as runs were computed in several ways: {differences}. Epochs and samples compare."
    ),
    "side_by_side": (
        "Seconds are those of runs side by side: {beside} of {runs} trained beside others on the same device, up to "
        "{most} at a time. Epochs and samples are the same either way."
    ),
    "disturbed": (
        "Seconds do not compare: a step of {subject} took {fastest:.3g} to {slowest:.3g} ms in runs computed alike; "
        "{why}. Undisturbed seconds count each step as long as in the fastest run, which may have been slowed down too."
    ),
    "ended_early": (
        "Runs ended before their planned epochs: {contenders}. What is compared had unequal budgets then, and is each "
        "optimizer with the rule that ended it."
    ),
    "still_improving": "The best epoch is the last one: {contenders}. More epochs may turn the order round.",
    "chosen_on_the_same": (
        "Configurations were chosen and compared on the same seeds, which flatters those that tried more. "
        "hydra/sweeper=study confirms the winners on fresh seeds."
    ),
    "several_plans": ("Runs of several plans are compared together; budgets and seeds may not be those of one study."),
    # what a headline must not be read without
    "all_diverged": "A diverged run counts as {score}, whatever the optimizer. Smaller learning rates may train.",
    "at_chance": "Even the best, {best}, lies within the sampling error of guessing ({chance}).",
    "untuned": "Not tuned: each ran at one learning rate only, which may decide as much as what is compared.",
    "partly_untuned": "Not tuned: {names} ran at one learning rate only.",
    "on_edge": "Not tuned: the chosen values of {names} lie on the edge of what was searched.",
    "typical_run": (
        "Means and typical runs disagree: {subject} has the better mean but the worse median ({median} against {other} "
        "of {worse}), and a run of it beats one of {worse} with a chance of {share:.2f} only."
    ),
    # what a study warns of, and its report after it
    "edge_remains": ("{subject} is not tuned: its best has {edges} edge of what was tried, without an extension."),
    "edge_remains_extended": (
        "{subject} is not tuned: its best has {edges} edge of what was tried, after {n} extension.",
        "{subject} is not tuned: its best has {edges} edge of what was tried, after {n} extensions.",
    ),
    "failed_trials": "{subject}: {failed} of {trials} trials have a failed run: not in the choice.",
    "nothing_chosen": "{subject}: nothing could be chosen, as every trial has a failed run.",
    # advice at the end of a run
    "gradients_explode": (
        "Gradients explode in {subject}: a norm of {norm:.3g} in epoch {epoch} (step {step:,}, {how}), and {bad}; type "
        "{words}."
    ),
    "lr_too_large": "The learning rate looks too large: {evidence}; {remedy}.",
    "dead_units": (
        "Dead units in {subject}: {share:.0f} % of them got no gradient in each of the last {measurements} measured "
        "steps ({first:.0f} % in the first); {remedy}."
    ),
    "schedule_ended": (
        "The schedule ({subject}) ended too early: from epoch {epoch} to {last} the learning rate is below "
        "{share:g} % of its peak, and the training loss, which fell from {before:.4g} to {then:.4g} in {window} epochs "
        "before, only came to {end:.4g}; {remedy}."
    ),
    "lr_too_small": (
        "The learning rate looks too small: an update is {ratio:.1e} of the weights (median of {steps} measured steps; "
        "{usual:g} is usual), and the training loss still falls in a straight line ({before:.4g} in epoch {since}, "
        "{end:.4g} in epoch {epoch}); {remedy}."
    ),
    "validation_rises": (
        "The validation loss rises since epoch {epoch}, from {lowest:.4g} to {end:.4g}, while the training loss falls "
        "from {train_then:.4g} to {train_end:.4g}; type {words}."
    ),
    "still_falls": (
        "The loss still falls at the last epoch: {metric} {before:.4g} in epoch {since}, {end:.4g} in epoch {epoch}; "
        "type {words}."
    ),
    # what is wrong with the record of a run, and what to do about it
    "damaged": "{error}; remove that file to run the job again",
    "other_schema": "{error}; update optlab, or type another sweep=",
    "unreadable": "{error}",
    "unreadable_schema": "{error}",
    # what the learning-rate finder says of its test
    "find_lr_first_step": (
        "No lr is suggested: that of {subject} is the length of its first step alone; after that each weight has a "
        "step of its own, so the curve does not depend on it. Keep the default."
    ),
    "find_lr_edge": (
        "The loss was still falling at {high:g}, the highest lr of the test, so a larger one may be better; type "
        "find_lr.high={higher:g}"
    ),
    "find_lr_at_once": (
        "No lr is suggested: training diverges at once, at lr {last:.2g}; type find_lr.low={lower:g}, or look at the "
        "inputs: are they normalised?"
    ),
    "find_lr_no_fall": (
        "No lr is suggested: the loss does not fall by more than its noise before it diverges at lr {last:.2g}; type "
        "find_lr.low={low:.2g} find_lr.high={high:.2g} find_lr.steps={steps}, which are more steps a decade, or "
        "find_lr.seeds=5"
    ),
    "find_lr_flat": (
        "No lr is suggested: from {low:g} to {high:g} the loss neither falls by more than its noise nor diverges; type "
        "find_lr.steps={steps} or find_lr.seeds=5, and if it stays flat this network learns nothing from these data"
    ),
}

# Of the kinds that may say the same of several subjects: what is said of each, and the one sentence for all.
TOGETHER: dict[str, tuple[Template, Template]] = {
    "passed_over": (
        "{subject} ({configuration})",
        "Better means, but failed runs, so these were not in the choice: {each}.",
    ),
    "diverged": (
        "{subject} ({n} of {seeds} seeds at {configuration})",
        "Diverged: {each}; each of these runs counts as {score}.",
    ),
    "diverged_without_chance_level": (
        "{subject} ({n} of {seeds} seeds at {configuration})",
        "Diverged: {each}. {metric} has no chance level: each of these runs counts as {score}, the worst seen, in "
        "means, tests and figures, and is never chosen before a run that finished.",
    ),
    "curves_crossed": (
        "{subject} (its winner, {configuration}, was number {place} of {kept} behind epoch {rung})",
        "Learning curves crossed behind a rung, so trials that were stopped there might have come up too: {each}.",
    ),
    "not_tuned": ("{subject} ({edges})", "Not tuned, as the winner is on the edge of what was searched: {each}."),
    "validation_above_test": (
        "{subject} ({gap}, {errors:.1f} standard errors)",
        "{high} is above {low}: {each}. Chosen or leaked from validation.",
    ),
    "validation_above_training": (
        "{subject} ({gap}, {errors:.1f} standard errors)",
        "{high} is above {low}: {each}. Look for training samples in the validation split.",
    ),
    "edge_remains": (
        "{subject} ({edges} edge)",
        "Not tuned, as the best is on the edge of what was tried, without an extension: {each}.",
    ),
    "edge_remains_extended": (
        "{subject} ({edges} edge)",
        (
            "Not tuned, as the best is on the edge of what was tried, after {n} extension: {each}.",
            "Not tuned, as the best is on the edge of what was tried, after {n} extensions: {each}.",
        ),
    ),
    "failed_trials": (
        "{subject} ({failed} of {trials})",
        "Trials with a failed run, which are not in the choice: {each}.",
    ),
    "disturbed": (
        "{subject} {fastest:.3g} to {slowest:.3g} ms",
        "Seconds do not compare: in runs computed alike a step took different times ({each}); {why}. Undisturbed "
        "seconds count each step as long as in the fastest run, which may have been slowed down too.",
    ),
    "disputed": (
        "{better} and {worse} ({decision}; p {t_p:.3f} and {sign_flip_p:.3f})",
        "What the t-test says, the sign-flip test does not agree with (p of each after Holm): {each}. Look at the "
        "single seeds.",
    ),
    "typical_run": (
        "{subject} above {worse} (median {median} against {other}, a chance of {share:.2f})",
        "Means and typical runs disagree, the better mean has the worse median and mostly loses: {each}.",
    ),
    "nothing_chosen": ("{subject}", "Nothing could be chosen, as every trial has a failed run: {each}."),
}

PHRASES: dict[str, Template] = {
    "no_glyphs": (
        "figures: no font of this machine has {characters}, so pictures (PNG) show boxes there; install one that has, "
        "such as Noto Sans CJK"
    ),
    "seconds_slowed": (
        "By seconds these do not compare: runs of {names} were slowed down. Epochs and samples do; the table of tuning "
        "has undisturbed seconds."
    ),
    "seconds_unlike_here": "By seconds these do not compare: runs were computed in several ways. By epochs they do.",
    "nor_seconds": "Nor do their seconds compare.",
    "probably_other_work": "probably the machine did other work",
    "as_side_by_side": "{beside} of {runs} trained beside others on the same device, up to {most} at a time",
    "and_unlike": "and runs were computed in several ways ({differences})",
    "pairs_of": "{pairs} of {all} pairs",
    "ended_early_of": "{name} {part} of {seeds} after epoch {epochs} ({reasons})",
    "seeds_of": "{name} ({part} of {seeds} seeds)",
    "edge_low": "{name} {value:g} on the low",
    "edge_high": "{name} {value:g} on the high",
    "smallest": "{name} {value:g} is the smallest of {tried} tried",
    "largest": "{name} {value:g} is the largest of {tried} tried",
    "near_smallest": "{name} {value:g} is next to the smallest tried, {end:g}",
    "near_largest": "{name} {value:g} is next to the largest tried, {end:g}",
    "numerics_of": "{name} {values}",
    # advice at the end of a run
    "type": "type {words}",
    "remedy_larger_lr": "let the module set a larger one",
    "remedy_smaller_lr": "let the module set a smaller one",
    "remedy_longer_schedule": "let the module's schedule last as long as the run",
    "remedy_dead_from_start": "use LeakyReLU in place of ReLU, or biases that begin at 0",
    "run_diverged": "the run diverged in epoch {epoch}",
    "loss_oscillates": "the training loss rose in {rises} of the last {epochs} epochs, by {by:.3g} on average",
    "loss_stays": "the training loss ended at {end:.4g}, which is no better than {start:.4g} without learning",
    "steps_raise_loss": "{share:.0f} % of {steps} measured steps raised the loss of their own batch",
    "steps_against_gradient": "{share:.0f} % of {steps} measured steps went uphill (cosine to -gradient below 0)",
    "steps_are_large": "an update is {ratio:.2g} of the weights in the median ({usual:g} is usual)",
    "step_was_large": "an update was {ratio:.2g} of the weights ({usual:g} is usual)",
    "units_died": "{share:.0f} % of the units of {layer} have died ({first:.0f} % had no gradient at first)",
    "norm_at_first": "the first that was measured",
    "norm_before": "{norm:.3g} before",
    "none": "none",
    "differ": "differ",
    "not_told_apart": "cannot be told apart",
    # the verdict
    "runs_of": "{done} of {runs}",
    "still_tuning": "Still tuning: {runs} done; no verdict before confirmation",
    "no_verdict": "No verdict yet: no run has finished.",
    "alone": "{name} alone: {score} at {configuration}",
    "only_one": "Only {name} has finished: {score} at {configuration}. Nothing to compare it with.",
    "alone_of": "{name} alone: {score} at {configuration}, the best of {tried} configurations tried. {sure}",
    "sure_one_seed": "With one seed each, chance may have chosen it.",
    "sure_alike": "On {metric} it cannot be told apart from {names} with {seeds}.",
    "sure_apart": "On {metric} it is {margin} better than {next}, the next.",
    "every_run_diverged": "Nothing to compare: every run diverged.",
    "every_run_diverged_so_far": "Nothing to compare: every run so far diverged.",
    "nothing_learned": "No winner: nothing was learned.",
    "alone_diverged": "{name} alone: every run diverged, at {configuration}.",
    "one_seed": "No winner with one seed each: {name} scored best ({score}), {next} next ({other}).",
    "one_seed_level": "No winner with one seed each: {names} scored best, alike ({score}).",
    "best_above": "{name} is best: {score}, {margin} above {next}, the next.",
    "best_below": "{name} is best: {score}, {margin} below {next}, the next.",
    "no_winner": "No winner: {said}",
    "others": "{others} others",
    "optimizers": "{optimizers} optimizers",
    "not_told_apart_with": "cannot be told apart with {seeds}",
    "not_told_apart_from": "cannot be told apart from {names} with {seeds}",
    "best_mean": "{name} has the best mean ({score}), but {told}.",
    "lead_and": "{names} lead with {score}, and {told}.",
    "lead_but": "{names} lead with {score}, but {told}.",
    "ahead_of_many": "{name} is ahead of {others} others, by at least {margin}.",
    "ahead_of": "{name} is ahead of {others}.",
    "ahead_by": "{name} by {margin}",
    "against": "{better} against {worse}: {margin}; {settle}",
    "others_in_table": "The table of differences has the other {others}.",
    "epochs_saved": (
        "Successive halving stopped {trials} early: {epochs:,} of {whole:,} tuning epochs ({share:.0f} %) were saved."
    ),
    "no_budget_figure": "The best so far against budget is not drawn, as it takes the final value of every trial.",
    "rates": "Learning rates: {rates}.",
    "rates_chosen": "Learning rates chosen on {metric}: {rates}.",
    "apart": "{gap} apart",
    "points": "{value:.2f} points",
    "reaches_zero": "the interval reaches 0",
    "leaves_out_zero": "the interval leaves out 0",
    "corrected": " ({interval}, but the t-test has p {p:.2g} after correcting for {pairs} pairs)",
    "uncorrected": " ({interval}, but the t-test that decides has p {p:.2g})",
    "adds_seeds": "The same command with {command} adds them.",
    "settle_unknown": "more seeds are needed to say anything.",
    "settle_never": "if the true gap is this small, even {most:,} seeds would not settle it.",
    "settle_about": "{seeds} would settle it if the true gap is this large.",
    "seeds_range": "{low:,} to {high:,} seeds",
    "seeds_exact": "about {low:,} seeds",
    "seeds_least": "{low:,} seeds or more, perhaps over {most:,},",
}

PARTS = {"train": "training", "val": "validation", "test": "test"}
KINDS = {
    "loss": "loss",
    "acc": "accuracy",
    "top5": "top-5 accuracy",
    "f1": "macro F1",
    "ece": "calibration error",
    "auroc": "AUROC",
    "ap": "average precision",
    "r2": "R²",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "iou": "mean IoU",
}
KINDS_OF_TASK = {  # where a task has another name for it
    "binary": {"f1": "F1"},
    "multilabel": {"acc": "accuracy over labels", "auroc": "macro AUROC", "ap": "mean average precision"},
    "dense": {"acc": "accuracy over positions"},
}


def metric(name: str, task: str | None = None) -> str:
    """`validation accuracy` for `val/acc`; a metric of the user's own by its name."""
    part, slash, kind = name.partition("/")
    if not slash or part not in PARTS:
        return name
    return f"{PARTS.get(part, part)} {KINDS_OF_TASK.get(task or '', {}).get(kind) or KINDS.get(kind, kind)}"


def plural(n: int, noun: str) -> str:
    """`1 seed`, `5 seeds`, `1,200 runs`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def enumerated(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def counted(numbers: Mapping[str, int], noun: str) -> str:
    """`adam 9 trials, the others 7`."""
    usual = Counter(numbers.values()).most_common(1)[0][0]
    groups = {n: [name for name, k in numbers.items() if k == n] for n in sorted({*numbers.values()} - {usual})}
    shown = [f"{enumerated(names)} {plural(n, noun)}" for n, names in groups.items()]
    rest = [name for name, number in numbers.items() if number == usual]
    return f"{'; '.join(shown)}; {'the others' if len(rest) > 1 else rest[0]} {usual}"


def duration(seconds: float) -> str:
    """Two units at most: `40 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def divergence(diverged: Mapping[str, Any] | None) -> str:
    """How a diverged run (as in run.json) ended: `diverged in epoch 3`."""
    return f"diverged in epoch {(diverged or {}).get('epoch')}"
