"""Each piece of advice: a run made by hand that earns it, and one that nearly does."""

import math
from dataclasses import asdict
from typing import Any

import pytest

from optlab.rules.advice import MOST, RULES, Evidence, advise
from optlab.rules.advice.typed import command, half_decade
from optlab.rules.messages import Message
from tests.rules.advice import made
from tests.rules.advice.made import EPOCHS, GUESSING, SETTLED, straight


def kinds(run: Evidence) -> list[str]:
    return [each.kind for each in advise(run)]


def only(run: Evidence) -> Message:
    (said,) = advise(run)
    return said


def diverged(run: Evidence, epoch: int) -> Evidence:
    run.record.status, run.record.diverged = "diverged", {"epoch": epoch}
    return run


def test_a_good_run_gets_none() -> None:
    assert advise(made.run()) == []


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_a_run_that_did_not_come_to_its_end_gets_none(status: str) -> None:
    run = made.run(straight(2.3, 2.2), update_ratio=1e-5)
    run.record.status = status  # type: ignore[assignment]
    assert advise(run) == []


# -- the learning rate


def test_small_updates_and_a_loss_that_falls_in_a_straight_line_are_an_lr_too_small() -> None:
    said = only(made.run(straight(2.3, 2.1), update_ratio=3e-5))
    assert said.kind == "lr_too_small"
    assert said.fields["words"] == "optimizer.lr=3"
    assert said.text == (
        "The learning rate looks too small: an update is 3.0e-05 of the weights (median of 30 measured steps; 0.001 is "
        "usual), and the training loss still falls in a straight line (2.203 in epoch 15, 2.1 in epoch 30); type "
        "optimizer.lr=3."
    )


@pytest.mark.parametrize(
    ("train", "ratio"),
    [
        (straight(2.3, 2.1), 3.1e-4),  # updates are nearly small
        ([0.8 + 1.5 * math.exp(-e / 6) for e in range(EPOCHS)], 3e-5),  # the loss settles
        ([2.2 + 0.01 * (e % 2) - 0.001 * e for e in range(EPOCHS)], 3e-5),  # it falls by noise
        (straight(2.3, 0.5), 3e-5),  # most is done
    ],
)
def test_one_of_the_two_alone_is_none(train: list[float], ratio: float) -> None:
    assert "lr_too_small" not in kinds(made.run(train, update_ratio=ratio))


def test_what_to_type_comes_from_the_ratio_and_goes_no_further_than_a_hundred_times() -> None:
    assert only(made.run(straight(2.3, 2.1), update_ratio=9e-5)).fields["words"] == "optimizer.lr=1"
    assert only(made.run(straight(2.3, 2.1), update_ratio=1e-9)).fields["words"] == "optimizer.lr=10"


SWINGS = [1.5 + 0.4 * (-1) ** e for e in range(EPOCHS)]


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({"loss_change": 0.2}, "100 % of 30 measured steps raised the loss of their own batch"),
        ({"cosine": [-0.1, 0.1] * 15}, "50 % of 30 measured steps went uphill (cosine to -gradient below 0)"),
        ({"update_ratio": 0.02}, "an update is 0.02 of the weights in the median (0.001 is usual)"),
        ({"update_ratio": [0.3] + [1e-3] * 29}, "an update was 0.3 of the weights (0.001 is usual)"),
    ],
)
def test_a_loss_that_oscillates_under_steps_that_are_too_long_is_an_lr_too_large(
    measured: dict[str, Any], words: str
) -> None:
    said = only(made.run(SWINGS, **measured))
    assert said.kind == "lr_too_large"
    assert said.text == (
        "The learning rate looks too large: the training loss rose in 7 of the last 14 epochs, by 0.8 on average and "
        f"{words}; type optimizer.lr=0.01."
    )


@pytest.mark.parametrize("measured", [{"loss_change": 0.2}, {"cosine": -0.2}, {"update_ratio": 0.3}])
def test_long_steps_of_a_run_that_learned_and_a_loss_that_stays_under_usual_ones_are_none(
    measured: dict[str, Any],
) -> None:
    assert advise(made.run(**measured)) == []
    assert advise(made.run([GUESSING] * EPOCHS)) == []  # nothing to be learned, perhaps
    nearly = [1.0 + 0.01 * (-1) ** e - 0.02 * e for e in range(EPOCHS)]
    assert "lr_too_large" not in kinds(made.run(nearly, **measured))
    half: dict[str, Any] = {
        name: [value] * 14 + [made.USUAL[name]] * 16 for name, value in measured.items() if name != "update_ratio"
    }
    assert advise(made.run(SWINGS, **half)) == []


@pytest.mark.parametrize(
    "train",
    [
        [2.0 * math.exp(-e / 5) + 0.35 + 0.05 * (-1) ** e for e in range(EPOCHS)],  # small batches, most is learned
        [1.2 + 0.02 * (-1) ** e for e in range(300)],  # small swings of a long run, which add up
    ],
)
def test_noise_of_a_run_that_learned_or_of_a_long_one_is_no_oscillation(train: list[float]) -> None:
    n = len(train)
    assert "lr_too_large" not in kinds(made.run(train, update_ratio=[0.18] + [3e-3] * (n - 1)))
    swinging = [loss + 0.4 * (-1) ** e for e, loss in enumerate([1.2] * n)]
    assert "lr_too_large" in kinds(made.run(swinging, update_ratio=[0.18] + [3e-3] * (n - 1)))


def test_a_run_that_diverged_had_an_lr_too_large() -> None:
    said = only(diverged(made.run([3.0, math.nan], update_ratio=[0.02, None]), epoch=2))
    assert said.text == "The learning rate looks too large: the run diverged in epoch 2; type optimizer.lr=0.01."


def test_a_run_no_better_than_guessing_under_long_steps_had_too() -> None:
    said = only(made.run([17.9] + [2.4] * (EPOCHS - 1), update_ratio=[5.0] + [1e-3] * (EPOCHS - 1)))
    assert said.fields["evidence"] == (
        "the training loss ended at 2.4, which is no better than 2.303 without learning and an update was 5 of the "
        "weights (0.001 is usual)"
    )


DYING = {"layers.1": {"dead_units": [0.1] * 5 + [0.7] * (EPOCHS - 5)}}


def test_units_that_die_under_long_steps_are_the_learning_rate_and_not_two_things() -> None:
    said = only(made.run(STUCK, layers=DYING, update_ratio=0.02))
    assert said.fields["evidence"] == (
        "70 % of the units of layers.1 have died (10 % had no gradient at first) and an update is 0.02 of the weights "
        "in the median (0.001 is usual)"
    )


def test_a_module_that_sets_its_own_lr_is_told_without_a_word_to_type() -> None:
    run = made.run(straight(2.3, 2.1), update_ratio=3e-5)
    run.record.config["optimizer"] = {"name": "own", "lr": 0.0}
    said = only(run)
    assert said.text.endswith("; let the module set a larger one.")
    assert command(run.record, said) == ""


# -- the network


def test_gradients_that_explode_from_the_first_step_on_name_their_layer_and_the_clip() -> None:
    bad = [50.0] + [2.31] * (EPOCHS - 1)
    layers = {"layers.1": {"gradient_norm": [900.0] + [0.0] * (EPOCHS - 1)}, "layers.3": {"gradient_norm": 120.0}}
    said = only(made.run(bad, layers=layers, update_ratio=0.5))
    assert (said.kind, said.subject) == ("gradients_explode", "layers.1")
    assert said.fields["words"] == "trainer.gradient_clip_val=1"
    assert "a norm of 900 in epoch 1 (step 1, the first that was measured)" in said.text


def test_a_gradient_that_explodes_at_once_under_short_steps_does_too() -> None:
    spike = {"layers.3": {"gradient_norm": [1.0] * 10 + [160.0] + [1.0] * (EPOCHS - 11)}}
    assert "a norm of 160 in epoch 11 (step 401, 1 before)" in only(made.run(SWINGS, layers=spike)).text


@pytest.mark.parametrize(
    ("train", "first", "clip"),
    [
        ([50.0] + [2.31] * (EPOCHS - 1), 99.0, None),  # large, and not yet an explosion
        (SETTLED, 900.0, None),  # the run learned
        ([50.0] + [2.31] * (EPOCHS - 1), 900.0, 1.0),  # clipped already
    ],
)
def test_large_gradients_that_do_no_harm_or_are_clipped_are_none(
    train: list[float], first: float, clip: float | None
) -> None:
    run = made.run(train, layers={"layers.1": {"gradient_norm": [first] + [0.5] * (EPOCHS - 1)}})
    run.record.config["trainer"]["gradient_clip_val"] = clip
    assert advise(run) == []


def regression(run: Evidence) -> Evidence:
    run.record.config["loss"], run.record.data = {"name": "mse"}, {"outputs": 1, "task": "regression"}
    return run


def test_gradients_that_are_large_by_the_units_of_the_targets_are_no_explosion() -> None:
    large = {"layers.1": {"gradient_norm": 617.0}}  # Adam with lr=1e-5 on targets around 150
    assert kinds(regression(made.run(straight(29220, 29025), layers=large, update_ratio=3e-5))) == ["lr_too_small"]
    assert kinds(diverged(regression(made.run([29220.0] * 8, layers=large)), 9)) == ["gradients_explode"]


def test_a_regression_whose_first_epoch_made_it_worse_has_not_learned_by_coming_down_from_there() -> None:
    worse = [1e9 / (1 + e) for e in range(EPOCHS)]
    assert kinds(regression(made.run(worse, loss=1.5, update_ratio=0.5))) == ["lr_too_large"]
    assert "lr_too_large" not in kinds(regression(made.run(worse, loss=9e8, update_ratio=0.5)))


def test_gradients_that_grow_with_updates_too_long_are_the_learning_rate() -> None:
    run = made.run(SWINGS, layers={"layers.1": {"gradient_norm": [0.5, 900.0] * 15}}, update_ratio=[0.5] * EPOCHS)
    assert kinds(run) == ["lr_too_large"]


STUCK = [1.8 + 0.2 * math.exp(-e / 3) for e in range(EPOCHS)]


def test_units_that_never_had_a_gradient_want_another_activation() -> None:
    said = only(made.run(STUCK, layers={"layers.1": {"dead_units": 1.0}, "layers.3": {"dead_units": 0.6}}))
    assert said.text == (
        "Dead units in layers.1: 100 % of them got no gradient in each of the last 3 measured steps (100 % in the "
        "first); type model.activation=leaky_relu."
    )


def test_units_that_died_want_a_smaller_lr() -> None:
    said = only(made.run(STUCK, layers=DYING))
    assert said.kind == "dead_units"
    assert said.fields["words"] == "optimizer.lr=0.01"


def test_units_of_a_network_of_ones_own_are_told_without_a_word_to_type() -> None:
    run = made.run(STUCK, layers={"layers.1": {"dead_units": 1.0}})
    del run.record.config["model"]["activation"]
    assert only(run).text.endswith("use LeakyReLU in place of ReLU, or biases that begin at 0.")


@pytest.mark.parametrize(
    ("train", "shares"),
    [
        (STUCK, [0.49] * EPOCHS),  # nearly half
        (STUCK, [0.9] * (EPOCHS - 1) + [0.2]),  # the last batch woke them
        ([2.3 * 0.5**e for e in range(EPOCHS)], [0.9] * EPOCHS),  # no mistake is left, so no gradient is
    ],
)
def test_units_that_are_hardly_dead_are_none(train: list[float], shares: list[float]) -> None:
    assert "dead_units" not in kinds(made.run(train, layers={"layers.1": {"dead_units": shares}}))


# -- the curves


def overfitted(end: float) -> list[float]:
    return [0.6 + 0.2 * (8 - e) if e < 9 else 0.6 + (end - 0.6) * (e - 8) / (EPOCHS - 9) for e in range(EPOCHS)]


def test_validation_that_rises_while_training_falls_says_since_when() -> None:
    said = only(made.run(val=overfitted(1.1)))
    assert (said.kind, said.fields["epoch"]) == ("validation_rises", 9)
    assert said.fields["words"] == "test_weights=best"
    assert said.text.startswith("The validation loss rises since epoch 9, from 0.6 to 1.076, while the training loss ")
    run = made.run(val=overfitted(1.1))
    run.record.config["test_weights"] = "best"
    assert only(run).fields["words"] == "trainer.max_epochs=9"


@pytest.mark.parametrize(
    ("train", "val"),
    [
        (SETTLED, overfitted(0.8)),  # a little, as in good runs
        ([*SETTLED[:9], *straight(SETTLED[8], 1.0, EPOCHS - 9)], overfitted(1.1)),  # training rises too
        (SETTLED, [*[0.6 + 0.1 * (28 - e) for e in range(28)], 1.5, 1.6]),  # for two epochs only
    ],
)
def test_validation_that_rises_a_little_or_with_training_is_none(train: list[float], val: list[float]) -> None:
    assert "validation_rises" not in kinds(made.run(train, val))


def test_a_loss_that_falls_until_the_end_wants_more_epochs() -> None:
    said = only(made.run([2.3 * 0.96**e for e in range(EPOCHS)]))
    assert said.text == (
        "The loss still falls at the last epoch: val/loss 0.9494 in epoch 24, 0.754 in epoch 30; type "
        "trainer.max_epochs=60."
    )
    run = made.run([2.3 * 0.96**e for e in range(EPOCHS)])
    run.record.config["trainer"]["max_steps"] = 1200
    assert only(run).fields["words"] == "trainer.max_steps=2400"


@pytest.mark.parametrize(
    "val",
    [
        [0.3 + 2 / (1 + e) for e in range(EPOCHS)],  # slower and slower
        [2.3 * 0.96**e + (0.3 if e > 26 else 0) for e in range(EPOCHS)],  # the best epoch is not the last
        [1e-9 * 0.5**e + 1 for e in range(EPOCHS)],  # not worth it
    ],
)
def test_a_loss_that_settles_is_none(val: list[float]) -> None:
    assert advise(made.run(val=val)) == []


def test_a_run_that_was_stopped_early_by_plan_is_not_told_to_go_on() -> None:
    run = made.run([2.3 * 0.96**e for e in range(EPOCHS)])
    run.record.config["trainer"]["max_epochs"] = 100
    assert advise(run) == []


def test_a_schedule_that_is_over_while_the_loss_still_falls_ended_too_early() -> None:
    falling = [*straight(2.3, 1.0, 12), *straight(0.99, 0.97, 18)]
    rates = [0.1] * 12 + [1e-4] * 18
    run = made.run(falling, rates=rates)
    said = only(run)
    run.record.overrides += ["lr=step", "lr.step_size=12"]
    assert command(run.record, said).endswith("optimizer=sgd optimizer.lr=0.1 seed=0 lr=cosine")
    assert (said.kind, said.subject, said.fields["words"]) == ("schedule_ended", "step", "lr=cosine")
    assert said.text == (
        "The schedule (step) ended too early: from epoch 13 to 30 the learning rate is below 1 % of its peak, and the "
        "training loss, which fell from 1.709 to 1 in 6 epochs before, only came to 0.97; type lr=cosine."
    )


def test_a_schedule_that_is_over_before_much_was_learned_ended_too_early_and_nothing_to_learn_is_none() -> None:
    rates = [0.03 * 0.3**e for e in range(EPOCHS)]
    begun = [2.28 + 0.02 * 0.3**e for e in range(EPOCHS)]  # SGD on the digits under lr=exponential lr.gamma=0.3
    assert kinds(made.run(begun, rates=rates)) == ["schedule_ended"]
    assert kinds(made.run([loss + GUESSING - 2.28 for loss in begun], rates=rates)) == []


def test_a_schedule_of_a_modules_own_that_ended_too_early_has_no_word_to_type() -> None:
    run = made.run([*straight(2.3, 1.0, 12), *straight(0.99, 0.97, 18)], rates=[0.1] * 12 + [1e-4] * 18)
    run.record.lr_schedule = "constant"
    said = only(run)
    assert said.text.startswith("The schedule (the module's own) ended too early: ")
    assert said.text.endswith("only came to 0.97; let the module's schedule last as long as the run.")
    assert command(run.record, said) == ""


@pytest.mark.parametrize(
    ("train", "over"),
    [
        ([*straight(2.3, 1.0, 24), *straight(0.99, 0.97, 6)], 24),  # at the very end, as schedules do
        ([*straight(2.3, 0.3, 6), *straight(0.3, 0.3, 6), *straight(0.3, 0.3, 18)], 12),  # it had settled before
        (straight(2.3, 0.3), 12),  # and went on falling all the same
    ],
)
def test_a_schedule_that_ends_with_the_fall_is_none(train: list[float], over: int) -> None:
    rates = [0.1] * over + [1e-4] * (EPOCHS - over)
    assert "schedule_ended" not in kinds(made.run(train, rates=rates))


# -- together


def test_what_would_contradict_is_kept_back_and_the_surest_stands_first() -> None:
    assert kinds(made.run(straight(2.3, 1.0), update_ratio=3e-5)) == ["lr_too_small"]  # and not more epochs
    for keeps_back in (kept for _, kept in RULES.values()):
        assert keeps_back <= RULES.keys()
    assert "lr_too_small" in RULES["lr_too_large"][1]
    assert all("still_falls" in RULES[kind][1] for kind in ("lr_too_large", "validation_rises", "schedule_ended"))


def test_no_more_is_said_than_a_reader_can_act_on() -> None:
    dead = {"layers.1": {"dead_units": 1.0}}
    run = made.run([1.8 - 0.03 * e for e in range(EPOCHS)], overfitted(1.5), layers=dead)
    assert kinds(run) == ["dead_units", "validation_rises"]
    assert len(advise(run)) <= MOST


def test_advice_survives_json_and_its_command_replaces_the_words_of_the_run() -> None:
    run = made.run(straight(2.3, 2.1), update_ratio=3e-5)
    said = only(run)
    assert Message.read(asdict(said)) == said
    run.record.overrides += ["ckpt=outputs/runs/a"]
    assert command(run.record, said).endswith("optimizer=sgd seed=0 optimizer.lr=3")


def test_learning_rates_are_half_a_decade_apart() -> None:
    assert [half_decade(x) for x in (0.01, 0.025, 0.06, 0.9, 3e-5)] == [0.01, 0.03, 0.1, 1.0, 3e-5]


def test_short_runs_and_runs_without_a_loss_get_none() -> None:
    assert advise(made.run(straight(2.3, 2.2, 3), update_ratio=3e-5)) == []
    bare = made.run()
    assert advise(Evidence(bare.record, {"epoch": bare.epochs["epoch"]}, [])) == []
