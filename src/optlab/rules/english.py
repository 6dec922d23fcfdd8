"""English: the words of every warning, caution and problem, by kind.

A template is a text with fields in braces, or a pair of texts for one and for many, chosen by the field `n`.
"""

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
    "passed_over": "{subject}: {configuration} has the better mean, but a failed run, so it was not in the choice.",
    "diverged": "{subject} diverged in {n} of {seeds} seeds at {configuration}; each counts as {score}.",
    "diverged_without_chance_level": (
        "{subject} diverged in {n} of {seeds} seeds at {configuration}. {metric} has no chance level: each counts as "
        "{score}, the worst seen, in means, tests and figures, and is never chosen before a run that finished."
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
    "few_seeds": ("Few seeds for the gap: {better} and {worse} are {gap} apart, here are {seeds} seeds; {settle}"),
    "disputed": (
        "{better} and {worse}: the t-test says {decision}, the sign-flip test does not agree (p {t_p:.3f} and "
        "{sign_flip_p:.3f} after Holm). Look at the single seeds."
    ),
    "not_paired": "Not paired by seed, so less sharp: {pairs}. Run all optimizers with the same seeds.",
    "numerics": (
        "Not computed alike: {differences}. Such runs are rounded differently, and that grows as they train; to rule "
        "it out, repeat them alike."
    ),
    "still_improving": "The best epoch is the last one: {contenders}. More epochs may turn the order round.",
    "chosen_on_the_same": (
        "Configurations were chosen and compared on the same seeds, which flatters those that tried more. "
        "hydra/sweeper=study confirms the winners on fresh seeds."
    ),
    "several_plans": ("Runs of several plans are compared together; budgets and seeds may not be those of one study."),
    # what a study warns of, and its report after it
    "edge_remains": ("{subject} is not tuned: its best has {edges} edge of what was tried, without an extension."),
    "edge_remains_extended": (
        "{subject} is not tuned: its best has {edges} edge of what was tried, after {n} extension.",
        "{subject} is not tuned: its best has {edges} edge of what was tried, after {n} extensions.",
    ),
    "failed_trials": "{subject}: {failed} of {trials} trials have a failed run: not in the choice.",
    "nothing_chosen": "{subject}: nothing could be chosen, as every trial has a failed run.",
    # what is wrong with the record of a run, and what to do about it
    "damaged": "{error}; remove that file to run the job again",
    "other_schema": "{error}; update optlab, or type another sweep=",
    "unreadable": "{error}",
    "unreadable_schema": "{error}",
}

PHRASES: dict[str, Template] = {
    "seeds_of": "{name} ({part} of {seeds} seeds)",
    "edge_low": "{name} {value:g} on the low",
    "edge_high": "{name} {value:g} on the high",
    "smallest": "{name} {value:g} is the smallest of {tried} tried",
    "largest": "{name} {value:g} is the largest of {tried} tried",
    "near_smallest": "{name} {value:g} is next to the smallest tried, {end:g}",
    "near_largest": "{name} {value:g} is next to the largest tried, {end:g}",
    "numerics_of": "{name} {values}",
    "none": "none",
    "differ": "differ",
    "not_told_apart": "cannot be told apart",
    "settle_unknown": "more seeds are needed to say anything.",
    "settle_never": "if the true gap is this small, even {most:,} seeds would not settle it.",
    "settle_about": "about {seeds:,} seeds would settle it if the true gap is this large.",
}
