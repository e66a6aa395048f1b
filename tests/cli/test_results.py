"""The files that `explain` writes, and the documents on standard output."""

import json

import jsonschema
import numpy
import PIL.Image
import pytest
from conftest import LABELS, ROOT, build_net, document, files_below, save_photo, vitrail

SCHEMA = json.loads((ROOT / "docs/result.schema.json").read_text())
jsonschema.Draft202012Validator.check_schema(SCHEMA)
METHODS = "saliency,gradient_x_input,ig,smoothgrad:samples=4,gradcam,occlusion,rise:masks=20,sobol:grid=3,designs=4,replicates=2"


def explain(net, photo, out, *options):
    run = vitrail("explain", net, photo, "-o", out, *options)
    assert run.returncode == 0, run.stderr
    result = json.loads((out / photo.stem / "result.json").read_text())
    jsonschema.validate(result, SCHEMA)
    return result


def test_every_method_writes_what_it_names(net, photo, tmp_path):
    out = tmp_path / "out"
    result = explain(net, photo, out, "-m", METHODS)
    assert result["status"] == "complete"
    assert [e["name"] for e in result["explanations"]] == [
        "saliency", "gradient_x_input", "integrated_gradients", "smoothgrad", "gradcam", "occlusion", "rise", "sobol",
    ]  # fmt: skip
    named = {"result.json"}
    for number, e in enumerate(result["explanations"], 1):
        stem = f"{number:02}-{e['name']}-{e['target']['index']}"
        assert e["map"] == stem + ".npy" and e["overlay"] == stem + ".png"
        values = numpy.load(out / "photo" / e["map"])
        assert values.dtype == numpy.float32 and values.shape == (16, 16)
        for key, ending in (("cells", ".cells.npy"), ("standard_error", ".se.npy")):
            assert e[key] in (None, stem + ending)
        if e["standard_error"]:
            assert numpy.load(out / "photo" / e["standard_error"]).shape == (16, 16)
        PIL.Image.open(out / "photo" / e["overlay"]).verify()
        named |= {e[key] for key in ("map", "cells", "standard_error", "overlay") if e[key]}
    assert set(files_below(out / "photo")) == named
    by_name = {e["name"]: e for e in result["explanations"]}
    assert all(by_name[name]["standard_error"] for name in ("smoothgrad", "rise", "sobol"))
    assert numpy.load(out / "photo" / by_name["sobol"]["cells"]).shape == (3, 3)
    assert numpy.load(out / "photo" / by_name["gradcam"]["cells"]).shape == (16, 16)
    assert by_name["sobol"]["forwards"] == 4 * 2 * (9 + 1)
    assert not by_name["sobol"]["signed"] and by_name["occlusion"]["signed"]


def test_the_result_says_what_was_explained(net, photo, tmp_path):
    result = explain(net, photo, tmp_path / "out", "-m", "saliency")
    assert result["image"] | {"sha256": None} == {
        "path": str(photo), "sha256": None, "width": 40, "height": 30,
        "placed": {"x0": 0.0, "y0": 0.0, "x1": 40.0, "y1": 30.0},
    }  # fmt: skip
    assert result["model"]["input_shape"] == ["N", 3, 16, 16]
    assert result["model"]["preprocess"]["mean"] == [0.5, 0.5, 0.5]
    best = result["prediction"][0]
    assert best["label"] == LABELS[best["index"]]
    assert sum(p["probability"] for p in result["prediction"]) == pytest.approx(1, abs=1e-5)
    target = result["explanations"][0]["target"]
    assert (target["string"], target["index"], target["label"]) == ("top1", best["index"], best["label"])
    assert result["explanations"][0]["score"] == pytest.approx(best["logit"], rel=1e-5)


def test_the_canonical_method_computes_the_same(net, photo, tmp_path):
    first = explain(net, photo, tmp_path / "first", "-m", "rise:masks=30,seed=5")
    method = first["explanations"][0]["method"]
    plan = tmp_path / "first/photo/result.json"
    second = explain(net, photo, tmp_path / "second", "-m", method, "--plan", plan)
    assert second["explanations"][0]["method"] == method
    name = first["explanations"][0]["map"]
    assert (tmp_path / "first/photo" / name).read_bytes() == (tmp_path / "second/photo" / name).read_bytes()


def test_seed_reaches_the_methods_that_name_none(net, photo, tmp_path):
    def maps(folder, *options):
        out = tmp_path / folder
        methods = ("-m", "rise:masks=30", "-m", "sobol:grid=2,designs=2,seed=9", "--plan", "none")
        result = explain(net, photo, out, *methods, *options)
        return [(out / "photo" / e["map"]).read_bytes() for e in result["explanations"]], [
            e["seed"] for e in result["explanations"]
        ]

    (rise_3, sobol_3), seeds = maps("a", "--seed", 3)
    assert seeds == [3, 9]
    assert maps("b", "--seed", 3)[0] == [rise_3, sobol_3]
    (rise_4, sobol_4), _ = maps("c", "--seed", 4)
    assert rise_4 != rise_3 and sobol_4 == sobol_3


def test_targets_by_index_label_probability_and_contrast(net, photo, tmp_path):
    targets = ["top2", "1", "Tinca Tinca", "golden retriever", "prob:3", "logit:tabby_cat", "0-vs-tabby cat"]
    options = [word for target in targets for word in ("-t", target)]
    result = explain(net, photo, tmp_path / "out", "-m", "saliency", *options)
    found = [
        (e["target"]["string"], e["target"]["index"], e["target"].get("versus"), e["target"]["unit"])
        for e in result["explanations"]
    ]
    best = [p["index"] for p in result["prediction"][:2]]
    assert found == [
        ("top2", best[0], None, "logit"), ("top2", best[1], None, "logit"), ("1", 1, None, "logit"),
        ("Tinca Tinca", 0, None, "logit"), ("golden retriever", 2, None, "logit"), ("prob:3", 3, None, "probability"),
        ("logit:tabby_cat", 1, None, "logit"), ("0-vs-tabby cat", 0, 1, "logit"),
    ]  # fmt: skip
    logits = {p["index"]: p["logit"] for p in result["prediction"]}
    contrast = result["explanations"][-1]
    assert contrast["score"] == pytest.approx(logits[0] - logits[1], rel=1e-4)
    assert contrast["map"].endswith("-saliency-0-vs-1.npy")
    assert result["explanations"][5]["map"] == "06-saliency-prob-3.npy"


def test_a_model_without_labels_has_null_labels(photo, tmp_path):
    net = build_net(tmp_path / "plain.onnx", labels=False)
    result = explain(net, photo, tmp_path / "out", "-m", "saliency")
    assert result["prediction"][0]["label"] is None
    assert result["explanations"][0]["target"]["label"] is None


def test_stems_that_collide_get_a_number(net, tmp_path):
    photos = []
    for number, folder in enumerate(("a", "b", "c")):
        (tmp_path / folder).mkdir()
        photos.append(save_photo(tmp_path / folder / ("cat.png" if folder != "c" else "cat.jpg"), seed=number))
    out = tmp_path / "out"
    run = vitrail("explain", net, *photos, "-m", "saliency", "-o", out)
    assert run.returncode == 0, run.stderr
    paths = [
        json.loads((out / name / "result.json").read_text())["image"]["path"] for name in ("cat", "cat-2", "cat-3")
    ]
    assert paths == list(map(str, photos))


def test_a_folder_means_its_photos_in_order(net, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b.png", "a.JPG", "c.webp"):
        save_photo(folder / name)
    (folder / "notes.txt").write_text("not a photo")
    run = vitrail("predict", net, folder, "--json")
    assert run.returncode == 0, run.stderr
    assert [image["path"] for image in document(run)["images"]] == [
        str(folder / name) for name in ("a.JPG", "b.png", "c.webp")
    ]


def test_a_second_run_replaces_the_first(net, photo, tmp_path):
    out = tmp_path / "out"
    explain(net, photo, out, "-m", "saliency,rise:masks=10")
    (out / "photo/notes.txt").write_text("mine")
    result = explain(net, photo, out, "-m", "occlusion")
    e = result["explanations"][0]
    assert set(files_below(out / "photo")) == {"result.json", "notes.txt", e["map"], e["cells"], e["overlay"]}


def test_budget_gives_a_valid_partial_result(net, photo, tmp_path):
    result = explain(net, photo, tmp_path / "out", "-m", "rise:masks=500,saliency", "--budget", "40forwards")
    assert result["status"] == "partial"
    rise, saliency = result["explanations"]
    assert rise["partial"] and 0 < rise["forwards"] <= 40
    assert not saliency["partial"]
    assert numpy.isfinite(numpy.load(tmp_path / "out/photo" / rise["map"])).all()


def test_batch_and_threads_change_nothing_that_matters(net, photo, tmp_path):
    maps = []
    for folder, options in (("a", ("--batch", 1, "--threads", 1)), ("b", ("--batch", 7, "--threads", 2))):
        result = explain(net, photo, tmp_path / folder, "-m", "rise:masks=50", *options)
        maps.append(numpy.load(tmp_path / folder / "photo" / result["explanations"][0]["map"]))
        assert result["explanations"][0]["plan"]["batch"] == str(options[1])
    assert numpy.abs(maps[0] - maps[1]).max() <= 1e-5 * numpy.ptp(maps[0])


def test_without_methods_the_choice_is_said(net, photo, tmp_path):
    run = vitrail("explain", net, photo, "-o", tmp_path / "out", "--budget", "200forwards")
    assert run.returncode == 0, run.stderr
    assert "gradcam,sobol" in run.stderr


def test_json_is_one_document_and_holds_the_results(net, photo, tmp_path):
    out = tmp_path / "out"
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    run = vitrail("explain", net, photo, bad, "-m", "saliency", "-o", out, "--json")
    assert run.returncode == 1
    printed = document(run)
    assert printed["format"] == "vitrail-explain" and printed["report"] == str(out / "report.html")
    assert printed["images"][0] == json.loads((out / "photo/result.json").read_text())
    assert printed["images"][1]["path"] == str(bad) and printed["images"][1]["error"]


def test_predict_names_the_best_classes(net, photo, tmp_path):
    run = vitrail("predict", net, photo, photo, "--top", 3, "--json")
    assert run.returncode == 0, run.stderr
    printed = document(run)
    assert (printed["format"], printed["version"], len(printed["images"])) == ("vitrail-prediction", 1, 2)
    prediction = printed["images"][0]["prediction"]
    assert len(prediction) == 3
    assert sorted(prediction[0]) == ["index", "label", "logit", "probability"]
    logits = [p["logit"] for p in prediction]
    assert logits == sorted(logits, reverse=True)
    text = vitrail("predict", net, photo, "--top", 1).stdout
    assert prediction[0]["label"] in text and str(photo) in text


def test_dry_run_says_the_cost_and_writes_nothing(net, photo, tmp_path):
    out = tmp_path / "out"
    run = vitrail("explain", net, photo, photo, "-m", "rise:masks=50,saliency", "-o", out, "--dry-run", "--json")
    assert run.returncode == 0, run.stderr
    plan = document(run)
    assert plan["methods"][0]["forwards"] == 50 and plan["methods"][1]["backwards"] == 1
    assert plan["images"] == 2 and plan["seconds_per_forward"] > 0
    assert plan["seconds"] == pytest.approx(2 * sum(method["seconds"] for method in plan["methods"]))
    assert not out.exists()
    assert "50 forwards" in vitrail("explain", net, photo, "-m", "rise:masks=50", "--dry-run").stdout


def test_methods_are_listed_and_described():
    listed = document(vitrail("methods", "--json"))["methods"]
    names = [method["name"] for method in listed]
    assert names == [
        "saliency", "gradient_x_input", "integrated_gradients", "guided_ig", "blur_ig", "xrai", "smoothgrad", "squaregrad", "vargrad", "expected_gradients", "fullgrad", "guided_backprop", "deconvnet", "guided_gradcam", "conductance", "internal_influence", "layer_ig",
        "gradcam", "gradcam_pp", "smooth_gradcam_pp", "cam", "hirescam", "elementwise_cam", "layercam", "xgradcam",
        "shapley_cam", "eigen_cam", "eigen_gradcam", "fem", "random_cam", "scorecam", "ss_cam", "is_cam", "ablation_cam", "recipro_cam",
        "lrp", "attn_lrp", "deeplift", "attention_rollout", "gradient_rollout", "legrad",
        "occlusion", "feature_ablation", "rise", "lime", "kernel_shap", "shapley", "exact_shapley", "owen", "sobol", "hsic", "morris", "dgsm", "dgsm_morris",
        "random", "edges", "centre",
    ]  # fmt: skip
    text = vitrail("methods").stdout
    assert all(name in text for name in names)
    described = vitrail("methods", "sobol").stdout
    for option in next(method for method in listed if method["name"] == "sobol")["options"]:
        assert f"{option['name']}={option['default']}" in described and option["description"] in described


def test_inspect_says_what_a_model_is(net):
    inspection = document(vitrail("inspect", net, "--json"))
    assert inspection["inputs"] == [{"name": "image", "type": "float32", "shape": "[N,3,16,16]"}]
    assert inspection["operators"]["Conv"] == 1 and inspection["obstacle"] is None
    assert inspection["layers"] and inspection["layers"][0]["shape"] == "[N,6,16,16]"
    assert inspection["layers"][0]["grid"] == [16, 16] and inspection["layers"][0]["channels"] == 6
    text = vitrail("inspect", net).stdout
    assert "proposed" in text and "sidecar net.json" in text


def test_inspect_prints_the_stages(net):
    for stage in ("loaded", "canonical"):
        nodes = document(vitrail("inspect", net, "--stage", stage, "--json"))["nodes"]
        assert "Conv" in [node["op"] for node in nodes]
    assert "pads=[1,1,1,1]" in vitrail("inspect", net, "--stage", "loaded").stdout


def test_inspect_shows_a_graph_that_cannot_be_explained(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "two", values[:2], values[2:])
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    run = vitrail("inspect", path, "--json")
    assert run.returncode == 0, run.stderr
    assert "2 inputs" in document(run)["obstacle"]


def test_the_report_is_one_file_that_refers_to_nothing(net, photo, tmp_path):
    out = tmp_path / "out"
    bad = tmp_path / "empty.jpg"
    bad.touch()
    assert vitrail("explain", net, photo, bad, "-m", "saliency,rise:masks=10", "-o", out).returncode == 1
    html = (out / "report.html").read_text()
    assert html.count("data:image/png;base64,") == 3
    assert "empty.jpg" in html and "failed" in html
    assert not any(word in html for word in ("http:", "https:", "<script", "href=", "url(", "@import"))


def test_a_photo_of_the_corpus(corpus, tmp_path):
    model = corpus / "models/imagenet/mobilenet_v1_0.25_224.onnx"
    photo = corpus / "images/alibi-cats/n02123045_281_tabby_cat.jpg"
    result = explain(model, photo, tmp_path, "-m", "gradcam,occlusion", "-t", "top1", "-t", "tabby")
    assert result["prediction"][0]["label"] in ("tabby", "tiger cat", "Egyptian cat")
    assert result["explanations"][1]["target"]["index"] == 281
    for e in result["explanations"]:
        assert numpy.ptp(numpy.load(tmp_path / photo.stem / e["map"])) > 0


@pytest.mark.parametrize(
    "name", ["cifar10/resnet20", "mnist/mnist-net_256x2", "mnist/self_attention", "gtsrb/gtsrb_30_qconv"]
)
def test_every_layout_gives_maps_of_the_input_size(corpus, tmp_path, name):
    model = corpus / "models" / f"{name}.onnx"
    size = json.loads(model.with_suffix(".json").read_text())["preprocess"]["size"]
    result = explain(
        model, save_photo(tmp_path / "p.png", size=tuple(size[::-1])), tmp_path, "-m", "saliency,rise:masks=16"
    )
    for e in result["explanations"]:
        assert list(numpy.load(tmp_path / "p" / e["map"]).shape) == size
