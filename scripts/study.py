"""The study of docs/study.md: methods judged on the ImageNet nets of the corpus and real photos, as tables for that page.

    .venv/bin/python scripts/study.py [--nets tiny_darknet_224 ...] [--parts fidelity ...] [--photos 40]
                                      [--shard 1/4] [--tables]

Runs `vitrail evaluate` once a net and part, on one thread, into out/study/NET-PART; what is there already is kept, so a
run that was stopped goes on. --tables runs nothing anew and prints the tables of what is finished; of shards, which print
none themselves, of the photos that they have scored.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
CORPUS = SOURCE.parent / "shared" / "corpus"
OUT = SOURCE / "out" / "study"
COMMAND = os.environ.get("VITRAIL_COMMAND", SOURCE / "build" / "release" / "vitrail")
NETS = ("mobilenet_v1_0.25_224", "tiny_darknet_224", "mobilenet_v2_1.0_224")
CONTROLS = ("random", "edges", "centre")
GRADIENTS = ("saliency", "gradient_x_input", "integrated_gradients", "smoothgrad", "gradcam", "gradcam_pp", "lrp")
BLACK_BOXES = ("occlusion", "rise:masks=1000", "sobol:designs=4", "hsic", "kernel_shap:coalitions=500")


@dataclass
class Part:
    methods: tuple
    metrics: tuple
    photos: int
    evidence: tuple = ()
    folder: Path = CORPUS / "images" / "imagenet-sample"


PARTS = {
    "fidelity": Part(
        (*GRADIENTS, *BLACK_BOXES, *CONTROLS),
        ("deletion:steps=50", "insertion:steps=50", "mu_fidelity:subsets=100", "road:steps=4", "average_drop", "gini"),
        100,
    ),
    "sanity": Part(
        (*GRADIENTS, "guided_backprop", "occlusion", "edges"),
        ("model_randomisation", "model_randomisation:share=1", "random_logit", "max_sensitivity"),
        30,
    ),
    "people": Part(
        ("saliency", "integrated_gradients", "gradcam", "rise:masks=500", *CONTROLS),
        ("human_spearman", "human_dice"),
        30,
        ("--human-maps", CORPUS / "gaze" / "fixations.csv"),
        CORPUS / "gaze" / "images",
    ),
}


def evaluate(net, name, photos, folder, *more):
    part = PARTS[name]
    command = [COMMAND, "evaluate", CORPUS / "models" / "imagenet" / f"{net}.onnx", *photos, *more]
    command += ["-m", ",".join(part.methods), "--metric", ",".join(part.metrics), *part.evidence, "--threads", "1"]
    subprocess.run([*command, "-o", folder, "--quiet"], check=True)


def run(net, name, most, shard):
    part = PARTS[name]
    photos = sorted(path for path in part.folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    more = ("--shard", shard) if shard else ()
    evaluate(net, name, photos[: min(part.photos, most)], OUT / f"{net}-{name}", *more)


def gather(net, name):
    """The folder of the evaluation; where there are shards, of one of the photos that they have scored."""
    folder = OUT / f"{net}-{name}"
    if not any(folder.glob("scores-*.jsonl")):
        return folder
    record = json.loads((folder / "run.json").read_text())
    whole = OUT / f"{net}-{name}-so-far"
    whole.mkdir(exist_ok=True)
    for kind in ("scores", "seconds"):
        lines = [
            json.loads(line) for shard in folder.glob(f"{kind}-*.jsonl") for line in shard.read_text().splitlines()
        ]
        lines.sort(key=lambda line: line["place"])
        photos = [record["photos"][line["place"]] for line in lines]
        for place, line in enumerate(lines):
            line["place"] = place
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (whole / f"{kind}.jsonl").write_text(text)
    (whole / "run.json").write_text(json.dumps({**record, "photos": photos}))
    evaluate(net, name, photos, whole)  # everything is scored: the statistics alone
    return whole


def cell(row, controls):
    """The mean, bold where it is better than every control's and the whole interval says so; and the interval."""
    if row["mean"] is None:
        return "-"
    text = f"{row['mean']:.3f}"
    sign = 1 if row["direction"] == "higher" else -1
    best = max((sign * control["mean"] for control in controls if control["mean"] is not None), default=None)
    if row["low"] is None:
        return text
    if best is not None and row not in controls and sign * row["low" if sign > 0 else "high"] > best:
        text = f"**{text}**"
    return f"{text} ({row['low']:.3f} to {row['high']:.3f})"


def label(metric, metrics):
    """The name, and of variants of one metric the options that tell them apart."""
    name, _, options = metric.partition(":")
    others = [set(other.partition(":")[2].split(",")) for other in metrics if other.partition(":")[0] == name]
    common = set.intersection(*others)
    return " ".join([f"`{name}`", *sorted(set(options.split(",")) - common)])


def tables(net, name):
    found = gather(net, name) / "evaluation.json"
    if not found.exists():
        return
    evaluation = json.loads(found.read_text())
    rows = evaluation["rows"]
    metrics = list(dict.fromkeys(row["metric_string"] for row in rows))
    methods = list(dict.fromkeys(row["method_string"] for row in rows))
    of = {(row["method_string"], row["metric_string"]): row for row in rows}
    short = {metric: label(metric, metrics) for metric in metrics}
    print(f"\n### {net}: {name}, {evaluation['photos'] - evaluation['failed']} photos\n")
    directions = [("higher" if of[methods[0], metric]["direction"] == "higher" else "lower") for metric in metrics]
    print("| method | " + " | ".join(f"{short[m]}, {d}" for m, d in zip(metrics, directions, strict=True)) + " |")
    print("|---" * (len(metrics) + 1) + "|")
    for method in methods:
        cells = []
        for metric in metrics:
            controls = [of[other, metric] for other in methods if other.split(":")[0] in CONTROLS]
            cells.append(cell(of[method, metric], controls))
        print(f"| `{of[method, metrics[0]]['method']}` | " + " | ".join(cells) + " |")
    for ceiling in evaluation.get("ceilings", []):
        print(
            f"\nBetween people, {ceiling['metric']}: {ceiling['mean']:.3f} ({ceiling['low']:.3f} to {ceiling['high']:.3f})"
        )
    pairs = evaluation["comparisons"]
    print()
    for metric in metrics:
        of_metric = [pair for pair in pairs if pair["metric"] == metric]
        decided = sum(pair["better"] is not None for pair in of_metric)
        print(f"- {short[metric]}: {decided} of {len(of_metric)} pairs decided")
    concordance = evaluation["concordance"]
    if concordance["kendall_w"] is not None:
        print(f"- Kendall's W of the metrics: {concordance['kendall_w']:.2f} (p {concordance['p']:.2g})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="*", choices=NETS, default=NETS)
    parser.add_argument("--parts", nargs="*", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--photos", type=int, default=100, help="at most, a part")
    parser.add_argument("--shard", help="part i of n of the photos, as i/n")
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    if not CORPUS.is_dir():
        sys.exit(f"There is no corpus in {CORPUS}.")
    for name in arguments.parts:
        for net in arguments.nets:
            if not arguments.tables:
                run(net, name, arguments.photos, arguments.shard)
            if not arguments.shard:
                tables(net, name)


if __name__ == "__main__":
    main()
