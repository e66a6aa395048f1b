"""The command gives the right answers on real photos."""

import csv
import json
import subprocess

import pytest
from conftest import BUILD, SOURCE, corpus

NETS = ["mobilenet_v1_0.25_224", "tiny_darknet_224", "mobilenet_v2_1.0_224"]


def predict(model, images):
    done = subprocess.run(
        [BUILD / "vitrail", "predict", model, *images, "--top", "1", "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [entry["prediction"][0]["index"] for entry in json.loads(done.stdout)["images"]]


def samples():
    table = csv.DictReader(open(corpus() / "models" / "imagenet" / "expected_top1.csv"))
    rows = [row for row in table if "imagenet-sample" in row["file"]]
    assert len(rows) == 143
    return rows, [corpus() / row["file"] for row in rows]


@pytest.mark.parametrize("net", NETS)
def test_corpus_nets(net):
    rows, images = samples()
    answers = predict(corpus() / "models" / "imagenet" / f"{net}.onnx", images)
    same = sum(answer == int(row[f"{net}_top1"]) for answer, row in zip(answers, rows))
    assert same >= 140, f"{same} of 143 as expected"


def test_demo_model():
    rows, images = samples()
    answers = predict(SOURCE / ".cache" / "demo" / "efficientnet_lite0.onnx", images)
    right = sum(answer == int(row["class"]) for answer, row in zip(answers, rows))
    assert right >= 0.91 * 143, f"{right} of 143 right"
