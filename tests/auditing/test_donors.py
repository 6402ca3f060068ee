from __future__ import annotations

import torch

from causalogit.auditing.donors import choose_donors, log_odds


def test_donors_are_of_the_right_class_and_of_the_third_that_speaks_most():
    draws = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (90,), generator=draws)
    usable = torch.rand(90, generator=draws) > 0.2
    scores = torch.rand(90, 3, generator=draws)
    found = choose_donors(scores, labels, usable, seed=3)
    for place in range(90):
        if not usable[place]:
            assert found.own[place] == found.other[place] == -1
            continue
        label = labels[place]
        own = [p for p in range(90) if usable[p] and labels[p] == label]
        strangers = [p for p in range(90) if usable[p] and labels[p] != label]
        own.sort(key=lambda p: -scores[p, label])
        strangers.sort(key=lambda p: scores[p, label])
        assert found.own[place].item() in own[: -(-len(own) // 3)]
        assert found.own[place] != place
        assert found.other[place].item() in strangers[: -(-len(strangers) // 3)]


def test_the_draw_depends_on_the_seed_alone():
    labels, usable = torch.arange(60) % 2, torch.ones(60, dtype=torch.bool)
    scores = torch.rand(60, 2)
    first, again, other = (choose_donors(scores, labels, usable, seed) for seed in (1, 1, 2))
    assert torch.equal(first.own, again.own)
    assert torch.equal(first.other, again.other)
    assert not torch.equal(first.other, other.other)


def test_a_class_of_one_photo_has_none_of_its_own():
    labels = torch.tensor([0, 1, 1])
    found = choose_donors(torch.zeros(3, 2), labels, torch.ones(3, dtype=torch.bool), 0)
    assert found.found.tolist() == [False, True, True]
    assert found.own.tolist() == [-1, 2, 1]


def test_log_odds():
    logits = torch.tensor([[2.0, -1.0, 0.5], [300.0, 0.0, -300.0]])
    shares = logits[0].double().softmax(0)
    assert torch.allclose(log_odds(logits)[0].double(), (shares / (1 - shares)).log())
    assert log_odds(logits).isfinite().all()
