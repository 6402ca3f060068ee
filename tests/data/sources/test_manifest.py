"""Tables of photos: CSV, TSV and Parquet."""

from __future__ import annotations

import pytest
import torch

from causalogit.config import DataConfig
from causalogit.data import build_data
from causalogit.data.sources.manifest import manifest


@pytest.fixture
def table(photo, tmp_path):
    """Writes photos and a table of them; a row is what follows the photo's name."""

    def write(header: str, rows: list[str], name: str = "photos.csv"):
        for i in range(len(rows)):
            photo(f"images/{i}.png")
            photo(f"masks/{i}.png", mode="L")
        mark = "\t" if name.endswith("tsv") else ","
        lines = [f"image{mark}{header}", *(f"images/{i}.png{mark}{r}" for i, r in enumerate(rows))]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path / name

    return write


def read(path, **options):
    return manifest(DataConfig(source=str(path), image_size=8, **options))


def test_two_columns_suffice(table):
    samples = read(table("label", ["10", "9", " 10 ", "9"]))
    assert samples.class_names == ("9", "10")
    assert samples.labels.tolist() == [1, 0, 1, 0]
    assert samples.parts is None
    assert not samples.images.has_masks


@pytest.mark.parametrize(("mark", "name"), [(",", "photos.csv"), ("\t", "photos.tsv")])
def test_all_columns(table, mark, name):
    rows = [
        ("cat" if i % 2 else "dog", "sea" if i % 3 else "land", f"masks/{i}.png", "0 1 5 6", split)
        for i, split in enumerate(["train"] * 6 + ["val"] * 6 + ["test"] * 6 + ["meta"] * 6)
    ]
    columns = ("label", "group", "mask", "box", "split")
    path = table(mark.join(columns), [mark.join(row) for row in rows], name)
    samples = read(path)
    assert samples.class_names == ("cat", "dog")
    assert samples.attribute_names == ("land", "sea")
    assert samples.attributes.tolist() == [int(i % 3 > 0) for i in range(24)]
    assert samples.parts.tolist() == [i // 6 for i in range(24)]
    assert samples.images.has_masks
    data = build_data(DataConfig(source=str(path), image_size=8), seed=0)
    assert data.group_counts.tolist() == [1, 2, 1, 2]
    assert data.attribute_names == ("land", "sea")
    assert [len(s) for s in (data.train, data.validation, data.test, data.meta)] == [6] * 4


def test_names_of_splits_may_be_in_any_case(table):
    splits = ["Train", "TRAIN", "Val", "Validation", "Test", "META"]
    path = table("label,split", [f"{'cat' if i % 2 else 'dog'},{s}" for i, s in enumerate(splits)])
    assert read(path).parts.tolist() == [0, 0, 1, 1, 2, 3]


def test_a_box_is_enough_for_a_mask(table):
    samples = read(table("label,box", ["cat,0 0 5 10", 'dog,"6,0,12,10"']))
    masks = samples.images.read(torch.arange(2))[1]
    assert masks[0, 0, :, :3].min() == 1
    assert masks[0, 0, :, 6:].max() == 0
    assert masks[1, 0, :, 5:].min() == 1
    assert masks[1, 0, :, :2].max() == 0


def test_bad_rows_are_told_with_their_numbers(table, tmp_path):
    path = table(
        "label,box,split",
        [
            "cat,0 0 5 5,train", "dog,0 0 5 5,train", ",0 0 5 5,train", "cat,0 0 50 5,train",
            "cat,0 0 5,train", "cat,,train", "cat,0 0 5 5,tset", "cow,0 0 5 5,test",
            "cat,0 0 5 5", "cat,0 0 5 5,val",
        ],
    )  # fmt: skip
    with path.open("a") as file:
        file.write("\n,cat,0 0 5 5,train\nimages/gone.png,cat,0 0 5 5,train\n")
    (tmp_path / "images/9.png").write_bytes(b"")
    with pytest.raises(ValueError, match="10 of 12 images cannot be used") as error:
        read(path)
    assert str(error.value).split("\n  ")[1:] == [
        "photos.csv, row 4: the label is empty",
        "photos.csv, row 5: the box 0 0 50 5 is not inside of the image's 12 x 10 pixels",
        "photos.csv, row 6: the box '0 0 5' is not four numbers: give x0 y0 x1 y1, in pixels",
        "photos.csv, row 7: has no mask or box, though others have: give it for all of a split "
        "or for none",
        "photos.csv, row 8: the split 'tset' is not known: choose among train, validation, test, "
        "meta",
        "photos.csv, row 9: no training image has the label 'cow'",
        "photos.csv, row 10: has 3 values for 4 columns",
        "photos.csv, row 11: 9.png is not a readable image (no image format that is known)",
        "photos.csv, row 13: the image is empty",
        f"photos.csv, row 14: {tmp_path}/images/gone.png does not exist",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image,split\n", "has no column label: its columns are image, split"),
        ("file,class\n", "has no column image and no column label"),
        ("image,label,place,size\n", "has columns that are not known: place, size; rename or"),
        ("image,label,label\n", "has two columns named 'label'"),
        ("", "is empty"),
        ("image,label\n", "has no images"),
        (
            "image;label\na.png;cat\n",
            "has semicolons between its columns, where commas must be: save it with commas",
        ),
        ("image\tlabel\na.png\tcat\n", "has tabs between its columns, where commas must be"),
        ("image,la\0bel\na.png,cat\n", r"photos\.csv, row 1: has a NUL byte"),
    ],
)
def test_wrong_tables_are_told_by_name(tmp_path, content, message):
    (tmp_path / "photos.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "photos.csv")


def test_a_tsv_with_commas_is_told(tmp_path):
    (tmp_path / "photos.tsv").write_text("image,label\na.png,cat\n")
    with pytest.raises(ValueError, match="has commas between its columns, where tabs must be"):
        read(tmp_path / "photos.tsv")


def test_only_line_ends_outside_of_quotes_end_a_row(table):
    names = ['"sea\ncat"', "sea\x85dog", "sea\u2028cow", "sea\x0bpig"]
    path = table("label,box", [f"{name},0 0 5 5" for name in names] + ['"sea\ncat",0 0 5'])
    with pytest.raises(ValueError, match="1 of 5 images") as error:
        read(path)
    assert "\n  photos.csv, row 6: the box '0 0 5'" in str(error.value)
    path = table("label", names)
    assert read(path).class_names == ("sea\ncat", "sea\x0bpig", "sea\x85dog", "sea\u2028cow")


def test_a_nul_byte_is_told_with_its_row(table):
    path = table("label", ["cat", "dog", "cat\0", "dog", "cat"])
    path.write_bytes(path.read_bytes().replace(b"images/3.png", b"images/3\0.png"))
    with pytest.raises(ValueError, match="2 of 5 images") as error:
        read(path)
    told = "has a NUL byte, so it is no text or damaged: save the table anew"
    assert str(error.value).split("\n  ")[1:] == [f"photos.csv, row {n}: {told}" for n in (4, 5)]


def test_other_files_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.csv cannot be read \(No such file"):
        read(tmp_path / "gone.csv")
    (tmp_path / "photos.csv").write_bytes("image,label\na.png,Käfer\n".encode("latin-1"))
    with pytest.raises(ValueError, match="is not text in UTF-8"):
        read(tmp_path / "photos.csv")
    with pytest.raises(ValueError, match=r"data\.mask_path is for folders"):
        read(tmp_path / "photos.csv", mask_path=str(tmp_path))


def test_excels_mark_at_the_start_is_no_part_of_a_name(table):
    path = table("label", ["cat", "dog"])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(path).class_names == ("cat", "dog")


def test_parquet_is_the_same_table(table, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra 'data'")
    from pyarrow import parquet

    table("label", ["cat", "dog", "cat", "dog"])
    columns = {
        "image": [f"images/{i}.png" for i in range(4)],
        "label": [1, 0, 1, 0],
        "group": ["sea", "land", "land", "sea"],
        "box": [[0, 0, 3, 3], [1, 1, 4, 4], [0, 0, 3, 3], [0, 0, 3, 3]],
        "split": ["train"] * 3 + ["test"],
    }
    path = tmp_path / "photos.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    samples = read(path)
    assert samples.labels.tolist() == [1, 0, 1, 0]
    assert samples.attributes.tolist() == [1, 0, 0, 1]
    assert samples.parts.tolist() == [0, 0, 0, 2]
    assert samples.images.has_masks
    columns["group"][2] = None
    columns["label"][3] = None
    parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(ValueError, match="2 of 4 images") as error:
        read(path)
    assert "photos.parquet, row 3: has no group, though others have" in str(error.value)
    assert "photos.parquet, row 4: the label is empty" in str(error.value)
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="is not a readable Parquet file"):
        read(path)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "photos.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        ValueError, match=r"install pyarrow for it, pip install 'causalogit\[data\]'"
    ):
        read(tmp_path / "photos.parquet")


def test_an_index_column_is_told(table):
    path = table("label", ["a", "b"])
    path.write_text("".join(f",{line}\n" for line in path.read_text().splitlines()))
    with pytest.raises(ValueError, match=r"not known: \(one without a name\); .* index=False"):
        read(path)


def test_a_nul_byte_in_parquet_is_told_by_its_row(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra 'data'")
    from pyarrow import parquet

    path = tmp_path / "photos.parquet"
    parquet.write_table(pyarrow.table({"image": ["a\0b.png"], "label": ["x"]}), path)
    with pytest.raises(ValueError, match=r"photos\.parquet, row 1: has a NUL byte"):
        read(path)
