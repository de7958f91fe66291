"""Recomputes the printed intervals from the records, without any code of the program that printed them.

    python results/recompute.py [FOLDER] [SUITE...]      # needs Python 3.11, numpy and scipy

For each suite in FOLDER (by default the one of this file), it reads the comparisons from `suite.toml`, the values and hits of
every run from `runs/*.json`, and the printed intervals from `README.md`. It prints each interval as printed and as recomputed,
and exits with 1 if one differs by more than its last digit is rounded, or if there was none to compare.
"""

import json
import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import optimize, stats


def bits(text, images):
    """The hits that the record keeps as hexadecimal digits, the first image in the highest bit of the first digit."""
    return np.array([int(digit, 16) >> (3 - bit) & 1 for digit in text for bit in range(4)][:images], float)


def hits_of(texts, share):
    """The mean hits of several texts of equal length; the number of images is that whose share of hits is `share`."""
    padded = np.mean([bits(text, 4 * len(text)) for text in texts], axis=0)
    for images in range(len(padded), len(padded) - 4, -1):
        if images > 0 and abs(padded[:images].mean() - share) < 1e-6:
            return padded[:images]
    return None


def anova(d):
    """The mean of d over seeds (rows) and images (columns), its standard error and Satterthwaite's degrees of freedom."""
    seeds, images = d.shape
    mean, rows, columns = d.mean(), d.mean(axis=1, keepdims=True), d.mean(axis=0, keepdims=True)
    both = ((d - rows - columns + mean) ** 2).sum() / ((seeds - 1) * (images - 1))
    of_seeds = max(images * ((rows - mean) ** 2).sum() / (seeds - 1), both)
    of_images = max(seeds * ((columns - mean) ** 2).sum() / (images - 1), both)
    total = of_seeds + of_images - both
    parts = of_seeds**2 / (seeds - 1) + of_images**2 / (images - 1) + both**2 / ((seeds - 1) * (images - 1))
    return mean, np.sqrt(total / d.size), total**2 / parts if parts > 0 else seeds - 1


def student(d):
    """The same for one value per seed."""
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d)), len(d) - 1


def difference(a, b):
    mean, error, df = (anova if a.ndim == 2 else student)(a - b)
    half = stats.t.ppf(0.975, df) * error if error > 0 else 0.0
    return mean, mean - half, mean + half


def ratio(a, b):
    """Fieller: the ends are the bounds m at which a − m·b is on the edge of being told from 0."""

    def edge(m):
        mean, error, df = (anova if a.ndim == 2 else student)(a - m * b)
        return abs(mean) - stats.t.ppf(0.975, df) * error

    value = a.mean() / b.mean()
    most = next((value * 2.0**k for k in range(1, 20) if edge(value * 2.0**k) > 0), None)
    low = optimize.brentq(edge, 0, value) if edge(0) > 0 else 0.0
    return value, low, optimize.brentq(edge, value, most) if most else np.inf


def selected(runs, side):
    """The runs of one side of a comparison, by seed."""
    keys = [key for key in side if key != "at"]
    return {run["config"]["seed"]: run for run in runs if all(run["config"].get(key) == side[key] for key in keys)}


def value(run, comparison, side):
    """The value of a run and, where it is a share of the test images, one value per image."""
    metric = comparison.get("metric", "top1")
    at = side.get("at", comparison.get("at"))
    span = comparison.get("mean_over")
    final = run["final"]
    if metric == "top1" and at is None and span is None and "setting" not in comparison:
        return final["top1"], hits_of([run["test_hits"]], final["top1"])
    if metric == "top1_err":
        return 1 - final["top1"], 1 - hits_of([run["test_hits"]], final["top1"])
    if metric == "generalisation_gap":
        return final["train_top1"] - final["top1"], final["train_top1"] - hits_of([run["test_hits"]], final["top1"])
    if metric == "test_loss":
        return final["test_loss"] / 100, None
    if metric == "val_loss_rise":
        losses = [point["val_loss"] for point in run["curve"]]
        return (losses[-1] - min(losses)) / 100, None
    points = [
        point
        for point in run["measures"]
        if point["measure"] == metric
        and comparison.get("setting") in (None, point["setting"])
        and (point["at"] == at if at is not None else span is None or span[0] <= point["at"] <= span[1])
    ]
    mean = np.mean([point["value"] for point in points])
    texts = [point["hits"] for point in points]
    return mean, hits_of(texts, mean) if all(texts) else None


def at_equal_train_loss(a, b):
    """The validation losses of two runs at the lowest training loss that both reach, interpolated along their curves."""
    curves = [[(point["train_loss"], point["val_loss"]) for point in run["curve"]] for run in (a, b)]
    level = max(min(train for train, _ in curve) for curve in curves)
    losses = []
    for curve in curves:
        first = next(i for i, (train, _) in enumerate(curve) if train <= level)
        if first == 0 and curve[0][0] < level:
            return None
        around = curve[max(first - 1, 0) : first + 1]
        losses.append(np.interp(level, *zip(*sorted(around))))
    return losses


def recomputed(runs, comparison):
    """The value, and the ends of its interval, in per cent or points, or as a ratio."""
    a, b = (selected(runs, comparison[side]) for side in "ab")
    seeds = sorted(seed for seed in a if seed in b and a[seed].get("final") and b[seed].get("final"))
    if comparison.get("metric") == "val_loss_at_equal_train_loss":
        losses = [pair for seed in seeds if (pair := at_equal_train_loss(a[seed], b[seed]))]
        return (ratio if comparison.get("by") == "ratio" else difference)(*np.array(losses).T)
    sides = []
    for runs_of_side, side in [(a, comparison["a"]), (b, comparison["b"])]:
        values = [value(runs_of_side[seed], comparison, side) for seed in seeds]
        per_image = all(images is not None for _, images in values)
        sides.append(100 * np.array([images if per_image else mean for mean, images in values]))
    if sides[0].ndim != sides[1].ndim:
        return None
    return (ratio if comparison.get("by") == "ratio" else difference)(*sides)


def number(text):
    return float(text.replace("−", "-").replace("+", "").replace(",", "").replace("∞", "inf"))


def printed(page):
    """The interval of each comparison on a page, as text, by its name."""
    intervals = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 11 and (found := re.match(r"(\S+) (?:points|nats|times) \[(\S+), (\S+)\]", cells[5])):
            if cells[9] != "timed":
                intervals[cells[1]] = found.groups()
    return intervals


def agrees(text, ours):
    digits = len(text.split(".")[1]) if "." in text else 0
    return number(text) == ours or abs(number(text) - ours) <= 0.5001 * 10.0**-digits


def main(folder, names):
    compared = disagreed = 0
    for suite in sorted(path.parent for path in folder.glob("*/suite.toml") if not names or path.parent.name in names):
        intervals = printed((suite / "README.md").read_text(encoding="utf-8"))
        runs = [json.loads(path.read_bytes()) for path in suite.glob("runs/*.json")]
        # Of several configurations of a variant, the page shows the one with the most seeds.
        groups = defaultdict(list)
        for run in runs:
            groups[run["config_hash"]].append(run)
        factors = ["dataset", "model", "head", "input", "train_size", "setting"]
        shown = {}
        for _, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
            shown.setdefault(tuple(group[0]["config"].get(factor) for factor in factors), group)
        runs = [run for group in shown.values() for run in group]
        for comparison in tomllib.loads((suite / "suite.toml").read_text(encoding="utf-8")).get("comparisons", []):
            name = comparison["name"]
            if name not in intervals:
                continue
            ours = recomputed(runs, comparison)
            is_same = ours is not None and all(agrees(text, end) for text, end in zip(intervals[name], ours))
            compared += 1
            disagreed += not is_same
            text = "not recomputed" if ours is None else "{:.4f} [{:.4f}, {:.4f}]".format(*ours)
            print("{}  {}: {}: printed {} [{}, {}], recomputed {}".format(
                "agrees " if is_same else "DIFFERS", suite.name, name, *intervals[name], text))
    print(f"{compared - disagreed} of {compared} intervals agree")
    return 0 if compared > 0 and disagreed == 0 else 1


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    sys.exit(main(folder, sys.argv[2:]))
