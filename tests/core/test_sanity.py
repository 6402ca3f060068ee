"""The sanity check of the paper: only the perturbations can bring this meta loss down."""

from __future__ import annotations

import pytest
import torch
from benchmarks.sanity import WRONG, main, meta_losses, ten_digits


@pytest.fixture(autouse=True)
def device() -> str:
    """The command runs on the CPU."""
    return "cpu"


def test_the_ten_images_are_two_digits_and_two_labels_are_wrong() -> None:
    images, labels = ten_digits()
    assert images.shape == (10, 1, 28, 28)
    assert (images.min(), images.max()) == (0, 1)
    assert labels.tolist() == [0] * 5 + [1] * 5
    assert [labels[i].item() for i in WRONG] == [0, 1]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_network_drives_the_meta_loss_near_zero(seed: int) -> None:
    before = torch.get_rng_state()
    losses = meta_losses(seed=seed)
    print(f"smallest meta loss, seed {seed}: {min(losses):.5f}")
    assert losses[0] > 0.6
    assert min(losses) < 0.02
    assert losses[-1] < 0.05  # and it stays there
    assert torch.equal(torch.get_rng_state(), before)


def test_without_the_network_s_updates_it_does_not() -> None:
    losses = meta_losses(network_rate=0.0)
    assert min(losses) > 0.2
    assert losses[-1] > min(losses)  # the wrong labels are being learned by heart


def test_the_command_prints_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sanity", "--steps", "2"])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in lines] == ["with", "without"]
    assert all(0.5 < float(line.split()[-1]) < 0.8 for line in lines)
