"""What a study runs next, on surfaces whose best learning rate is known."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from optlab.rules.choice import Score
from optlab.sweep.study.conduct import result, warnings
from optlab.sweep.study.rounds import Trial, Tuning, edges_of, next_round, tune
from optlab.sweep.study.samplers import TreeParzen
from tests.sweep.surfaces import Surface, conduct, lrs, peak, protocol, read


def tuned(plan, known, propose=None) -> list[Tuning]:  # type: ignore[no-untyped-def]
    return [tune(plan, arm, known, propose) for arm in plan.arms]


DIVERGED = Score(0.1, -math.inf, trained=False)


def texts(tunings: Sequence[Tuning]) -> list[str]:
    return [str(warning) for warning in warnings(tunings)]


def chosen_lr(tuning: Tuning) -> float:
    assert tuning.winner is not None
    return float(tuning.winner.settings["lr"])


@pytest.mark.parametrize("best", [2e-4, 1e-3, 7e-3])
def test_the_best_lr_of_each_optimizer_is_found_within_half_a_grid_step(best: float) -> None:
    plan = protocol("adam", "sgd")
    rounds, known = conduct(plan, peak({"adam": best, "sgd": 30 * best}))
    for tuning, true in zip(tuned(plan, known), (best, 30 * best), strict=True):
        assert abs(math.log10(chosen_lr(tuning) / true)) <= 0.25 + 1e-3
        assert tuning.tuned
        assert not tuning.edges
    assert [each.phase for each in rounds] == ["tune", "confirm"]


def test_each_optimizer_gets_the_same_number_of_trials_from_its_own_space() -> None:
    rounds, _ = conduct(protocol("sgd", "adam", "rmsprop"), peak({"sgd": 0.03, "adam": 1e-3, "rmsprop": 3e-4}))
    assert lrs(rounds[0].runs, "sgd") == [0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0]
    assert lrs(rounds[0].runs, "adam") == [3e-5, 9.49e-5, 3e-4, 9.49e-4, 3e-3, 9.49e-3, 0.03]
    for name in ("sgd", "adam", "rmsprop"):
        assert sum(read(words)["optimizer"] == name for words in rounds[0].runs) == 7 * 2
        assert sum(read(words)["optimizer"] == name for words in rounds[1].runs) == 5


def test_tuning_and_confirmation_never_share_a_seed() -> None:
    rounds, known = conduct(plan := protocol("adam"), peak({"adam": 1e-3}))
    assert {read(words)["seed"] for words in rounds[0].runs} == {"0", "1"}
    assert [read(words)["seed"] for words in rounds[1].runs] == ["2", "3", "4", "5", "6"]
    assert {read(words)["phase"] for words in rounds[0].runs} == {"tune"}
    assert {read(words)["phase"] for words in rounds[1].runs} == {"confirm"}
    assert lrs(rounds[1].runs, "adam") == [chosen_lr(tuned(plan, known)[0])]


def test_every_run_is_a_list_of_overrides_that_can_be_typed() -> None:
    plan = protocol("adam", track="family", sampler="halton", metric="val/loss", trials=3)
    rounds, _ = conduct(plan, peak({"adam": 1e-3}))
    words = rounds[0].runs[0]
    assert words[0] == "model=linear"  # what was typed for all
    assert read(words).keys() == {
        *("model", "optimizer", "optimizer.lr", "optimizer.betas", "optimizer.eps", "optimizer.weight_decay"),
        *("metric", "seed", "phase", "protocol"),
    }
    beta1, beta2 = read(words)["optimizer.betas"].strip("[]").split(",")
    assert 0.5 <= float(beta1) <= 0.99
    assert beta2 == "0.999"  # left as it is
    assert read(words)["metric"] == "val/loss"
    assert read(words)["protocol"] == plan.hash


# -- the edge rule


@pytest.mark.parametrize(("best", "beyond"), [(0.08, [0.0949, 0.3]), (1.1e-5, [3e-6, 9.49e-6])])
def test_a_winner_on_the_edge_extends_the_space_by_two_points_at_the_same_ratio(
    best: float, beyond: list[float]
) -> None:
    plan = protocol("adam", "sgd")
    rounds, known = conduct(plan, peak({"adam": best, "sgd": 0.03}))
    assert [each.phase for each in rounds] == ["tune", "tune", "confirm"]
    assert lrs(rounds[1].runs, "adam") == beyond
    assert lrs(rounds[1].runs, "sgd") == []
    adam, sgd = tuned(plan, known)
    assert (adam.extensions, adam.edges, len(adam.trials)) == (1, {}, 9)
    assert (sgd.extensions, sgd.edges, len(sgd.trials)) == (0, {}, 7)
    assert chosen_lr(adam) in beyond
    assert texts([adam, sgd]) == []


@pytest.mark.parametrize("extensions", [0, 1, 3])
def test_a_winner_that_stays_on_the_edge_is_confirmed_and_called_not_tuned(extensions: int) -> None:
    plan = protocol("adam", extensions=extensions)
    rounds, known = conduct(plan, peak({"adam": 1e6}))
    [adam] = tuned(plan, known)
    assert len(rounds) == 2 + extensions
    assert (adam.extensions, adam.edges, len(adam.trials)) == (extensions, {"lr": "high"}, 7 + 2 * extensions)
    assert not adam.tuned
    assert rounds[-1].phase == "confirm"
    [warning] = texts([adam])
    assert "adam is not tuned" in warning
    assert f"{chosen_lr(adam):g}" in warning


def lowest(name: str) -> Surface:
    """A surface on which less of a hyperparameter is better."""
    return lambda run: Score(-float(run[f"optimizer.{name}"]), 0.0)


def test_a_winner_at_the_limit_of_its_parameter_is_not_tuned() -> None:
    space = {"momentum": {"low": 0.5, "high": 0.99, "scale": "one_minus_log"}}
    plan = protocol("momentum", space=space, trials=3)
    rounds, known = conduct(plan, lowest("momentum"))
    [tuning] = tuned(plan, known)
    assert [trial.settings["momentum"] for trial in tuning.trials] == [0.5, 0.9293, 0.99, 0.0]
    assert len(rounds) == 3  # there is nothing below 0
    assert (tuning.extensions, tuning.edges, tuning.tuned) == (1, {"momentum": "low"}, False)
    assert "momentum is not tuned: its best has momentum 0 on the low edge" in texts([tuning])[0]


def test_whole_numbers_are_not_tried_twice_beyond_the_edge() -> None:
    space = {"history_size": {"low": 3, "high": 6, "scale": "log"}}
    plan = protocol("lbfgs", space=space, trials=4)
    rounds, known = conduct(plan, lowest("history_size"))
    [tuning] = tuned(plan, known)
    assert [trial.settings["history_size"] for trial in tuning.trials] == [3, 4, 5, 6, 2, 1]
    assert (len(rounds), tuning.edges, tuning.tuned) == (3, {"history_size": "low"}, False)


@pytest.mark.parametrize(
    ("name", "edge", "factor"),
    [("lr", "high", 1000 ** (1 / 8)), ("eps", "high", 1e7 ** (1 / 8)), ("weight_decay", "low", 1e4 ** (-1 / 8))],
)
def test_in_several_dimensions_every_hyperparameter_counts(name: str, edge: str, factor: float) -> None:
    plan = protocol("adam", track="family", sampler="halton", trials=9)  # so a step is an eighth of a range
    sign = 1 if edge == "high" else -1
    rounds, known = conduct(plan, lambda run: Score(sign * math.log10(float(run[f"optimizer.{name}"])), 0.0))
    [adam] = tuned(plan, known)
    first, last = adam.trials[:9], adam.trials[-1]
    winner = max(first, key=lambda trial: sign * trial.settings[name])
    beyond = [trial for trial in adam.trials[9:] if trial.extends == name]

    # Two more trials each time, a grid step apart, all else as the winner's.
    assert [trial.settings[name] for trial in beyond] == [
        pytest.approx(winner.settings[name] * factor**step, rel=0.01) for step in (1, 2, 3, 4)
    ]
    assert all(trial.settings | {name: 0} == winner.settings | {name: 0} for trial in beyond)
    assert adam.extensions == 2
    assert adam.edges[name] == edge
    assert not adam.tuned
    assert read(rounds[-1].runs[0])["phase"] == "confirm"
    assert f"{name} {last.settings[name]:g} on the {edge}" in texts([adam])[0]

    # What was searched, in its last form.
    spaces = adam.space.to_dict(), adam.arm.space.to_dict()
    assert spaces[0][name][edge] == last.settings[name] != spaces[1][name][edge]
    assert all(spaces[0][key] == spaces[1][key] for key in spaces[1].keys() - {trial.extends for trial in adam.trials})


def test_an_edge_is_half_a_grid_step_wide_and_failed_trials_lie_beyond_nothing() -> None:
    plan = protocol("sgd", trials=5, sampler="halton")
    [arm] = plan.arms
    trials = [Trial(number, (x,), arm.space.settings((x,))) for number, x in enumerate([0.0, 0.3, 0.7, 0.88, 1.0])]
    edges = [edges_of(plan, arm, trials, trial) for trial in trials]
    assert edges == [{"lr": "low"}, {}, {}, {"lr": "high"}, {"lr": "high"}]
    assert edges_of(plan, arm, trials[:3], trials[2]) == {"lr": "high"}

    def fails_above(run: Mapping[str, str]) -> Score | None:
        return None if float(run["optimizer.lr"]) > 0.05 else Score(float(run["optimizer.lr"]), 0.0)

    plan = protocol("sgd", extensions=0)
    [sgd] = tuned(plan, conduct(plan, fails_above)[1])
    assert (chosen_lr(sgd), sgd.edges) == (0.0316, {"lr": "high"})


def test_the_result_says_who_is_tuned_what_lies_on_an_edge_and_what_was_searched() -> None:
    plan = protocol("adam", "sgd", extensions=1)
    _, known = conduct(plan, peak({"adam": 1e6, "sgd": 0.03}))
    adam, sgd = result(plan, tuned(plan, known), complete=True)["arms"]
    assert (adam["tuned"], adam["edges"], adam["extensions"]) == (False, {"lr": "high"}, 1)
    assert adam["space"] == {"lr": {"low": 3e-5, "high": 0.3, "scale": "log"}}
    assert (sgd["tuned"], sgd["edges"], sgd["extensions"]) == (True, {}, 0)
    assert sgd["space"] == {"lr": {"low": 0.001, "high": 1.0, "scale": "log"}}


# -- choosing


def test_a_diverged_run_counts_as_chance_and_is_not_dropped() -> None:
    def surface(run: Mapping[str, str]) -> Score | None:
        lr, seed = float(run["optimizer.lr"]), run["seed"]
        if lr == 0.316:  # the best by far on one seed
            return Score(0.99, -0.1) if seed == "0" else DIVERGED
        return peak({"sgd": 0.03})(run)

    plan = protocol("sgd")
    _, known = conduct(plan, surface)
    assert chosen_lr(tuned(plan, known)[0]) == 0.0316


def test_what_diverged_on_every_seed_does_not_win_over_what_trained_below_chance() -> None:
    def surface(run: Mapping[str, str]) -> Score:
        return Score(0.05, -2.4) if float(run["optimizer.lr"]) == 0.0316 else DIVERGED

    plan = protocol("sgd")
    assert chosen_lr(tuned(plan, conduct(plan, surface)[1])[0]) == 0.0316


def test_where_everything_diverges_the_space_is_extended_downwards() -> None:
    plan = protocol("sgd", extensions=1)
    rounds, known = conduct(plan, peak({"sgd": 1.0}, diverges_at=0))
    assert lrs(rounds[1].runs, "sgd") == [1e-4, 3.16e-4]
    assert chosen_lr(tuned(plan, known)[0]) == 1e-4


def test_ties_go_to_the_lower_loss_and_then_to_the_smaller_lr() -> None:
    losses = {0.01: 0.3, 0.0316: 0.2, 0.1: 0.2}

    def surface(run: Mapping[str, str]) -> Score:
        lr = float(run["optimizer.lr"])
        return Score(0.9, -losses[lr]) if lr in losses else Score(0.5, 0.0)

    plan = protocol("sgd")
    assert chosen_lr(tuned(plan, conduct(plan, surface)[1])[0]) == 0.0316


def test_a_trial_with_a_failed_run_cannot_win_and_is_named() -> None:
    def surface(run: Mapping[str, str]) -> Score | None:
        broken = float(run["optimizer.lr"]) == 0.0316 and run["seed"] == "1"
        return None if broken else peak({"sgd": 0.03})(run)

    plan = protocol("sgd")
    _, known = conduct(plan, surface)
    [sgd] = tuned(plan, known)
    assert chosen_lr(sgd) != 0.0316
    assert sgd.failed == 1
    assert "1 of 7 trials have a failed run" in texts([sgd])[0]


def test_an_optimizer_that_always_fails_does_not_hold_up_the_others() -> None:
    plan = protocol("sgd", "adam")
    rounds, known = conduct(plan, lambda run: None if run["optimizer"] == "sgd" else peak({"adam": 1e-3})(run))
    assert {read(words)["optimizer"] for words in rounds[-1].runs} == {"adam"}
    assert "sgd: nothing could be chosen" in texts(tuned(plan, known))[-1]


def test_values_that_are_all_fixed_are_confirmed_at_once() -> None:
    plan = protocol("sgd", space={"lr": 0.0631, "momentum": 0.99}, confirmation_seeds=3)
    rounds, _ = conduct(plan, peak({"sgd": 0.03}))
    assert [(each.phase, len(each.runs)) for each in rounds] == [("confirm", 3)]
    assert read(rounds[0].runs[0])["optimizer.lr"] == "0.0631"
    assert read(rounds[0].runs[0])["optimizer.momentum"] == "0.99"
    assert plan.fewest_runs == plan.most_runs == 3


# -- going on


def test_a_study_that_was_stopped_anywhere_makes_the_same_runs_in_the_end() -> None:
    plan = protocol("adam", "sgd", trials=4)
    surface = peak({"adam": 0.5, "sgd": 0.03})
    rounds, complete = conduct(plan, surface)
    order = [words for each in rounds for words in each.runs]
    assert len(rounds) > 2  # with extensions
    for stop in range(0, len(order), 3):
        known = {words: complete[words] for words in order[:stop]}
        while (upcoming := next_round(plan, known)) is not None:
            known |= {words: surface(read(words)) for words in upcoming.runs}
        assert known == complete
        assert tuned(plan, known) == tuned(plan, complete)


def test_nothing_is_confirmed_while_any_optimizer_is_being_tuned() -> None:
    plan = protocol("adam", "sgd")
    _, complete = conduct(plan, peak({"adam": 1e-3, "sgd": 0.03}))
    last = next(words for words in reversed(complete) if "phase=tune" in words)
    known = {words: score for words, score in complete.items() if words != last and "phase=tune" in words}
    upcoming = next_round(plan, known)
    assert upcoming is not None
    assert (upcoming.phase, upcoming.runs) == ("tune", (last,))


def test_tpe_finds_a_good_lr_and_repeats_itself_with_and_without_its_journal(tmp_path: Path) -> None:
    plan = protocol("sgd", sampler="tpe", trials=8, tuning_seeds=1, extensions=0)
    surface = peak({"sgd": 0.03})
    rounds, known = conduct(plan, surface, TreeParzen(tmp_path, 0, 8))
    assert [len(each.runs) for each in rounds] == [1] * 8 + [5]
    [sgd] = tuned(plan, known, TreeParzen(tmp_path, 0, 8))
    assert abs(math.log10(chosen_lr(sgd) / 0.03)) < 0.5
    assert len((tmp_path / "tpe.journal").read_text().splitlines()) > 8

    _, again = conduct(plan, surface, TreeParzen(tmp_path / "new", 0, 8))
    assert list(again) == list(known)
    (tmp_path / "tpe.journal").unlink()
    for stop in (3, 8):  # the journal is lost, the runs are not
        cut = dict(list(known.items())[:stop])
        upcoming = next_round(plan, cut, TreeParzen(tmp_path, 0, 8))
        assert upcoming is not None
        assert set(upcoming.runs) <= set(known)
    _, other = conduct(plan, surface, TreeParzen(tmp_path / "other", 1, 8))
    assert list(other) != list(known)
