"""Which source a name or path means, what it fills in, and what it refuses."""

from __future__ import annotations

import pytest

from causalogit.config import AttributeConfig, DataConfig, MetaConfig
from causalogit.data.sources import OTHERS, SOURCES, find_source


def test_names_come_first_then_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert find_source("digits") is SOURCES["digits"]
    assert find_source("./digits") is OTHERS["FOLDER"]
    (tmp_path / "digits/metadata.csv").touch()
    assert find_source("./digits") is OTHERS["FOLDER/metadata.csv"]
    assert find_source("hf:digits") is OTHERS["hf:NAME"]
    for name in ("a.csv", "a.TSV", "a.parquet"):
        (tmp_path / name).touch()
        assert find_source(name) is OTHERS["FILE.csv, .tsv, .parquet"]
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match=r"a\.txt is a file, but none of \.csv, \.tsv, \.parquet"):
        find_source("a.txt")
    with pytest.raises(
        ValueError, match=r"'photo' is not known: choose among digits, mnist, .* or"
    ):
        find_source("photo")


@pytest.mark.parametrize("name", ["waterbirds", "celeba", "imagenet_lt", "mscoco_glt"])
def test_photos_have_defaults(name):
    config = find_source(name).fill_in(DataConfig(source=name))
    assert config.image_size == 224
    assert config.attribute.kind == "none"
    assert config.meta.per_class == 10
    assert config.meta.taken_from == ("validation" if name == "imagenet_lt" else "train")
    assert config.validation_size is None
    assert config.test_size is None


def test_what_is_given_stays():
    given = DataConfig(
        source="imagenet_lt",
        image_size=64,
        validation_size=50,
        meta=MetaConfig(per_class=3, taken_from="train"),
    )
    config = find_source("imagenet_lt").fill_in(given)
    assert (config.image_size, config.validation_size, config.meta) == (64, 50, given.meta)
    drawn = DataConfig(source="imagenet_lt", meta=MetaConfig(drawn="like_training"))
    assert find_source("imagenet_lt").fill_in(drawn).meta.taken_from == "train"


def test_a_path_that_would_be_ignored_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data\.path is not used by digits: leave it out"):
        find_source("digits").fill_in(DataConfig(path="here"))
    with pytest.raises(ValueError, match=r"data\.mask_path is not used by mnist: leave it out"):
        find_source("mnist").fill_in(DataConfig(source="mnist", mask_path="here"))
    with pytest.raises(ValueError, match=r"data\.path is not used by /"):
        find_source(str(tmp_path)).fill_in(DataConfig(source=str(tmp_path), path="here"))
    for source in (*SOURCES.values(), *OTHERS.values()):
        assert source.summary


def test_a_long_tail_of_attributes_needs_attributes():
    assert find_source("digits").fill_in(DataConfig(attribute=AttributeConfig(ratio=9)))
    for source, kind in (("mnist", None), ("digits", "none")):
        config = DataConfig(source=source, attribute=AttributeConfig(kind, ratio=9))
        with pytest.raises(
            ValueError,
            match=rf"^data\.attribute\.ratio is 9, but no attribute is laid on {source}: set",
        ):
            find_source(source).fill_in(config)


@pytest.mark.parametrize(("name", "title"), [("mnist", "MNIST"), ("cifar100", "CIFAR100")])
def test_no_path_and_no_network(name, title, tmp_path, monkeypatch):
    monkeypatch.setenv("CAUSALOGIT_DATA", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    wanted = rf"^{title} could not be downloaded to .*: give data"
    with pytest.raises(ValueError, match=wanted) as error:
        find_source(name).load(DataConfig(source=name))
    assert "\n" not in str(error.value)
