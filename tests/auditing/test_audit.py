"""The audit tells apart what is known to differ, whatever the masks."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
import torch
from torch import nn

from causalogit.auditing import SCHEMA, AuditConfig, audit
from causalogit.auditing.config import ModelConfig
from causalogit.auditing.donors import Donors
from causalogit.auditing.figures import figures_of
from causalogit.auditing.measure import Measured
from tests.auditing.conftest import Reads, make_samples

QUICK = AuditConfig(attention=8)


def reliance(model, masks="exact", correlation=0.5):
    found = audit(model, make_samples(masks=masks, correlation=correlation), pictures=False)
    return found.overall.reliance


@pytest.mark.parametrize("masks", ["exact", "box"])
@pytest.mark.parametrize("correlation", [0.5, 0.95])
def test_who_reads_the_background_relies_on_it(background_reader, masks, correlation):
    found = audit(background_reader, make_samples(masks=masks, correlation=correlation), QUICK)
    assert found.verdict.word == "relies"
    assert found.overall.reliance.value > 0.95
    assert found.overall.unchanged.value > 0.95
    assert {result.verdict.word for result in found.classes} == {"relies"}


@pytest.mark.parametrize("masks", ["exact", "box"])
@pytest.mark.parametrize("correlation", [0.5, 0.95])
def test_who_reads_the_object_does_not(object_reader, masks, correlation):
    found = audit(object_reader, make_samples(masks=masks, correlation=correlation), QUICK)
    assert found.verdict.word == "does_not"
    assert found.overall.reliance.value == 0
    assert found.overall.as_is.value == 1
    assert found.overall.gone.low <= found.overall.gone_by_chance <= found.overall.gone.high


@pytest.mark.parametrize("masks", ["exact", "box"])
def test_reliance_grows_with_the_weight_of_the_background(masks):
    figures = [reliance(Reads(1.0, weight), masks).value for weight in (0, 0.2, 0.35, 0.6, 3)]
    assert figures == sorted(figures)
    assert figures[0] == 0
    assert figures[-1] > 0.9


def test_seams_alone_are_no_reliance():
    """Patched places and pasted edges throw this classifier off, but on both backgrounds alike."""

    class Seams(nn.Module):
        def forward(self, images):
            red_or_blue = (images[:, 0] - images[:, 2]).mean((1, 2))
            sharp = (images[:, 1, :, 1:] - images[:, 1, :, :-1]).abs().mean((1, 2))
            score = red_or_blue + 4 * (sharp - 0.06)
            return torch.stack([score, -score], 1)

    found = audit(Seams(), make_samples(), AuditConfig(attention=0), pictures=False)
    assert found.overall.own.value < 0.95
    assert found.overall.reliance.value < 0.15


def test_backgrounds_alone_tell_a_class_where_they_go_with_it(background_reader):
    found = audit(background_reader, make_samples(correlation=0.95), QUICK, pictures=False)
    assert found.overall.alone.low > found.overall.alone_by_chance + 0.2


def test_groups_known_and_discovered_agree(object_reader, background_reader):
    found = audit(background_reader, make_samples(), QUICK, pictures=False)
    assert found.known.worst.accuracy.value < 0.1
    assert {(r.label, r.background) for r in found.known.results[:2]} == {
        ("hot", "dark"),
        ("cold", "bright"),
    }
    assert len(found.discovered.backgrounds) == 2
    assert found.discovered.agreement > 0.95
    assert found.discovered.worst.accuracy.value < 0.1


def test_groups_of_few_photos_are_named_and_have_no_figure(background_reader, tmp_path):
    found = audit(background_reader, make_samples(correlation=0.95), QUICK)
    for groups in (found.known, found.discovered):
        assert len(groups.results) + len(groups.small) == 4
        assert all(0 < own.photos < 10 and own.right == 0 for own in groups.small)
        assert sum(own.accuracy.n for own in groups.results) + sum(
            own.photos for own in groups.small
        ) == len(groups.of_photo)
    (first, *_) = found.known.small
    told = f"oo few photos for a figure: {first.label} on {first.background} (0 of {first.photos} "
    page = found.to_html(tmp_path / "audit.html").read_text()
    assert page.count(told) == 1
    assert page.count("oo few photos for a figure") == 2


def test_attention_lies_where_the_classifier_reads(object_reader, background_reader):
    on_object, elsewhere = (
        audit(model, make_samples(), AuditConfig(attention=20), pictures=False).overall
        for model in (object_reader, background_reader)
    )
    assert on_object.attention.n == 20
    assert on_object.attention.low > 2 * on_object.attention_by_chance
    assert elsewhere.attention.value < elsewhere.attention_by_chance


def test_a_classifier_that_looks_everywhere_alike_ends_at_its_mark():
    """Few photos of large objects are half of those looked at, and a tenth of all."""
    labels = torch.tensor([0] * 900 + [1] * 100)
    area = torch.where(labels == 0, 0.1, 0.6)
    none, nothing = torch.full((1000,), -1), torch.zeros(1000)
    seen = Measured(
        labels, area, labels < 0, labels, labels, labels, nothing, none, none, nothing,
        torch.zeros(1000, 2), Donors(none, none),
    )  # fmt: skip
    inside = torch.full((1000,), float("nan"))
    inside[850:950] = area[850:950]
    every = torch.ones(1000, dtype=torch.bool)
    found = figures_of(seen, inside, every)
    assert found.attention.value == pytest.approx(0.35)
    assert found.attention_by_chance == pytest.approx(0.35)
    assert found.area == pytest.approx(0.15)
    assert figures_of(seen, nothing / 0, every).attention_by_chance is None


def test_the_verdict_of_few_photos_is_that_it_cannot_be_told():
    found = audit(Reads(1.0, 0.3), make_samples(6), AuditConfig(attention=0), pictures=False)
    assert found.verdict.word in ("unclear", "leans")


class Turned(nn.Module):
    """Its answers hang on what is neither in its weights nor in its name."""

    def __init__(self, network, sign):
        super().__init__()
        self.network, self.sign = network, sign

    def forward(self, images):
        return self.sign * self.network(images)


def test_a_stopped_audit_takes_nothing_over_from_other_code(object_reader, tmp_path):
    for sign, right in ((1, 1), (-1, 0)):
        found = audit(
            Turned(object_reader, sign), make_samples(20), AuditConfig(attention=0),
            progress=tmp_path / "progress", pictures=False,
        )  # fmt: skip
        assert found.overall.as_is.value == right


def test_a_constant_answer_is_no_merit():
    class Constant(nn.Module):
        def forward(self, images):
            return torch.tensor([[1.0, 0.0]]).expand(len(images), 2)

    found = audit(Constant(), make_samples(), AuditConfig(attention=0), pictures=False)
    assert found.overall.reliance.value == 0
    assert found.verdict.word == "unclear"
    assert {result.verdict.word for result in found.classes} == {"unclear"}
    assert "hardly better than chance" in found.cautions[0]


def test_telling_photos_turn_with_the_background():
    found = audit(Reads(1.0, 0.6), make_samples(), AuditConfig(attention=0), pictures=False)
    answers = found.per_photo
    for result in found.classes:
        first = result.telling[0]
        assert answers["own_background"][first] == result.name
        assert answers["other_background"][first] != result.name


def test_json_fits_the_schema_it_ships(object_reader, tmp_path):
    found = audit(object_reader, make_samples(), QUICK, pictures=False)
    written = json.loads(found.to_json(tmp_path / "audit.json").read_text())
    jsonschema.validate(written, json.loads(SCHEMA.read_text()))
    assert written["overall"]["as_is"]["n"] == 120
    written["overall"]["as_is"]["value"] = 2
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, json.loads(SCHEMA.read_text()))


def test_tables_for_pandas(background_reader):
    found = audit(background_reader, make_samples(), QUICK, pictures=False)
    classes = found.to_pandas()
    assert classes["class"].tolist() == ["hot", "cold"]
    assert classes.loc[0, "reliance"] == found.classes[0].figures.reliance.value
    assert classes.loc[0, "reliance_low"] <= classes.loc[0, "reliance"]
    photos = found.to_pandas("photos")
    assert len(photos) == 120
    right = (photos["as_is"] == photos["label"]).mean()
    assert right == pytest.approx(found.overall.as_is.value)
    assert set(found.to_pandas("groups")["kind"]) == {"known", "discovered"}


def test_a_module_without_weights_and_paths_as_text(tmp_path):
    class Mean(torch.nn.Module):
        def forward(self, images):
            return images.mean((2, 3))[:, [0, 2]]

    normalised = replace(QUICK, model=ModelConfig(mean=(0.5,) * 3, std=(0.2,) * 3))
    found = audit(Mean(), make_samples(), normalised)
    assert found.verdict.word == "does_not"
    assert found.to_html(str(tmp_path / "a.html")).is_file()
    assert found.to_json(str(tmp_path / "a.json")).is_file()
    with pytest.raises(ValueError, match="no table 'nope': choose classes"):
        found.to_pandas("nope")


def test_the_model_is_left_as_it_was(object_reader):
    model = nn.Sequential(object_reader, nn.Dropout(0.5)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    audit(model, make_samples(), QUICK)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_an_audit_that_was_stopped_ends_with_the_same_figures(object_reader, tmp_path):
    samples, path = make_samples(), tmp_path / "progress"
    config = AuditConfig(attention=8, batch_size=16)
    whole = audit(object_reader, samples, config, pictures=False)

    def stop(stage, done, total):
        if stage == "backgrounds" and done > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(object_reader, samples, config, progress=path, pictures=False, on_step=stop)
    shown = []
    plain = object_reader.forward
    object_reader.forward = lambda images: shown.append(len(images)) or plain(images)
    again = audit(object_reader, samples, config, progress=path, pictures=False)
    assert again.to_dict() == whole.to_dict()
    assert sum(size for size in shown if size == 16) < 2 * 120  # the first round was not shown anew
