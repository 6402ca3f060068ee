from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalogit.report import palette
from causalogit.report.figures.classes import shown_classes
from causalogit.report.figures.curves import curve_panels
from causalogit.report.figures.draw import Panel, short, write_png
from causalogit.report.figures.groups import group_panel, group_table
from causalogit.report.figures.perturbation import alpha_of, binned_means, response
from causalogit.report.lineup import line_up
from causalogit.report.pictures import encode, magnified, picture, spotlight
from causalogit.report.scene import describe_scene
from causalogit.train import LoadedRun
from causalogit.train.load import Perturbations
from tests.report.conftest import made_up_samples


@given(st.integers(0, 10_000), st.floats(0.01, 20), st.integers(2, 12))
@settings(max_examples=50, deadline=None)
def test_alpha_is_found_again(seed: int, alpha: float, classes: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(20, classes, generator=generator)
    found = alpha_of(alpha * logits.log_softmax(1))
    torch.testing.assert_close(found, torch.full_like(found, alpha), atol=0, rtol=1e-4)


def test_alpha_of_an_expert_without_doubt_is_unknown() -> None:
    assert alpha_of(torch.tensor([[0.0, -30.0, -30.0]])).isnan().all()


def test_delta_at_the_label_and_beside_it() -> None:
    given = Perturbations(
        ["loss"],
        torch.zeros(2, 1),
        torch.tensor([[1.0, 2.0, 6.0], [3.0, 5.0, 7.0]]),
        torch.tensor([0, 2]),
        torch.tensor([0, 2]),
    )
    found = response(given, torch.tensor([True, False]), "vector")
    assert found.label.tolist() == [1, 7]
    assert found.others is not None
    assert found.others.tolist() == [4, 4]
    assert (found.mean(True), found.mean(False)) == (1, 7)


def test_a_weight_is_shown_as_it_is() -> None:
    weights = torch.tensor([0.2, 0.7])
    given = Perturbations(["loss"], torch.zeros(2, 1), weights, *torch.tensor([[0, 1], [0, 1]]))
    found = response(given, torch.tensor([True, False]), "weight")
    assert found.what == "weight"
    assert found.others is None
    assert torch.equal(found.label, weights)


def test_binned_means() -> None:
    x, y = torch.arange(12.0), torch.arange(12.0) * 2
    means_x, means_y = binned_means(x.flip(0), y.flip(0), bins=3)
    assert means_x.tolist() == [1.5, 5.5, 9.5]
    assert means_y.tolist() == [3, 11, 19]
    assert [t.tolist() for t in binned_means(torch.ones(5), torch.arange(5.0))] == [[1], [2]]


def test_groups_are_classes_down_and_backgrounds_across(erm: LoadedRun) -> None:
    table = group_table(line_up([erm]).best, describe_scene(erm))
    for label, background in product(range(5), range(5)):
        name = f"accuracy/group/{label * 5 + background}"
        assert table[label][background] == erm.row["selected"][name]


def test_an_svg_is_inline_themed_and_escaped() -> None:
    panel = Panel("t", 'a "quoted" <alt>', lambda axes: axes.set_xlabel("<b> $x$"), (200, 100))
    svg = panel.svg("one")
    assert svg.startswith('<svg viewBox="0 0 200 100"')
    assert "&lt;b&gt; $x$" in svg
    assert "<alt>" not in svg
    assert "xmlns" not in svg
    assert "<style" not in svg
    assert 'id="figure' not in svg
    assert "var(--rule)" in svg


def test_pictures() -> None:
    image, attention = torch.rand(3, 4, 4), torch.zeros(4, 4)
    attention[:, 2:] = 1
    lit = spotlight(image, attention)
    large = magnified(image)
    assert lit.shape == large.shape == (3, 160, 160)
    torch.testing.assert_close(lit[:, :, 120:], large[:, :, 120:])
    assert lit[:, :, :40].amax() < 0.3
    nowhere = spotlight(image, torch.zeros(4, 4))
    torch.testing.assert_close(nowhere, large.mean(0, keepdim=True).expand(3, -1, -1))
    assert encode(large).startswith(b"\x89PNG")
    assert magnified(torch.rand(1, 300, 200)).shape == (3, 160, 107)
    assert picture(image).startswith("data:image/png;base64,")
    photo = picture(torch.rand(3, 224, 224))
    assert photo.startswith("data:image/jpeg;base64,")
    assert len(photo) < 40_000


def test_a_photo_scaled_down_keeps_its_colours() -> None:
    image = torch.zeros(3, 320, 320)
    image[0, :, :160] = 1
    small = magnified(image)
    assert small.shape == (3, 160, 160)
    torch.testing.assert_close(small[0, :, :78], torch.ones(160, 78))
    assert small[1:].abs().max() < 1e-6


def test_classes_are_shown_by_size_and_at_most_twenty() -> None:
    counts = torch.tensor([5, 9, 7])
    assert shown_classes(counts, tail=True) == [1, 2, 0]
    assert shown_classes(counts, tail=False) == [0, 1, 2]
    many = shown_classes(torch.arange(100), tail=True)
    assert len(many) == 20
    assert (many[0], many[-1]) == (99, 0)
    assert many == sorted(many, reverse=True)


def test_long_names_are_cut() -> None:
    assert short("a" * 18) == "a" * 18
    assert short("a" * 19) == "a" * 17 + "\N{HORIZONTAL ELLIPSIS}"


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return (
            math.sumprod((0.2126, 0.7152, 0.0722), linear)
            if hasattr(math, "sumprod")
            else sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        )

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_the_palette_can_be_read(theme: dict[str, str]) -> None:
    for name, colour in theme.items():
        if name in ("ink", "muted"):
            assert contrast(colour, theme["paper"]) >= 4.5, name
            assert contrast(colour, theme["panel"]) >= 4.5, name
        elif name.startswith(("tone", "heat", "majority", "minority")):
            assert contrast(colour, theme["paper"]) >= 3, name
    # numbers in cells, of which a full one is the darkest, and words in pills
    assert contrast(theme["ink"], theme["cell"]) >= 4.5
    for name in ("minority", "tone-5", "tone-3", "muted"):
        assert contrast(theme["paper"], theme[name]) >= 4.5, name


def test_colours_are_told_apart_when_they_become_variables() -> None:
    assert palette.LIGHT.keys() == palette.DARK.keys()
    assert len(set(palette.LIGHT.values())) == len(palette.LIGHT)


def test_methods_differ_by_more_than_colour() -> None:
    assert palette.line_style(1) == "solid"
    assert palette.tone_name(9) == palette.tone_name(1)
    signs = [(palette.tone_name(n), str(palette.line_style(n))) for n in range(1, 41)]
    assert len(set(signs)) == 40
    assert len({palette.marker(n) for n in range(1, 8)}) == 7
    assert len({(palette.tone_name(n), palette.marker(n)) for n in range(1, 57)}) == 56
    # nearly the same to those who see no red or no green
    for one, other in ((1, 5), (2, 4), (3, 6)):
        assert palette.line_style(one) != palette.line_style(other)
    assert palette.sign(2, line=True).count("<path") == 2
    assert "dasharray" not in palette.sign(2, line=False)


def test_a_drawing_is_the_same_every_time() -> None:
    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1])

    one, other = (Panel("t", "a", draw, (200, 100)).svg("one") for _ in range(2))
    assert "clip-path" in one
    assert one == other


@pytest.mark.filterwarnings("error")
def test_no_font_has_every_sign(tmp_path: Path) -> None:
    panel = Panel("\u9752\ue000", "a", lambda axes: axes.set_xlabel("\u9752\ue000"), (200, 100))
    assert "\u9752" in panel.svg("one")
    write_png(tmp_path / "one.png", [panel], 1, [])


def test_slanted_names_keep_clear_of_the_title(made_up: Callable[..., LoadedRun]) -> None:
    run = made_up(made_up_samples([[20] * 5, [20] * 5]))
    run.row["selected"] |= {f"accuracy/group/{group}": 0.5 for group in range(10)}
    axes = Figure((4, 4), layout="constrained").subplots()
    group_panel(line_up([run]).best, describe_scene(run)).draw(axes)
    title = axes.set_title("title", loc="left")
    axes.figure.draw_without_rendering()
    names = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert len(names) == 5
    assert title.get_window_extent().y0 >= max(box.y1 for box in names)


def test_a_line_that_never_changes_has_room_above(erm: LoadedRun) -> None:
    history = [{"epoch": epoch, "train/delta/alpha": 0.2} for epoch in (1.0, 2.0)]
    (panel,) = curve_panels(line_up([replace(erm, history=history)]).entries)
    axes = Figure().subplots()
    panel.draw(axes)
    low, high = axes.get_ylim()
    assert low == 0
    assert high >= 1.1 * 0.2
