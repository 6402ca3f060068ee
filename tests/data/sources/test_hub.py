"""Data sets of Hugging Face, made in memory and saved to disk: no network."""

from __future__ import annotations

import sys
import tempfile

import pytest
import torch
from PIL import Image

from causalogit.config import DataConfig
from causalogit.data import build_data
from causalogit.data.sources import find_source
from causalogit.data.sources.hub import hub

datasets = pytest.importorskip("datasets", reason="needs the extra 'data'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:multiprocess.*")

FEATURES = {"picture": datasets.Image(), "animal": datasets.ClassLabel(names=["dog", "cat"])}


@pytest.fixture
def saved(photo, tmp_path):
    """Saves a set of so many rows a split; more columns are functions of a row's number."""

    def save(sizes, features=FEATURES, **more):
        parts, number = {}, 0
        for split, size in sizes.items():
            rows = {name: [] for name in features}
            for _ in range(size):
                values = {"picture": str(photo(f"{number}.png", 8, 8)), "animal": number % 2}
                values |= {name: make(number) for name, make in more.items()}
                for name in features:
                    rows[name].append(values[name])
                number += 1
            parts[split] = datasets.Dataset.from_dict(rows, datasets.Features(features))
        whole = parts["train"] if set(parts) == {"train"} else datasets.DatasetDict(parts)
        folder = tempfile.mkdtemp(dir=tmp_path)
        whole.save_to_disk(folder)
        return DataConfig(source=f"hf:{folder}", image_size=8)

    return save


def pixels(tmp_path, number):
    with Image.open(tmp_path / f"{number}.png") as image:
        values = torch.tensor(list(image.convert("RGB").tobytes()), dtype=torch.uint8)
    return values.reshape(8, 8, -1).permute(2, 0, 1) / 255


def test_columns_are_found_by_their_types(saved, tmp_path):
    samples = hub(saved({"test": 4, "train": 20, "valid": 4, "unsupervised": 3}))
    assert samples.class_names == ("dog", "cat")
    assert len(samples) == 28
    assert [len(samples.part(name)) for name in ("train", "validation", "test")] == [20, 4, 4]
    assert samples.attributes is None
    assert not samples.images.has_masks
    # training rows come first, though the set has them second
    found = samples.images.read(torch.tensor([24, 0, 27]))[0]
    wanted = torch.stack([pixels(tmp_path, number) for number in (0, 4, 3)])
    assert torch.equal(found, wanted)
    assert samples.labels[[24, 0, 27]].tolist() == [0, 0, 1]


def test_masks_and_groups(saved, photo, tmp_path):
    features = FEATURES | {"mask": datasets.Image(), "group": datasets.Value("string")}
    config = saved(
        {"train": 60},
        features,
        mask=lambda i: str(photo(f"mask{i}.png", 8, 8, "L")),
        group=lambda i: "sea" if i % 3 else "land",
    )
    samples = hub(config)
    assert samples.attribute_names == ("land", "sea")
    assert samples.attributes.tolist() == [int(i % 3 > 0) for i in range(60)]
    masks = samples.images.read(torch.tensor([7]))[1]
    with Image.open(tmp_path / "mask7.png") as image:
        wanted = torch.tensor(list(image.tobytes()), dtype=torch.uint8).reshape(8, 8) / 255
    assert torch.equal(masks[0, 0], wanted)
    data = build_data(config, seed=0)
    assert torch.bincount(data.meta.groups).tolist() == [5, 5, 5, 5]


def test_a_label_column_of_numbers(saved):
    features = {"picture": datasets.Image(), "label": datasets.Value("int64")}
    samples = hub(saved({"train": 6}, features, label=lambda i: 10 * (i % 2) + 3))
    assert samples.class_names == ("3", "13")
    assert samples.labels.tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"animal": FEATURES["animal"]}, "has none of type Image: name the one that is meant 'im"),
        ({"picture": FEATURES["picture"]}, "has none of type ClassLabel: name the one that is me"),
        (
            FEATURES | {"breed": FEATURES["animal"]},
            r"has several columns of type ClassLabel \(animal, breed\): name the one that is meant "
            "'label'; its columns are picture, animal, breed",
        ),
    ],
)
def test_columns_that_do_not_fit(saved, features, message):
    with pytest.raises(ValueError, match=message):
        hub(saved({"train": 4}, features, breed=lambda i: 0))


def test_rows_that_do_not_fit(saved, photo, tmp_path):
    with pytest.raises(ValueError, match="has no animal in 2 of 6 rows, the first: train, row 1"):
        hub(saved({"train": 6}, animal=lambda i: None if i in (1, 4) else 0))
    with pytest.raises(ValueError, match="has no animal in 1 of 6 rows, the first: train, row 5"):
        hub(saved({"train": 6}, animal=lambda i: -1 if i == 5 else 0))  # of a test without labels
    plain = FEATURES | {"animal": datasets.Value("int64"), "group": datasets.Value("int64")}
    columns = {"label": lambda i: 2 * (i % 2) - 1, "group": lambda i: 1 - 2 * (i % 2)}
    plain["label"] = plain.pop("animal")
    samples = hub(saved({"train": 4}, plain, **columns))
    assert samples.class_names == samples.attribute_names == ("-1", "1")
    with pytest.raises(ValueError, match="no training image is a 'cat'"):
        hub(saved({"train": 2, "test": 2}, animal=lambda i: int(i > 1)))
    with pytest.raises(ValueError, match="has no split train, only test"):
        hub(saved({"test": 2, "other": 1}))
    (tmp_path / "broken.png").write_bytes(b"broken")
    config = saved(
        {"train": 4},
        picture=lambda i: str(tmp_path / "broken.png" if i == 2 else photo(f"{i}.png", 8, 8)),
    )
    with pytest.raises(ValueError, match="train, row 2: the image is not a readable image"):
        hub(config).images.read(torch.tensor([2]))


def test_what_cannot_be_loaded(tmp_path, monkeypatch):
    source = find_source("hf:nowhere")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        ValueError, match=r"^data\.source hf:no/where could not be loaded \(.*\): g"
    ):
        source.load(DataConfig(source="hf:no/where"))
    with pytest.raises(ValueError, match="could not be loaded"):
        source.load(DataConfig(source=f"hf:{tmp_path}"))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"needs the package datasets: pip install 'causalogit\["):
        source.load(DataConfig(source="hf:nowhere"))


def test_a_group_that_is_nan_is_missing(saved):
    config = saved(
        {"train": 20}, FEATURES | {"group": datasets.Value("float64")},
        group=lambda number: float("nan") if number == 7 else number % 2,
    )  # fmt: skip
    with pytest.raises(ValueError, match="no group in 1 of 20 rows, the first: train, row 7"):
        hub(config)


def test_several_labels_a_row_are_refused(saved):
    features = {"picture": datasets.Image(), "label": datasets.Sequence(datasets.Value("int64"))}
    with pytest.raises(ValueError, match="has none of type ClassLabel: name the one that is meant"):
        hub(saved({"train": 4}, features, label=lambda number: [number % 2]))
