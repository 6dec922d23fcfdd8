"""Colours and markers: they never collide, show on both grounds, and stay apart for the colour-blind."""

import itertools

import pytest

from optlab.analysis.show import colors
from optlab.analysis.show.colors import Palette
from optlab.analysis.show.vision import difference, linear, views

MOST = ["sgd", "momentum", "adam", "rmsprop", "adamw", "nesterov", "muon", "adagrad"]  # compared most
STRANGERS = [f"mine{n}" for n in range(8)]
GROUNDS = ("#ffffff", "#171a1f")  # a card of the page, light and dark


def luminance(shade: str) -> float:
    red, green, blue = linear(shade)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def contrast(a: str, b: str) -> float:
    """WCAG 2.2: 21 for black on white."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def over(shade: str, ground: str, alpha: float) -> str:
    """A band of a colour on a ground."""
    pairs = [(int(shade[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(alpha * mine + (1 - alpha) * below):02x}" for mine, below in pairs)


def test_the_measures_are_those_of_their_sources() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # WCAG's own example of just too little
    assert views("#ffffff")[0] == pytest.approx([1, 0, 0], abs=1e-4)
    assert views("#ff0000")[0] == pytest.approx([0.628, 0.225, 0.126], abs=1e-3)  # Ottosson's table
    # Red and green of one lightness are one colour to a deuteranope, blue and yellow are not.
    assert difference("#b06a50", "#808040") < difference("#0072b2", "#b0801e") / 2


@pytest.mark.parametrize("ground", GROUNDS)
def test_every_colour_shows_on_both_grounds_and_over_its_own_band(ground: str) -> None:
    for shade in (*colors.OPTIMIZERS.values(), *colors.OTHERS):
        assert contrast(shade, ground) >= 3, shade
        assert contrast(shade, over(shade, ground, colors.BAND)) >= 3, shade


def test_no_two_of_fifteen_known_optimizers_and_eight_others_look_alike() -> None:
    palette = Palette.of([*colors.OPTIMIZERS, *STRANGERS])
    assert len(set(palette.colors.values())) == 23
    for a, b in itertools.combinations(palette.colors, 2):
        apart = difference(palette.color(a), palette.color(b))
        assert apart > 0.06, (a, b)
        if palette.marker(a) == palette.marker(b):
            assert apart > 0.08, (a, b)


def test_those_compared_most_are_farthest_apart() -> None:
    for a, b in itertools.combinations(MOST, 2):
        assert difference(colors.OPTIMIZERS[a], colors.OPTIMIZERS[b]) > 0.1, (a, b)
    assert len(set(Palette.of(MOST).markers.values())) == len(MOST)


def test_a_colour_belongs_to_its_optimizer() -> None:
    names = ["lion", "adam", "sophia", "lamb", "tiger", "sgd"]
    palette = Palette.of(names)
    assert palette == Palette.of(names[::-1])
    assert palette.color("adam") == Palette.of(["adam"]).color("adam")
    assert len({palette.color(name) for name in names}) == len({palette.marker(name) for name in names}) == len(names)
    both = Palette.of(["Adam", "adam"])
    assert both.color("Adam") != both.color("adam")


def test_of_more_optimizers_than_colours_none_share_colour_and_marker() -> None:
    palette = Palette.of([*colors.OPTIMIZERS, *(f"mine{n}" for n in range(60))])
    pairs = {(palette.color(name), palette.marker(name)) for name in palette.colors}
    assert len(pairs) == 75
    used = list(palette.colors.values())
    assert {used.count(shade) for shade in used} == {3, 4}


def test_a_schedule_is_a_dash() -> None:
    assert colors.dash("constant") != colors.dash("cosine")
