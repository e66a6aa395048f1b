"""Maps of methods beside those of people: several people a photo, fixations of eyes, the ceiling between people."""

import csv
import json
import shutil

import numpy
import pytest
import scipy.stats
from conftest import build_net, document, save_photo, vitrail

MEASURES = ["chainKDE", "discr", "freeFIX", "objFIX", "patchRate", "salFIX"]  # humanPC is a mixture of these


def scores(run):
    evaluation = document(run)
    means = {(row["method"], row["metric"]): row["mean"] for row in evaluation["rows"]}
    return means, {ceiling["metric"]: ceiling for ceiling in evaluation["ceilings"]}


def ceiling_by_definition(maps):
    """Each map by rank correlation with the mean of the others, all of equal weight."""
    maps = [values / values.std() for values in maps]
    others = [sum(maps[:person] + maps[person + 1 :]) for person in range(len(maps))]
    return numpy.mean([scipy.stats.spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(maps, others)])


def test_fixations_become_a_map_of_each_viewer(corpus, tmp_path):
    gaze = corpus / "gaze"
    photos = sorted((gaze / "images").iterdir())[:3]
    size = 48
    net = build_net(tmp_path / "net.onnx", size=size)  # the whole photo, squeezed
    options = ["-m", "centre,random", "--metric", "human_spearman,human_dice"]
    options += ["--human-maps", gaze / "fixations.csv", "-o", tmp_path / "out"]
    run = vitrail("evaluate", net, *photos, *options, "--json", "--fixation-sigma", "30")
    assert run.returncode == 0, run.stderr
    x, y = ((numpy.arange(size) + 0.5) * side / size for side in (800, 600))
    expected = []
    with (gaze / "fixations.csv").open() as file:
        rows = list(csv.DictReader(file))
    for photo in photos:
        maps = {}
        for row in rows:
            if row["image"] == photo.name:
                blob = numpy.exp(-((x - float(row["x"])) ** 2 + (y[:, None] - float(row["y"])) ** 2) / (2 * 30**2))
                maps[row["viewer"]] = maps.get(row["viewer"], 0) + blob
        assert len(maps) == 15
        expected.append(ceiling_by_definition(list(maps.values())))
    means, ceilings = scores(run)
    assert ceilings["human_spearman"]["mean"] == pytest.approx(numpy.mean(expected), abs=1e-4)
    assert ceilings["human_spearman"]["n"] == 3
    # People look at the middle, and at the same things.
    assert means["random", "human_spearman"] < 0.1 < means["centre", "human_spearman"]
    assert means["random", "human_dice"] < 0.5 * ceilings["human_dice"]["mean"]
    lines = [json.loads(line) for line in (tmp_path / "out/scores.jsonl").read_text().splitlines()]
    assert [next(iter(line["ceilings"])) for line in lines] == ["human_dice:abs=false,percentile=90"] * 3
    other = vitrail("evaluate", net, *photos, *options, "--fixation-sigma", "20")
    assert other.returncode == 2
    assert "sigma of fixations" in other.stderr


def test_measures_of_people_bound_methods_of_a_real_network(corpus, tmp_path):
    photos, maps = tmp_path / "photos", tmp_path / "maps"
    photos.mkdir()
    for folder in sorted((corpus / "human").glob("img*"))[:4]:
        shutil.copy(folder / "image.jpg", photos / f"{folder.name}.jpg")
        (maps / folder.name).mkdir(parents=True)
        for measure in MEASURES:
            shutil.copy(folder / f"{measure}.npy", maps / folder.name)
    model = corpus / "models/imagenet/mobilenet_v1_0.25_224.onnx"
    methods = "saliency,gradcam,rise:masks=50,random,centre,edges"
    metrics = "human_spearman,human_dice,human_iou"
    options = ["-m", methods, "--metric", metrics, "--human-maps", maps, "-o", tmp_path / "out"]
    run = vitrail("evaluate", model, photos, *options)
    assert run.returncode == 0, run.stderr
    for metric in metrics.split(","):
        assert f"{metric} between people: " in run.stdout
    assert "the mean of the others' maps" in run.stdout
    report = (tmp_path / "out/report.html").read_text()
    assert report.count("between people: ") == 3
    evaluation = json.loads((tmp_path / "out/evaluation.json").read_text())
    ceilings = {ceiling["metric"]: ceiling for ceiling in evaluation["ceilings"]}
    by_definition = [
        ceiling_by_definition([numpy.load(file).astype(float)[:250, :250] for file in sorted(folder.iterdir())])
        for folder in maps.iterdir()
    ]
    # Of whole photos; the model sees the middle of each.
    assert ceilings["human_spearman"]["mean"] == pytest.approx(numpy.mean(by_definition), abs=0.1)
    for row in evaluation["rows"]:
        if row["method"] == "random":
            assert row["high"] < ceilings[row["metric"]]["low"]


def test_a_photo_without_a_map_has_no_score(net, tmp_path):
    photo, maps = save_photo(tmp_path / "photo.png"), tmp_path / "maps"
    (maps / "other").mkdir(parents=True)
    options = ["-m", "centre", "--metric", "human_spearman", "-o", tmp_path / "out", "--json"]
    run = vitrail("evaluate", net, photo, *options, "--human-maps", maps)
    assert run.returncode == 0, run.stderr
    evaluation = document(run)
    assert evaluation["ceilings"] == []
    assert evaluation["rows"][0]["reasons"] == {"no human map is known of this photo": 1}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("eyes.csv", "image,viewer,x\n", ['no column "y"', "image,viewer,x,y"]),
        ("eyes.csv", "image,viewer,x,y\na.jpg,1,2,left\n", ["line 2", "left"]),
        ("eyes.txt", "image,viewer,x,y\n", ["no folder", ".csv"]),
    ],
)
def test_mistakes_are_named(net, photo, tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    run = vitrail("evaluate", net, photo, "-m", "centre", "-o", tmp_path / "out", "--human-maps", tmp_path / name)
    assert run.returncode in (2, 4)
    assert all(word in run.stderr for word in words), run.stderr


def beside_centre(a, b):
    """The correlation of what is left of the ranks after a regression on those of the centre."""
    y, x = (numpy.abs(numpy.arange(side) - (side - 1) / 2) for side in a.shape)
    columns = [scipy.stats.rankdata(values) for values in (a, b, -(x**2 + y[:, None] ** 2))]
    a, b, centre = (column - column.mean() for column in columns)
    a, b = (values - centre * (values @ centre) / (centre @ centre) for values in (a, b))
    return a @ b / numpy.sqrt((a @ a) * (b @ b))


def test_partial_correlation_and_share_of_the_ceiling(tmp_path):
    size = 32
    net = build_net(tmp_path / "net.onnx", size=size)
    photo = save_photo(tmp_path / "one.png", size=(size, size))
    random = numpy.random.default_rng(3)
    blob = numpy.exp(-((numpy.arange(size) - 15.5) ** 2 + (numpy.arange(size)[:, None] - 15.5) ** 2) / 128)
    people = [blob + random.random((size, size)) for _ in range(2)]
    folder = tmp_path / "people" / "one"
    folder.mkdir(parents=True)
    for number, map_ in enumerate(people):
        numpy.save(folder / f"{number}.npy", map_.astype(numpy.float32))
    options = ["-m", "saliency,centre", "--metric", "human_spearman,human_partial_spearman", "--plan", "none"]
    run = vitrail(
        "evaluate", net, photo, *options, "--human-maps", tmp_path / "people", "-o", tmp_path / "out", "--json"
    )
    assert run.returncode == 0, run.stderr
    means, ceilings = scores(run)
    explained = vitrail("explain", net, photo, "-m", "saliency", "--plan", "none", "-o", tmp_path / "explained")
    assert explained.returncode == 0, explained.stderr
    (file,) = (tmp_path / "explained" / "one").glob("*saliency*.npy")
    ours, mean = numpy.load(file), sum(map_ / map_.std() for map_ in people)
    assert means["saliency", "human_partial_spearman"] == pytest.approx(beside_centre(ours, mean), abs=1e-5)
    raw, partial = ceilings["human_spearman"], ceilings["human_partial_spearman"]
    assert partial["mean"] == pytest.approx(beside_centre(*people), abs=1e-5)
    assert partial["mean"] < 0.1 < raw["mean"], "these people share the middle and nothing else"
    rows = {(row["method"], row["metric"]): row for row in document(run)["rows"]}
    row = rows["saliency", "human_spearman"]
    assert row["ceiling_share"] == pytest.approx(row["mean"] / raw["mean"])
    assert rows["centre", "human_partial_spearman"]["mean"] is None
    assert rows["centre", "human_partial_spearman"]["ceiling_share"] is None
    assert "distance from the middle" in next(iter(rows["centre", "human_partial_spearman"]["reasons"]))
    assert "Shares of it: " in (tmp_path / "out" / "report.html").read_text()
