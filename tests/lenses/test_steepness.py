"""Margin over slope: by hand on a linear network, what leaves it alone, and gradients against finite differences."""

import math

import pytest
import torch
from torch import nn

from softlab import SoftlabError
from softlab.lenses import attacks, steepness
from softlab.numbers.look import Look, Samples
from softlab.numbers.quantities import LENSES


class Linear(nn.Module):
    """Logits that are linear in the pixels; features are the pixels."""

    def __init__(self, weight, bias=None):
        super().__init__()
        self.head = nn.Linear(len(weight[0]), len(weight))
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor(weight))
            self.head.bias.copy_(torch.tensor(bias or [0.0] * len(weight)))

    def forward(self, images):
        return self.head(images.flatten(1))


def images(*rows):
    return torch.tensor(rows)[:, None, None, :]


def measured(model, pixels, epsilon):
    gradient = steepness.margin_gradient(model, pixels)
    with torch.no_grad():
        gap = steepness.margin(model(pixels))
    return gap, steepness.slope(gradient, pixels, epsilon), steepness.first_order_radius(gap, gradient, pixels)


def test_by_hand_far_from_the_edge_of_the_box():
    """z = (3 x, y, 0) at (.5, .5): margin 1.5 - .5 = 1, gradient (3, -1), so slope 4 and radius 1/4."""
    gap, slope, radius = measured(Linear([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), images([0.5, 0.5]), 0.1)
    assert gap.tolist() == pytest.approx([1.0])
    assert slope.tolist() == pytest.approx([4.0])
    assert radius.tolist() == pytest.approx([0.25])


def test_by_hand_at_the_edge_of_the_box():
    """At (.5, .95) the second pixel can rise by .05 only: margin .55; up to ε = .05 both take 4 ε, then 3 ε + .05."""
    model = Linear([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    pixels = images([0.5, 0.95])
    gap, slope, radius = measured(model, pixels, 0.1)
    assert gap.tolist() == pytest.approx([0.55])
    assert slope.tolist() == pytest.approx([(3 * 0.1 + 0.05) / 0.1])
    assert radius.tolist() == pytest.approx([(0.55 - 0.05) / 3])
    assert measured(model, pixels, 0.02)[1].tolist() == pytest.approx([4.0])


def test_a_border_that_the_box_does_not_reach_is_one_away():
    """z = (x + 3, y, 0): even at x = 0 and y = 1 the first class leads."""
    model = Linear([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], (3.0, 0.0, 0.0))
    assert measured(model, images([0.0, 0.5], [0.5, 1.0]), 0.5)[2].tolist() == [1.0, 1.0]


def test_equal_logits_have_no_margin_and_no_radius():
    gap, _, radius = measured(Linear([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), images([0.5, 0.5]), 0.1)
    assert gap.tolist() == radius.tolist() == [0.0]
    flat = Linear([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert measured(flat, images([0.5, 0.5]), 0.1)[2].tolist() == [0.0], "nor where there is no slope either"


def test_the_radius_is_where_the_slope_takes_the_margin():
    """For random gradients and images, many pixels at the edge: radius · slope(radius) = margin, and not before."""
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn((50, 1, 6, 6), generator=generator)
    pixels = torch.rand((50, 1, 6, 6), generator=generator).mul(1.6).sub(0.3).clamp(0, 1)
    gap = torch.rand(50, generator=generator) * 4
    radius = steepness.first_order_radius(gap, gradient, pixels)
    assert (radius < 1).all()
    for row in range(50):
        one = slice(row, row + 1)
        taken = float(radius[row]) * steepness.slope(gradient[one], pixels[one], float(radius[row]))
        assert taken.item() == pytest.approx(gap[row].item(), rel=1e-5)


def test_on_a_linear_network_the_estimate_is_what_an_attack_leaves():
    generator = torch.Generator().manual_seed(1)
    model = Linear(torch.randn((4, 9), generator=generator).tolist())
    pixels = torch.rand((200, 1, 3, 3), generator=generator).mul(1.4).sub(0.2).clamp(0, 1)
    with torch.no_grad():
        logits = model(pixels)
    labels = logits.topk(2).indices[:, 0]
    gradient = steepness.margin_gradient(model, pixels)
    radius = steepness.first_order_radius(steepness.margin(logits), gradient, pixels)
    for epsilon in (0.02, 0.1):
        # towards the runner-up the first-order move is exact; another rival may be nearer, so the attack leaves less
        left = ~attacks.pgd(model, pixels, labels, epsilon, loss="margin", restarts=4).success
        assert not (left & (radius <= epsilon)).any()
        estimate = steepness.estimate(radius, logits.argmax(1) == labels, epsilon)
        assert estimate == pytest.approx(float(left.float().mean()), abs=0.06)


def test_a_temperature_changes_no_radius():
    weight = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    pixels = images([0.5, 0.95], [0.7, 0.2], [0.0, 1.0])
    plain = measured(Linear(weight.tolist()), pixels, 0.1)
    cooled = measured(Linear((weight / 7).tolist()), pixels, 0.1)
    assert cooled[0] == pytest.approx((plain[0] / 7).tolist())
    assert cooled[1] == pytest.approx((plain[1] / 7).tolist())
    assert cooled[2] == pytest.approx(plain[2].tolist(), rel=1e-5)


def test_gradients_against_finite_differences():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 9, 3)).double()
    pixels = torch.rand(2, 1, 5, 5).double()

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = body

        def forward(self, given):
            return self.body.float()(given)

    gradient = steepness.margin_gradient(Wrapped(), pixels.float())
    step = 1e-2
    for row, place in ((0, (0, 2, 2)), (1, (0, 4, 1))):
        up = pixels.clone().float()
        down = pixels.clone().float()
        up[row][place] += step
        down[row][place] -= step
        with torch.no_grad():
            gaps = [steepness.margin(body.float()(one))[row] for one in (up, down)]
        assert gradient[row][place].item() == pytest.approx(float(gaps[0] - gaps[1]) / (2 * step), rel=1e-2, abs=1e-4)


def test_the_other_measures_of_size_by_hand():
    logits = torch.tensor([[4.0, 1.0, -2.0], [1.0, 1.0, 4.0]])  # centred: (3, 0, -3) and (-1, -1, 2)
    assert steepness.length(logits).tolist() == pytest.approx([math.sqrt(18), math.sqrt(6)])
    assert steepness.margin(logits).tolist() == [3.0, 3.0]
    assert steepness.gap_to_third(logits).tolist() == [6.0, 3.0]
    # The mean of the centred logits is (1, -.5, -.5): each is (2, .5, -2.5) away from it, 10.5 squared.
    assert steepness.spread_between_images(logits) == pytest.approx(math.sqrt(10.5))


def test_noise_moves_a_linear_network_by_what_its_weights_say():
    """z = (x, -x): ± ε moves the centred logits by ε · √2, whose length is |x| √2."""
    model = Linear([[1.0], [-1.0]])
    found = steepness.noise_response(model, images([0.5], [0.25], [0.0]), 0.1, torch.Generator().manual_seed(0))
    assert found[:2].tolist() == pytest.approx([0.2, 0.4])


def test_input_that_cannot_be_measured_is_one_line():
    with pytest.raises(SoftlabError, match="at least 2 classes, not 1"):
        steepness.margin(torch.ones(3, 1))
    with pytest.raises(SoftlabError, match="at least 3 classes, not 2"):
        steepness.gap_to_third(torch.ones(3, 2))
    with pytest.raises(SoftlabError, match="epsilon must be above 0"):
        steepness.slope(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1), 0)

    class Rounded(Linear):
        def forward(self, given):
            return super().forward(given.detach())

    model = Rounded([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    model.head.requires_grad_(False)
    with pytest.raises(SoftlabError, match="no gradient of the logits reaches the pixels"):
        steepness.margin_gradient(model, images([0.5, 0.5]))


def test_logits_inside_something_are_measured_as_logits_are():
    model = Linear([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    part = images([0.5, 0.5], [0.9, 0.1])

    class Returns(nn.Module):
        def __init__(self, wrap):
            super().__init__()
            self.model = model
            self.wrap = wrap

        def forward(self, pixels):
            return self.wrap(self.model(pixels))

    for wrap in (lambda z: (z,), lambda z: {"logits": z, "f": z.square()}):
        assert torch.equal(steepness.margin_gradient(Returns(wrap), part), steepness.margin_gradient(model, part))
        noises = (
            steepness.noise_response(one, part, 0.1, torch.Generator().manual_seed(0)) for one in (Returns(wrap), model)
        )
        assert torch.equal(*noises)
    with pytest.raises(SoftlabError, match="which are its logits"):
        steepness.margin_gradient(Returns(lambda z: (z, z.square())), part)
    with pytest.raises(SoftlabError, match=r"must be a torch\.nn\.Module, not function"):
        steepness.margin_gradient(lambda pixels: model(pixels), part)
    with pytest.warns(UserWarning, match="gives probabilities"):
        steepness.margin_gradient(Returns(lambda z: z.softmax(1)), part)


def test_a_radius_in_255ths_and_normalised_pixels_are_refused():
    model = Linear([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    part = images([0.5, 0.5])
    with pytest.raises(SoftlabError, match="epsilon must be from 0 to 1, as pixels are, not 8"):
        steepness.estimate(torch.tensor([0.1]), torch.tensor([True]), 8)
    with pytest.raises(SoftlabError, match="epsilon must be from 0 to 1, as pixels are, not 2"):
        steepness.noise_response(model, part, 2, torch.Generator())
    for ask in (steepness.margin_gradient, lambda *given: steepness.noise_response(*given, 0.1, torch.Generator())):
        with pytest.raises(SoftlabError, match="image 0 has pixels outside"):
            ask(model, 3 * part)


def test_the_lens_by_hand():
    """Of the first test image alone, as one is attacked: margin 1, slope 4, radius 1/4."""
    model = Linear([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    part = images([0.5, 0.5], [0.9, 0.1]), torch.tensor([0, 0])
    found = LENSES["steep"].measure(Look(model, Samples(part, part, part, attacked=1, steps=1)))
    assert found["log margin"] == pytest.approx(0.0, abs=1e-6)
    assert found["log slope"] == pytest.approx(math.log(4))
    assert found["log first-order radius"] == pytest.approx(math.log(1 / 4))
    assert [found[f"estimate, {radius}/255"] for radius in (0.4, 1, 2, 4, 8)] == [1.0] * 5
    wrong = images([0.5, 0.5]), torch.tensor([1])
    again = LENSES["steep"].measure(Look(model, Samples(wrong, wrong, wrong, attacked=1, steps=1)))
    assert again["estimate, 0.4/255"] == 0.0, "an image that is wrong is not right under attack either"
    assert again["log margin"] == found["log margin"], "margins need no labels"


def test_a_scaled_bias_is_a_moved_window():
    """Features (½, 1) with weights ± (2, 0) and biases ± b: the class changes where t = -b."""
    model = Linear([[2.0, 0.0], [-2.0, 0.0]], (-0.5, 0.5))  # the class of t f changes at t = .5
    part = images([0.5, 1.0]), torch.tensor([0])
    found = LENSES["bias_scaled"].measure(Look(model, Samples(part, part, part)))
    # ‖b_c‖ = .5 √2 and ‖W_c f‖ = √2: a ratio of ½. At ratio r the class changes at t = r: within [.1, 10] or before.
    assert found["log bias over length"] == pytest.approx(math.log(0.5))
    changes = {ratio: found[f"constant class, ratio {ratio}"] for ratio in (0.01, 0.04, 0.08, 0.16, 0.32)}
    assert changes == {0.01: 1.0, 0.04: 1.0, 0.08: 1.0, 0.16: 0.0, 0.32: 0.0}
    model.head.bias.data.zero_()
    none = LENSES["bias_scaled"].measure(Look(model, Samples(part, part, part)))
    assert all(map(math.isnan, none.values())), "a head without a bias has no ratio"
