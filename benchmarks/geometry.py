"""What the lenses of softlab.lenses.geometry cost: python benchmarks/geometry.py

One thread, everything in turns:
- class centres of 100 classes at once, against cvxpy's default conic solver on two of them, scaled to 100;
- within-class variation of 200,000 features against one sum over them, its peak memory, and against the definition
  over all pairs on a subsample;
- the cone onset of 100,000 features against the matrix product that makes their logits.
"""

import statistics

import cvxpy
import torch
from common import peak_memory, report, side_by_side

from softlab.lenses.geometry import class_centers, cone_onset, within_class_variation

ROUNDS = 9
TOLERANCE = 1e-6  # gap, of both solvers


def random_head(classes: int, dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of norm about 1, as trained heads have them."""
    return torch.randn(classes, dimension) * dimension**-0.5, torch.randn(classes) * 0.05


def ratio(seconds: dict[str, list[float]], name: str, reference: str) -> float:
    return statistics.median(one / base for one, base in zip(seconds[name], seconds[reference], strict=True))


def target(text: str, met: bool) -> dict[str, object]:
    return {"target": text, "target met": bool(met)}


def centers() -> None:
    classes = 100
    dimension = 512
    radius = 20.0
    solved = (0, 1)
    weight, bias = random_head(classes, dimension)
    exact = weight.double()
    solver_seconds = []
    optima = {}
    found = []

    def ours():
        found[:] = class_centers(weight, bias, radius, nonnegative=True, tolerance=TOLERANCE)

    def conic():
        spent = 0.0
        for label in solved:
            others = [other for other in range(classes) if other != label]
            rows = exact[others] - exact[label]
            offsets = (bias[others] - bias[label]).double()
            point = cvxpy.Variable(dimension, nonneg=True)
            loss = cvxpy.log_sum_exp(rows.numpy() @ point + offsets.numpy())
            problem = cvxpy.Problem(cvxpy.Minimize(loss), [cvxpy.norm(point) <= radius])
            optima[label] = problem.solve(tol_gap_abs=TOLERANCE, tol_gap_rel=TOLERANCE, max_threads=1)
            spent += problem.solver_stats.solve_time
        solver_seconds.append(spent)

    def loss_of(label: int) -> float:
        logits = exact @ found[0][label] + bias
        others = torch.arange(classes) != label
        return float((logits[others] - logits[label]).logsumexp(0))

    reference = "class_centers, 100 classes"
    peer = "cvxpy, 2 classes scaled to 100"
    seconds = side_by_side({reference: ours, peer: conic}, 3)
    scale = classes / len(solved)
    seconds[peer] = [scale * one for one in seconds[peer]]
    alone = "cvxpy, the solver's own time alone, scaled"
    seconds[alone] = [scale * one for one in solver_seconds[1:]]
    setting = f"K = {classes}, D = {dimension}, R = {radius:g}, in the orthant, gap {TOLERANCE:g}, float64, 1 thread"
    notes = {
        "largest gap": float(found[1].max()),
        "largest difference of the minima found": max(abs(loss_of(label) - optima[label]) for label in solved),
        **target("cvxpy takes at least 50 times as long", ratio(seconds, peer, reference) >= 50),
    }
    report("geometry_centers", reference, seconds, setting, notes)


def pairs(features: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """The definition of within_class_variation: mean cosine distances over all ordered pairs."""
    unit = features.double() / features.double().norm(dim=1, keepdim=True)
    distance = 1 - unit @ unit.T
    member = torch.nn.functional.one_hot(labels).double()
    member = member / member.sum(0)
    between = member.T @ distance @ member
    within = between.diagonal().mean()
    return float(within), float(1 - within / between.mean())


def variation() -> None:
    number = 200_000
    dimension = 512
    classes = 10
    some = 4_000
    labels = torch.randint(classes, (number,))
    features = torch.rand(classes, dimension)[labels].add_(torch.randn(number, dimension), alpha=0.3).relu_()
    reference = "features.sum()"
    ours = "within_class_variation"
    memory = peak_memory(lambda: within_class_variation(features, labels))  # first: freed memory is used again
    seconds = side_by_side({reference: features.sum, ours: lambda: within_class_variation(features, labels)}, ROUNDS)
    notes = {
        "peak memory beyond the features, MB": round(memory, 1),
        **target(
            "within 10 times the sum, below 200 MB beyond the features",
            ratio(seconds, ours, reference) <= 10 and memory < 200,
        ),
    }
    setting = f"{number:,} x {dimension} in float32, K = {classes}, 1 thread"
    report("geometry_variation", reference, seconds, setting, notes)

    sample = features[:some]
    sample_labels = labels[:some]
    definition = "definition over all pairs"
    contestants = {
        ours: lambda: within_class_variation(sample, sample_labels),
        definition: lambda: pairs(sample, sample_labels),
    }
    seconds = side_by_side(contestants, 3)
    both = zip(within_class_variation(sample, sample_labels), pairs(sample, sample_labels), strict=True)
    notes = {"largest difference of d_within and R²": max(abs(one - other) for one, other in both)}
    report("geometry_pairs", ours, seconds, f"{some:,} x {dimension}, K = {classes}, 1 thread", notes)


def onset() -> None:
    number = 100_000
    dimension = 512
    classes = 10
    weight, bias = random_head(classes, dimension)
    features = torch.rand(number, dimension)
    reference = "features @ weight.T"
    ours = "cone_onset"
    contestants = {reference: lambda: features @ weight.T, ours: lambda: cone_onset(features, weight, bias)}
    seconds = side_by_side(contestants, ROUNDS)
    notes = target("within 5 times the product", ratio(seconds, ours, reference) <= 5)
    report("geometry_onset", reference, seconds, f"{number:,} x {dimension}, K = {classes}, 1 thread", notes)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    variation()  # first: its memory is measured in a fresh process
    centers()
    onset()


if __name__ == "__main__":
    main()
